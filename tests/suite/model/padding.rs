//! A PAD token that a tokenizer was given after the model was trained, so that the embedding has no row for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use saescript::activations::{ActivationFactory, BatchStream, Inputs};
use saescript::config::{checked, from_value};
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};
use saescript::eval::{ReconstructionSums, downstream_losses};
use saescript::event::RunContext;
use saescript::model::{Backend, LanguageModel};
use saescript::tensor::{Kind, Tensor};
use saescript::text::{Cell, Dataset, Row};
use serde_json::json;

use super::{copy_of, difference, load, own, some_tokens};
use crate::fixtures;

const HOOK: &str = "blocks.1.hook_resid_post";
/// The first id without a row, and the next.
const PAD: i64 = 320;
const EXTRA: i64 = 321;

/// A model whose tokenizer pads with a token beyond the embedding, and has one more of the kind.
fn with_added_pad() -> LanguageModel {
    let folder = copy_of("gpt2");
    let change = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let path = folder.path().join(name);
        let mut value = fixtures::json(&path);
        change(&mut value);
        std::fs::write(path, value.to_string()).expect("written");
    };
    let token = |id: i64, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    change("tokenizer.json", &|value| {
        let added = value["added_tokens"].as_array_mut().expect("a list");
        added.extend([token(PAD, "[PAD]"), token(EXTRA, "[EXTRA]")]);
    });
    change("tokenizer_config.json", &|value| {
        value["pad_token"] = "[PAD]".into()
    });
    load(folder.path(), Backend::Auto)
}

/// Two sequences of six tokens, the second of which has four and is padded with `pad`.
fn padded(pad: i64) -> Tensor {
    let tokens = some_tokens(2, 6);
    let _ = tokens.get(1).narrow(0, 4, 2).fill_(pad);
    tokens
}

#[test]
fn no_place_that_counts_depends_on_the_padding() {
    let model = with_added_pad();
    assert_eq!(model.tokenizer().pad_token_id(), Some(PAD));
    let tokens = padded(PAD);
    let alone = model
        .forward(&tokens.narrow(0, 1, 1).narrow(1, 0, 4))
        .expect("logits");
    let logits = model.forward(&tokens).expect("logits");
    assert!(difference(&logits.narrow(0, 1, 1).narrow(1, 0, 4), &alone) < 1e-5);
    let names = [HOOK.to_string()];
    let captured = model.capture(&tokens, &names).expect("activations");
    assert!(bool::try_from(captured[HOOK].isfinite().all()).expect("a flag"));
    // Padding is no next token: what is left is the loss of the text.
    let second = tokens.narrow(0, 1, 1);
    let loss = model.loss(&second).expect("a loss").double_value(&[]);
    let text = model
        .loss(&second.narrow(1, 0, 4))
        .expect("a loss")
        .double_value(&[]);
    assert!((loss - text).abs() < 1e-5, "{loss} instead of {text}");
}

#[test]
fn a_dictionary_is_evaluated_on_padded_texts() {
    let cfg = json!({"hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": own_width(), "expansion_factor": 2, "norm_activation": "token-wise"});
    let cfg: SAEConfig = from_value(cfg).expect("a configuration");
    let sae = SparseAutoEncoder::from_config(cfg, &RunContext::default()).expect("a dictionary");
    let losses = |model: &LanguageModel, pad: i64| {
        let tokens = padded(pad);
        let mask = tokens.ne(pad).to_kind(Kind::Int);
        let mut sums = ReconstructionSums::default();
        downstream_losses(&sae, model, &tokens, Some(&mask), &mut sums).expect("losses")
    };
    let inside = losses(&load(&own("gpt2"), Backend::Auto), 1);
    let outside = losses(&with_added_pad(), PAD);
    assert_eq!(outside.tokens, inside.tokens);
    assert!((outside.original - inside.original).abs() < 1e-4);
    assert!((outside.zeroed - inside.zeroed).abs() < 1e-4);
}

fn own_width() -> i64 {
    load(&own("gpt2"), Backend::Auto).cfg().expect("a model").d_model
}

#[test]
fn texts_of_different_lengths_become_activations() {
    let model = with_added_pad();
    let rows = ["a", "a longer text than the other"]
        .map(|text| Row::from_iter([("text".to_string(), Cell::from(text))]));
    let dataset = Dataset::from_rows("texts", rows.to_vec()).expect("records");
    for (target, context_size) in [
        ("activations-1d", None),
        ("activations-2d", Some(8)),
        ("tokens", Some(8)),
    ] {
        let config = checked(json!({
            "sources": [{"type": "dataset", "name": "texts"}], "target": target, "hook_points": [HOOK],
            "batch_size": 2, "model_batch_size": 2, "context_size": context_size,
        }));
        let inputs = Inputs {
            model: Some(Arc::new(model.clone())),
            datasets: BTreeMap::from([("texts".to_string(), dataset.clone())]),
            ..Inputs::default()
        };
        let factory = ActivationFactory::new(config.expect("a configuration")).expect("a factory");
        let mut stream = factory.process(inputs, &RunContext::default()).expect("a stream");
        let batch = stream.next_batch().expect("works").expect("a batch");
        if let (Some(tokens), Some(mask)) = (&batch.tokens, &batch.mask) {
            let counted = tokens.ne(PAD).logical_and(&tokens.ne(0));
            assert_eq!(mask.to_kind(Kind::Bool), counted, "{target}");
        }
    }
}

#[test]
fn another_token_without_a_row_is_named() {
    let error = with_added_pad().forward(&padded(EXTRA)).expect_err("no row");
    let text = error.to_string();
    assert!(
        text.contains("token id 321 (`[EXTRA]`) is outside the vocabulary"),
        "{text}"
    );
}
