//! Reading caches: those of the reference, and damaged ones.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use saescript::activations::{
    ActivationFactory, ActivationFactoryConfig, ActivationStream, Batch, BatchStream, Inputs, check_cache,
};
use saescript::config::{Value, from_value};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::tensor::{Kind, Tensor};
use serde_json::json;

use super::toy;

const HOOKS: [&str; 2] = ["blocks.1.hook_mlp_out", "blocks.1.hook_resid_post"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/activations")
}

fn config(path: &Path, changes: Value) -> ActivationFactoryConfig {
    let mut value = json!({
        "sources": [{"type": "activations", "name": "cache", "path": path}],
        "target": "activations-1d",
        "hook_points": HOOKS,
        "batch_size": 32,
    });
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    from_value(value).expect("a valid configuration")
}

fn stream(config: ActivationFactoryConfig) -> Result<ActivationStream> {
    ActivationFactory::new(config)?.process(Inputs::default(), &RunContext::default())
}

fn fixture(file: &str, name: &str) -> Tensor {
    let tensors = Tensor::read_safetensors(fixtures().join(file)).expect("a fixture");
    tensors
        .into_iter()
        .find(|(known, _)| known == name)
        .expect("in the fixture")
        .1
}

/// The tensors `name` of all chunks of a hook point, one after another.
fn whole(kind: &str, hook_point: &str, name: &str) -> Tensor {
    let chunks = (0..4).map(|number| {
        fixture(
            &format!("cache/{kind}/{hook_point}/chunk-{number:08}.safetensors"),
            name,
        )
    });
    Tensor::cat(&chunks.collect::<Vec<_>>(), 0)
}

fn joined(batches: &[Batch], hook_point: &str) -> Tensor {
    Tensor::cat(
        &batches
            .iter()
            .map(|batch| batch.at(hook_point).expect("there"))
            .collect::<Vec<_>>(),
        0,
    )
}

#[test]
fn batches_of_a_cache_are_there_before_they_are_asked_for() {
    let changes = json!({ "sources": [{
        "type": "activations", "name": "cache", "path": fixtures().join("cache/1d"), "num_workers": 1, "prefetch": 2,
    }]});
    let mut stream = stream(config(&fixtures(), changes)).expect("a stream");
    let mut taken = 0;
    while stream.next_batch().expect("a batch").is_some() {
        taken += 1;
        // Nobody asks meanwhile: what comes, comes by itself.
        let patience = Instant::now();
        while taken < 14 && stream.stats().queued < 2 {
            assert!(
                patience.elapsed() < Duration::from_secs(60),
                "{:?}",
                stream.stats()
            );
            std::thread::yield_now();
        }
    }
    assert_eq!(taken, 16);
}

#[test]
fn caches_of_the_reference_are_read_exactly() {
    let batches = toy::all(&mut stream(config(&fixtures().join("cache/1d"), json!({}))).expect("a stream"));
    assert_eq!(batches.len(), 16);
    for hook_point in HOOKS {
        assert_eq!(
            joined(&batches, hook_point),
            whole("1d", hook_point, "activation")
        );
    }
    let ids = Vec::<i64>::try_from(fixture("readback_order.safetensors", "unshuffled_tokens")).expect("ids");
    assert_eq!(toy::tokens(&batches), ids);

    let changes = json!({"target": "activations-2d", "batch_size": 5});
    let batches = toy::all(&mut stream(config(&fixtures().join("cache/2d"), changes)).expect("a stream"));
    assert_eq!(
        batches.iter().map(Batch::rows).collect::<Vec<_>>(),
        [5, 5, 5, 5, 5, 5, 2]
    );
    for hook_point in HOOKS {
        assert_eq!(
            joined(&batches, hook_point),
            whole("2d", hook_point, "activation")
        );
    }
    let meta = batches[6].meta.as_ref().expect("origins");
    assert_eq!(meta[1]["context_idx"], 31);
    assert_eq!(batches[0].mask.as_ref().expect("a mask").kind(), Kind::Int);
}

#[test]
fn shuffled_reading_follows_the_order_of_the_reference() {
    let expected =
        Vec::<i64>::try_from(fixture("readback_order.safetensors", "shuffled_tokens")).expect("ids");
    for workers in [1, 4] {
        let source = json!([{"type": "activations", "name": "c", "path": fixtures().join("cache/1d"),
            "num_workers": workers, "prefetch": workers * 2}]);
        let changes = json!({"sources": source, "buffer_size": 200, "buffer_shuffle": {"perm_seed": 42}});
        let batches = toy::all(&mut stream(config(Path::new("x"), changes)).expect("a stream"));
        assert_eq!(toy::tokens(&batches), expected);
    }
}

#[test]
fn sequences_become_single_rows_without_masked_positions() {
    let changes = json!({"override_dtype": "bfloat16"});
    let batches = toy::all(&mut stream(config(&fixtures().join("cache/2d"), changes)).expect("a stream"));
    let mask = whole("2d", HOOKS[0], "mask").reshape([-1]).to_kind(Kind::Bool);
    let tokens = whole("2d", HOOKS[0], "tokens").reshape([-1]).masked_select(&mask);
    assert_eq!(toy::tokens(&batches), Vec::<i64>::try_from(tokens).expect("ids"));
    let x = whole("2d", HOOKS[0], "activation").reshape([-1, 48]);
    let kept = x.index_select(0, &mask.nonzero().reshape([-1]));
    assert_eq!(joined(&batches, HOOKS[0]), kept.to_kind(Kind::BFloat16));
}

#[test]
fn passes_and_chunk_order_are_seeded_and_resumable() {
    let config = || {
        let source = json!([{"type": "activations", "name": "c", "path": fixtures().join("cache/1d"),
            "passes": 3, "chunk_shuffle_seed": 5}]);
        config(
            Path::new("x"),
            json!({"sources": source, "batch_size": 100, "buffer_size": 300}),
        )
    };
    let batches = toy::all(&mut stream(config()).expect("a stream"));
    let all = toy::tokens(&batches);
    assert_eq!(all.len(), 3 * 512);
    // Few rows of a chunk are kept apart from its files: they have to be the same.
    for hook_point in HOOKS {
        let sorted = |rows: &Tensor| rows.sum_dim_intlist(1, false, Kind::Double).sort(0, false).0;
        let stored = whole("1d", hook_point, "activation");
        let thrice = Tensor::cat(&[&stored, &stored, &stored], 0);
        assert!(
            sorted(&joined(&batches, hook_point)).equal(&sorted(&thrice)),
            "{hook_point}"
        );
    }
    let mut sorted = all.clone();
    sorted.sort_unstable();
    let mut once =
        Vec::<i64>::try_from(fixture("readback_order.safetensors", "unshuffled_tokens")).expect("ids");
    once = [once.clone(), once.clone(), once].concat();
    once.sort_unstable();
    assert_eq!(sorted, once, "every row three times");
    for taken in [0, 1, 7] {
        let mut first = stream(config()).expect("a stream");
        let mut tokens = Vec::new();
        for _ in 0..taken {
            tokens.extend(toy::tokens(&[first
                .next_batch()
                .expect("works")
                .expect("a batch")]));
        }
        let saved = tempfile::tempdir().expect("a folder");
        first.save_state(saved.path()).expect("saved");
        let mut second = stream(config()).expect("a stream");
        second.restore_state(saved.path()).expect("restored");
        tokens.extend(toy::tokens(&toy::all(&mut second)));
        assert_eq!(tokens, all, "after {taken} batches");
    }
}

#[test]
fn a_cache_and_a_data_set_can_be_mixed() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = toy::jsonl(folder.path(), &vec!["abcdefgh".to_string(); 40]);
    let mut cached = saescript::activations::Batch::default();
    cached.activations.insert(
        toy::HOOK.into(),
        Tensor::zeros([64, 2], (Kind::Float, saescript::tensor::Device::Cpu)),
    );
    let hook = folder.path().join("cache").join(toy::HOOK);
    std::fs::create_dir_all(&hook).expect("made");
    let tokens = Tensor::full([64], 7, (Kind::Int64, saescript::tensor::Device::Cpu));
    let mask = Tensor::ones([64], (Kind::Int, saescript::tensor::Device::Cpu));
    let tensors = [
        ("activation", cached.at(toy::HOOK).expect("there").shallow_clone()),
        ("tokens", tokens),
        ("mask", mask.shallow_clone()),
        ("attention_mask", mask),
    ];
    Tensor::write_safetensors(&tensors, hook.join("chunk-00000000.safetensors")).expect("written");
    let config = toy::config(json!({"sources": [
        {"type": "dataset", "name": "texts"},
        {"type": "activations", "name": "cache", "path": folder.path().join("cache")},
    ]}));
    let mut stream = toy::stream(config, &texts, &RunContext::default()).expect("a stream");
    let tokens = toy::tokens(&toy::all(&mut stream));
    assert_eq!(tokens.len(), 40 * 8 + 64);
    assert_eq!(tokens.iter().filter(|id| **id == 7).count(), 64);
}

/// A copy of the fixture in 1D, in `folder/name`.
fn copy(folder: &Path, name: &str) -> PathBuf {
    let target = folder.join(name);
    for hook_point in HOOKS {
        std::fs::create_dir_all(target.join(hook_point)).expect("made");
        for number in 0..4 {
            let file = format!("{hook_point}/chunk-{number:08}.safetensors");
            std::fs::copy(fixtures().join("cache/1d").join(&file), target.join(&file)).expect("copied");
        }
    }
    target
}

/// What reading the cache at `path` to its end is refused with.
fn refusal(path: &Path, changes: Value) -> String {
    let outcome = stream(config(path, changes)).and_then(|mut stream| {
        while stream.next_batch()?.is_some() {}
        Ok(())
    });
    let error = outcome.expect_err("refused");
    assert_eq!(error.fault().exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn chunks_of_another_dtype_or_shape_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let change = |name: &str, change: &dyn Fn(&str, &Tensor) -> Tensor| {
        let cache = copy(folder.path(), name);
        let file = cache.join(HOOKS[1]).join("chunk-00000001.safetensors");
        let tensors = Tensor::read_safetensors(&file).expect("read");
        let changed: Vec<(&str, Tensor)> = tensors
            .iter()
            .map(|(name, x)| (name.as_str(), change(name, x)))
            .collect();
        Tensor::write_safetensors(&changed, &file).expect("written");
        let report = check_cache(&cache, &RunContext::default()).expect("checked");
        let first = report
            .problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(first.contains("chunk-00000001"), "{name}: {report:?}");
        refusal(&cache, json!({}))
    };
    let activation = |f: fn(&Tensor) -> Tensor| {
        move |name: &str, x: &Tensor| match name {
            "activation" => f(x),
            _ => x.shallow_clone(),
        }
    };
    let text = change("integers", &activation(|x| x.to_kind(Kind::Int)));
    assert!(
        text.contains("chunk-00000001") && text.contains("dtype int32"),
        "{text}"
    );
    let text = change("halves", &activation(|x| x.to_kind(Kind::Half)));
    assert!(
        text.contains("do not fit each other") && text.contains("float16"),
        "{text}"
    );
    let text = change("narrow", &activation(|x| x.narrow(1, 0, 40).contiguous()));
    assert!(
        text.contains("do not fit each other") && text.contains("float32 of width 40"),
        "{text}"
    );
    let text = change("flat", &activation(|x| x.reshape([-1])));
    assert!(
        text.contains("chunk-00000001") && text.contains("expected (rows, d)"),
        "{text}"
    );
    let text = change("short", &activation(|x| x.narrow(0, 0, 100).contiguous()));
    assert!(text.contains("contradicts itself"), "{text}");
    let text = change("floating ids", &|_, x| x.to_kind(Kind::Float));
    assert!(text.contains("does not hold `tokens` as integers"), "{text}");
}

#[test]
fn what_is_wrong_with_a_cache_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing_chunk = copy(folder.path(), "missing_chunk");
    std::fs::remove_file(missing_chunk.join(HOOKS[1]).join("chunk-00000002.safetensors")).expect("removed");
    assert!(refusal(&missing_chunk, json!({})).contains("unequal chunks"));

    let cut = copy(folder.path(), "cut");
    let file = cut.join(HOOKS[1]).join("chunk-00000003.safetensors");
    let bytes = std::fs::read(&file).expect("read");
    std::fs::write(&file, &bytes[..bytes.len() - 100]).expect("written");
    let text = refusal(&cut, json!({}));
    assert!(
        text.contains("chunk-00000003") && text.contains("cut short"),
        "{text}"
    );

    let other = copy(folder.path(), "other");
    let file = other.join(HOOKS[1]).join("chunk-00000001.safetensors");
    let mut tensors = Tensor::read_safetensors(&file).expect("read");
    for (name, x) in &mut tensors {
        if name == "tokens" {
            *x = &*x + 1;
        }
    }
    Tensor::write_safetensors(&tensors, &file).expect("written");
    assert!(refusal(&other, json!({})).contains("belong together"));

    let good = copy(folder.path(), "good");
    assert!(refusal(&good, json!({"hook_points": ["blocks.1.hook_resid_pre"]})).contains("did you mean"));
    assert!(refusal(&good, json!({"target": "activations-2d"})).contains("single activations"));
    assert!(refusal(&folder.path().join("none"), json!({})).contains("no cache folder"));
    std::fs::create_dir_all(folder.path().join("empty")).expect("made");
    assert!(refusal(&folder.path().join("empty"), json!({})).contains("is empty"));
    std::fs::create_dir_all(folder.path().join("hollow").join(HOOKS[0])).expect("made");
    assert!(refusal(&folder.path().join("hollow"), json!({})).contains("holds no chunks"));
    let two_d = fixtures().join("cache/2d");
    assert!(refusal(&two_d, json!({"target": "activations-2d", "context_size": 12})).contains("24 tokens"));
}
