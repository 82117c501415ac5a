//! Generations: finished, interrupted, and gone on with as something else.

use std::path::Path;

use saescript::activations::Written;
use saescript::config::{Document, to_value};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::lock::FolderLock;
use saescript::runner::{GenerateActivationsSettings, GenerateOptions, generate_activations};

use super::{allowing, change, change_last, copy_model, corpus, stopping};
use crate::generate::{contents, workspace, write};
use crate::program::run_in;

/// A workspace whose model and corpus may be changed.
fn folder() -> tempfile::TempDir {
    let folder = workspace();
    std::fs::remove_file(folder.path().join("model")).expect("removed");
    copy_model(&folder.path().join("model"));
    write(folder.path(), "corpus.jsonl", &corpus());
    folder
}

fn settings(folder: &Path, changes: &[&str]) -> GenerateActivationsSettings {
    let mut document = Document::read(&folder.join("generate.toml")).expect("a configuration");
    let place = |name: &str| folder.join(name).display().to_string();
    for change in [
        format!("output_dir={:?}", place("activations")),
        format!("model.model_from_pretrained_path={:?}", place("model")),
        format!("dataset.dataset_name_or_path={:?}", place("corpus.jsonl")),
    ] {
        document.set(&change).expect("a place");
    }
    for change in changes {
        document.set(change).expect("a change");
    }
    document.build().expect("valid")
}

fn generate(folder: &Path, changes: &[&str], allowed: &[&str]) -> Result<Written> {
    let options = GenerateOptions {
        allow_change: allowing(allowed),
    };
    generate_activations(&settings(folder, changes), &options, &RunContext::default())
}

/// Settings and what they are called when they differ.
const CHANGES: &[(&str, &str)] = &[
    ("model.dtype=\"bfloat16\"", "model.dtype"),
    ("model.backend=\"huggingface\"", "model.backend"),
    ("model.prepend_bos=false", "model.prepend_bos"),
    ("model.max_length=64", "model.max_length"),
    ("model_name=\"other\"", "model_name"),
    ("dataset.split=\"train[:300]\"", "dataset.split"),
    ("dataset.text_column=\"title\"", "dataset.text_column"),
    ("context_size=16", "context_size"),
    ("packed=true", "packed"),
    ("batch_size=64", "batch_size"),
    ("model_batch_size=4", "model_batch_size"),
    ("buffer_size=256", "buffer_size"),
    ("buffer_shuffle.perm_seed=7", "buffer_shuffle.perm_seed"),
    ("n_samples_per_chunk=100", "n_samples_per_chunk"),
    ("total_tokens=2_000", "total_tokens"),
    ("override_dtype=\"float16\"", "override_dtype"),
    ("ignore_token_ids=[1]", "ignore_token_ids"),
    ("hook_points=[\"blocks.0.hook_resid_pre\"]", "hook_points"),
    ("target=\"activations-2d\"", "target"),
    ("n_shards=2", "n_shards"),
];

#[test]
fn every_setting_that_decides_numbers_is_compared() {
    let folder = folder();
    let folder = folder.path();
    generate(folder, &[], &[]).expect("written");
    let before = contents(&folder.join("activations"));
    for (change, name) in CHANGES {
        let error = generate(folder, &[change], &[]).expect_err(change);
        let text = error.to_string();
        assert!(text.contains(&format!("`{name}` was ")), "{change}: {text}");
        assert!(
            text.contains(&format!("--allow-change {name}")),
            "{change}: {text}"
        );
        assert_eq!(error.key_path(), *name, "{change}");
    }
    for free in [
        "num_workers=1",
        "device_type=\"cuda\"",
        "model.device=\"auto\"",
        "model.local_files_only=true",
        "dataset.streaming=false",
        "model.backend=\"transformer_lens\"",
        "hook_points=[\"blocks.0.hook_mlp_out\", \"blocks.1.hook_resid_post\"]",
        "buffer_shuffle.generator_device=null",
    ] {
        let written = generate(folder, &[free], &[]).unwrap_or_else(|error| panic!("{free}: {error}"));
        assert_eq!((written.bytes, written.kept), (0, written.chunks), "{free}");
    }
    assert!(
        before == contents(&folder.join("activations")),
        "nothing was changed"
    );
}

#[test]
fn every_file_that_decides_numbers_is_compared() {
    let folder = folder();
    let folder = folder.path();
    generate(folder, &[], &[]).expect("written");
    let file = |name: &str| folder.join(name);
    type Edit<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Edit); 4] = [
        ("model/model.safetensors", &change_last),
        ("model/tokenizer.json", &|path| change(path, b'\n', b' ')),
        ("model/config.json", &|path| change(path, b'\n', b' ')),
        ("corpus.jsonl", &|path| change(path, b'a', b'o')),
    ];
    for ((name, damage), key) in cases.iter().zip([
        "model.weights",
        "model.tokenizer",
        "model.config",
        "dataset.files",
    ]) {
        let kept = std::fs::read(file(name)).expect("a file");
        damage(&file(name));
        let error = generate(folder, &[], &[]).expect_err(name).to_string();
        assert!(error.contains(&format!("`{key}` was \"")), "{name}: {error}");
        std::fs::write(file(name), kept).expect("as it was");
        generate(folder, &[], &[]).expect("the same contents");
    }
}

#[test]
fn an_interrupted_generation_goes_on_with_nothing_else() {
    let folder = folder();
    let folder = folder.path();
    let whole = ["output_dir=\"whole\""];
    let options = GenerateOptions::default();
    let mut uninterrupted = settings(folder, &whole);
    uninterrupted.output_dir = folder.join("whole").display().to_string();
    generate_activations(&uninterrupted, &options, &RunContext::default()).expect("written");
    generate_activations(
        &settings(folder, &[]),
        &options,
        &stopping("generating activations", 1000),
    )
    .expect_err("stopped");
    for (change, name) in CHANGES {
        let error = generate(folder, &[change], &[]).expect_err(change).to_string();
        assert!(error.contains(&format!("`{name}` was ")), "{change}: {error}");
    }
    let written = generate(folder, &[], &[]).expect("completed");
    assert!(written.kept > 0 && written.bytes > 0, "{written:?}");
    let (whole, cut) = (
        contents(&folder.join("whole")),
        contents(&folder.join("activations")),
    );
    assert!(whole == cut, "the caches differ");
}

#[test]
fn changes_are_allowed_by_name_and_noted() {
    let folder = folder();
    let folder = folder.path();
    let options = GenerateOptions::default();
    generate_activations(
        &settings(folder, &[]),
        &options,
        &stopping("generating activations", 1000),
    )
    .expect_err("stopped");
    let changes = ["model.max_length=64", "total_tokens=2_000"];
    let error = generate(folder, &changes, &["model.max_length"]).expect_err("one is not allowed");
    assert!(!error.message().contains("max_length"), "{error}");
    let written = generate(folder, &changes, &["model.max_length", "total_tokens"]).expect("both are");
    assert!(written.kept > 0 && written.tokens < 2_200, "{written:?}");
    let index = folder.join("activations/blocks.0.hook_mlp_out/index.jsonl");
    let index = std::fs::read_to_string(index).expect("an index");
    assert!(
        index
            .lines()
            .next()
            .expect("a line")
            .contains("\"changes\":[{\"key\":\"model.max_length\"")
    );
    // It is a cache by the new settings now, and can be made longer.
    generate(folder, &changes, &[]).expect("complete");
    let longer = ["model.max_length=64", "total_tokens=4_000"];
    let longer = generate(folder, &longer, &["total_tokens"]).expect("allowed");
    assert!(
        longer.tokens >= 4_000 && longer.kept == written.chunks,
        "{longer:?}"
    );

    let error = generate(folder, &changes, &["total_token"]).expect_err("no such name");
    assert!(
        error.to_string().contains("did you mean `total_tokens`?"),
        "{error}"
    );
}

#[test]
fn the_form_of_the_settings_does_not_matter() {
    let folder = folder();
    let folder = folder.path();
    generate(folder, &[], &[]).expect("written");
    let value = to_value(&settings(folder, &[])).expect("plain data");
    let mut reversed = serde_json::Map::new();
    for (key, value) in value.as_object().expect("a table").iter().rev() {
        reversed.insert(key.clone(), value.clone());
    }
    write(
        folder,
        "again.json",
        &serde_json::Value::Object(reversed).to_string(),
    );
    let ran = run_in(folder, ["generate", "again.json"]).ended_with(0);
    assert!(ran.err.contains("nothing is left to do"), "{}", ran.err);
    let ran = run_in(
        folder,
        ["generate", "generate.toml", "--set", "dataset.split=train[:300]"],
    )
    .ended_with(2);
    let text = ran.err.replace(&folder.display().to_string(), "FOLDER");
    insta::assert_snapshot!(text);
}

#[test]
fn a_folder_in_use_is_refused_and_shards_are_not_in_each_other_s_way() {
    let folder = folder();
    let folder = folder.path();
    let context = RunContext::default();
    let held = FolderLock::take(&folder.join("activations"), "generating activations", &context);
    let error = generate(folder, &[], &[]).expect_err("in use").to_string();
    assert!(error.contains("is in use: process "), "{error}");
    drop(held);
    let shard = |number: u32| format!("start_shard={number}");
    let held = FolderLock::take_part(&folder.join("activations"), ".lock-shard-1", "x", &context);
    generate(folder, &["n_shards=2", &shard(0)], &[]).expect("another shard");
    generate(folder, &["n_shards=2", &shard(1)], &[]).expect_err("in use");
    drop(held);
    let other = ["n_shards=2", &shard(1), "model.dtype=\"bfloat16\""];
    let error = generate(folder, &other, &[])
        .expect_err("another model")
        .to_string();
    assert!(error.contains("`model.dtype` was \"torch.float32\""), "{error}");
    generate(folder, &["n_shards=2", &shard(1)], &[]).expect("the same");
    assert!(!folder.join("activations/.lock-shard-1").exists());
}

#[test]
fn a_cache_that_does_not_say_what_decided_it_is_not_gone_on_with() {
    let folder = folder();
    let folder = folder.path();
    generate(folder, &[], &[]).expect("written");
    for hook_point in ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out"] {
        let path = folder.join("activations").join(hook_point).join("index.jsonl");
        let text = std::fs::read_to_string(&path).expect("an index");
        let (_, rest) = text.split_once('\n').expect("lines");
        let header = serde_json::json!({"cache": {
            "version": 1, "hook_point": hook_point, "n_shards": 1, "settings": {"stream": {"model_name": "tiny"}},
        }});
        std::fs::write(&path, format!("{header}\n{rest}")).expect("written");
    }
    let error = generate(folder, &[], &[]).expect_err("refused").to_string();
    assert!(error.contains("by an earlier version"), "{error}");
}
