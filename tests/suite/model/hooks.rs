//! Interventions: hooks that change what passes.

use saescript::model::{Backend, Edit};
use saescript::tensor::Tensor;
use saescript::{Error, Result};

use super::{difference, load, own, some_tokens};
use crate::fixtures::folders;

fn edit<'a>(change: impl FnMut(Tensor, &str) -> Result<Tensor> + 'a) -> Edit<'a> {
    Box::new(change)
}

#[test]
fn a_hook_that_changes_nothing_changes_nothing() {
    let tokens = some_tokens(2, 12);
    let mut tried = 0;
    for folder in folders("model", "lm") {
        let model = load(&folder, Backend::Auto);
        let plain = model.forward(&tokens).expect("logits");
        for point in model.hook_points().expect("hook points") {
            let mut calls = 0;
            let count = edit(|x, _| {
                calls += 1;
                Ok(x)
            });
            let logits = model
                .run_with_hooks(&tokens, vec![(point.name.clone(), count)])
                .expect("logits");
            let worst = difference(&logits, &plain);
            assert!(
                worst <= 3e-5,
                "{}: {point} changes logits by {worst:.1e}",
                folder.display()
            );
            assert_eq!(calls, 1, "{point}");
            tried += 1;
        }
    }
    assert!(tried >= 100);
}

#[test]
fn the_listed_shapes_are_those_of_the_activations() {
    let tokens = some_tokens(2, 5);
    for folder in folders("model", "lm") {
        let model = load(&folder, Backend::Auto);
        let (_, cache) = model
            .run_with_cache(&tokens, Some(&["*".into()]))
            .expect("everything");
        let points = model.hook_points().expect("hook points");
        assert_eq!(cache.len(), points.len());
        for point in points {
            let shape: Vec<String> = point.shape.iter().map(ToString::to_string).collect();
            let listed = shape.iter().map(|size| match size.as_str() {
                "batch" => 2,
                "seq" | "key_seq" => 5,
                size => size.parse().expect("a number"),
            });
            assert_eq!(cache[&point.name].size(), listed.collect::<Vec<i64>>(), "{point}");
        }
    }
}

#[test]
fn a_patched_residual_stream_carries_the_other_text() {
    let (one, other) = (some_tokens(1, 10), some_tokens(1, 10).flip([1]));
    for backend in [Backend::TransformerLens, Backend::Huggingface] {
        let model = load(&own("gpt2"), backend);
        let wanted = model.forward(&one).expect("logits");
        assert!(difference(&wanted, &model.forward(&other).expect("logits")) > 0.1);
        for name in [
            "blocks.0.hook_resid_pre",
            "blocks.1.hook_resid_mid",
            "blocks.2.hook_resid_post",
        ] {
            let source = model.capture(&one, &[name.into()]).expect("an activation");
            let patch = edit(|_, name| Ok(source[name].shallow_clone()));
            let logits = model
                .run_with_hooks(&other, vec![(name.into(), patch)])
                .expect("logits");
            assert!(difference(&logits, &wanted) <= 2e-5, "{name}");
        }
    }
}

#[test]
fn heads_can_be_ablated_at_their_result_and_at_their_input() {
    let tokens = some_tokens(1, 9);
    let model = load(&own("neox_parallel"), Backend::Huggingface);
    let without_head = |name: &str| {
        let ablate = edit(|x, _| {
            let _ = x.shallow_clone().narrow(2, 1, 1).zero_();
            Ok(x)
        });
        model
            .run_with_hooks(&tokens, vec![(name.into(), ablate)])
            .expect("logits")
    };
    // A head's result is linear in z, so taking either away is the same.
    let by_result = without_head("blocks.1.attn.hook_result");
    let by_z = without_head("blocks.1.attn.hook_z");
    assert!(difference(&by_result, &by_z) <= 2e-5);
    assert!(difference(&by_result, &model.forward(&tokens).expect("logits")) > 1e-3);
    // Doubling every head's input before the norm leaves the norm's output as it is.
    let double = edit(|x, _| Ok(x * 2.0));
    let doubled = model
        .run_with_hooks(&tokens, vec![("blocks.1.hook_attn_in".into(), double)])
        .expect("logits");
    assert!(difference(&doubled, &model.forward(&tokens).expect("logits")) <= 2e-4);
}

#[test]
fn patterns_reach_every_layer_and_tell_which() {
    let model = load(&own("gpt2"), Backend::Auto);
    let mut seen = Vec::new();
    let note = edit(|x, name| {
        seen.push(name.to_string());
        Ok(x)
    });
    let pattern = "blocks.*.hook_resid_post".to_string();
    let _ = model
        .run_with_hooks(&some_tokens(1, 4), vec![(pattern.clone(), note)])
        .expect("logits");
    assert_eq!(
        seen,
        [
            "blocks.0.hook_resid_post",
            "blocks.1.hook_resid_post",
            "blocks.2.hook_resid_post"
        ]
    );
    assert_eq!(model.matching_hook_points(&pattern).expect("names"), seen);
}

#[test]
fn the_default_cache_leaves_out_what_only_costs_memory() {
    let model = load(&own("gpt2"), Backend::Auto);
    let (logits, cache) = model
        .run_with_cache(&some_tokens(1, 4), None)
        .expect("everything");
    assert_eq!(logits.size(), [1, 4, 320]);
    assert!(cache.contains_key("blocks.0.attn.hook_pattern"));
    assert!(!cache.contains_key("blocks.0.attn.hook_result"));
}

#[test]
fn a_hook_may_run_the_model_itself() {
    let tokens = some_tokens(1, 4);
    let model = load(&own("gpt2"), Backend::Auto);
    let nested = edit(|x, _| model.forward(&tokens).map(|_| x));
    let _ = model
        .run_with_hooks(&tokens, vec![("hook_embed".into(), nested)])
        .expect("logits");
}

#[test]
fn what_a_hook_does_wrong_is_said_with_its_place() {
    let model = load(&own("gpt2"), Backend::Auto);
    let run = |name: &str, change: Edit<'_>| {
        let error = model.run_with_hooks(&some_tokens(1, 4), vec![(name.into(), change)]);
        error.expect_err("refused").to_string()
    };
    let shape = run("hook_embed", edit(|x, _| Ok(x.narrow(1, 0, 2))));
    assert!(
        shape.contains("`hook_embed` returned shape [1, 2, 48]"),
        "{shape}"
    );
    assert!(shape.contains("[1, 4, 48]"), "{shape}");
    let failed = run(
        "blocks.1.hook_mlp_out",
        edit(|_, _| Err(Error::input("no such latent"))),
    );
    assert!(
        failed.contains("no such latent (in the hook at `blocks.1.hook_mlp_out`)"),
        "{failed}"
    );
}

#[test]
fn what_a_hook_changes_in_place_stays_in_its_pass() {
    let tokens = some_tokens(1, 6);
    for folder in folders("model", "lm") {
        let model = load(&folder, Backend::Auto);
        let plain = model.forward(&tokens).expect("logits");
        for point in model.hook_points().expect("hook points") {
            let zero = edit(|mut x, _| {
                let _ = x.f_zero_()?;
                Ok(x)
            });
            let _ = model
                .run_with_hooks(&tokens, vec![(point.name.clone(), zero)])
                .expect("logits");
        }
        assert!(
            difference(&model.forward(&tokens).expect("logits"), &plain) == 0.0,
            "{}: a hook changed the weights",
            folder.display()
        );
    }
}

#[test]
fn queries_keys_and_values_can_read_different_streams() {
    let tokens = some_tokens(1, 9);
    for name in ["gpt2", "qwen2_biases", "gemma2"] {
        let model = load(&own(name), Backend::Huggingface);
        let plain = model.forward(&tokens).expect("logits");
        let inputs = ["hook_q_input", "hook_k_input", "hook_v_input"];
        let hooks = inputs.map(|input| format!("blocks.1.{input}"));
        let (logits, cache) = model.run_with_cache(&tokens, Some(&hooks)).expect("a pass");
        assert!(
            difference(&logits, &plain) <= 1e-6,
            "{name}: looking changed the logits"
        );
        let cfg = model.cfg().expect("a decoder");
        assert_eq!(cache[&hooks[0]].size(), [1, 9, cfg.n_heads, cfg.d_model]);
        assert_eq!(cache[&hooks[1]].size(), [1, 9, cfg.n_kv_heads, cfg.d_model]);
        // The same input for each head by itself gives what the input for all gives.
        let same = hooks
            .iter()
            .map(|hook| (hook.clone(), edit(|x, _| Ok(x * 1.0))))
            .collect();
        let logits = model.run_with_hooks(&tokens, same).expect("logits");
        let scale = plain.abs().max().double_value(&[]).max(1.0);
        assert!(difference(&logits, &plain) / scale <= 1e-5, "{name}");
        // What the queries read changes queries alone, and so on; the pass goes on with it.
        for (changed, hook) in hooks.iter().enumerate() {
            let seen = std::cell::RefCell::new(Vec::new());
            let mut edits = vec![(hook.clone(), edit(|x, _| Ok(x.flip([1]))))];
            for letter in ["q", "k", "v"] {
                let look = edit(|x, _| {
                    seen.borrow_mut().push(x.copy());
                    Ok(x)
                });
                edits.push((format!("blocks.1.attn.hook_{letter}"), look));
            }
            let logits = model.run_with_hooks(&tokens, edits).expect("logits");
            assert!(difference(&logits, &plain) > 1e-3, "{name} {hook}");
            let names = ["q", "k", "v"].map(|letter| format!("blocks.1.attn.hook_{letter}"));
            let wanted = model.capture(&tokens, &names).expect("activations");
            for (index, name) in names.iter().enumerate() {
                let differs = difference(&seen.borrow()[index], &wanted[name]) > 1e-4;
                assert_eq!(differs, index == changed, "{name} after {hook}");
            }
        }
    }
}

#[test]
fn what_is_kept_alone_is_what_is_kept_with_everything() {
    let tokens = some_tokens(1, 5);
    for folder in folders("model", "lm") {
        let model = load(&folder, Backend::Auto);
        let (_, everything) = model
            .run_with_cache(&tokens, Some(&["*".into()]))
            .expect("everything");
        // What comes after the first block is made as it is there.
        let first = everything
            .into_iter()
            .filter(|(name, _)| !name.starts_with("blocks.1"));
        for (name, kept) in first {
            // To the end of the pass, which may write over what nobody keeps.
            let names = [name.clone()];
            let (_, alone) = model.run_with_cache(&tokens, Some(&names)).expect("one");
            let same = alone[&name].allclose(&kept, 1e-5, 3e-5, true);
            assert!(same, "{}: {name}", folder.display());
        }
    }
}
