//! Language models against reference numbers: logits, hidden states and every hook, processed and not.

use std::path::Path;

use saescript::event::RunContext;
use saescript::model::{Backend, LanguageModel, LanguageModelConfig};
use saescript::tensor::safetensors;
use saescript::tensor::{Kind, Tensor};

use crate::fixtures::{folders, tensor, tensors};

/// Largest absolute difference that counts as equal, in float32.
const TOLERANCE: f64 = 2e-5;

fn load(folder: &Path, backend: Backend) -> LanguageModel {
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(folder.to_path_buf()),
        backend,
        ..LanguageModelConfig::default()
    };
    LanguageModel::load(&config, &RunContext::default())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// Largest absolute difference; equal infinities count as equal, a NaN or a wrong shape as infinite.
fn difference(ours: &Tensor, reference: &Tensor) -> f64 {
    if ours.size() != reference.size() {
        return f64::INFINITY;
    }
    let (ours, reference) = (ours.to_kind(Kind::Double), reference.to_kind(Kind::Double));
    let difference = (&ours - &reference).abs();
    let difference = difference.where_self(&ours.not_equal_tensor(&reference), &difference.zeros_like());
    match f64::try_from(difference.max()).expect("a number") {
        worst if worst.is_nan() => f64::INFINITY,
        worst => worst,
    }
}

/// Compares every tensor of `file` that is a hook point or the logits; returns how many.
fn compare_hooks(folder: &Path, file: &str, backend: Backend) -> usize {
    let Ok(reference) = safetensors::read(folder.join(file)) else {
        return 0;
    };
    let tokens = tensor(
        &safetensors::read(folder.join("hf_outputs.safetensors")).expect("outputs"),
        "tokens",
    );
    let model = load(folder, backend);
    let names: Vec<String> = reference
        .names()
        .into_iter()
        .filter(|name| name != "logits")
        .collect();
    let captured = model
        .capture(&tokens, &names)
        .expect("every hook of the reference exists");
    for name in &names {
        let worst = difference(&captured[name], &tensor(&reference, name));
        assert!(
            worst <= TOLERANCE,
            "{}/{file}: {name} differs by {worst:.1e}",
            folder.display()
        );
        // Alone the hook is reached without scores or scales being asked for: the fused way.
        let alone = model
            .capture(&tokens, std::slice::from_ref(name))
            .expect("a hook");
        let worst = difference(&alone[name], &tensor(&reference, name));
        assert!(
            worst <= TOLERANCE,
            "{}/{file}: {name} alone differs by {worst:.1e}",
            folder.display()
        );
    }
    if reference.contains("logits") {
        let worst = difference(
            &model.forward(&tokens).expect("logits"),
            &tensor(&reference, "logits"),
        );
        assert!(
            worst <= TOLERANCE,
            "{}/{file}: logits differ by {worst:.1e}",
            folder.display()
        );
    }
    names.len()
}

#[test]
fn hooks_agree_with_transformer_lens() {
    let mut compared = (0, 0);
    for folder in folders("model", "lm") {
        let hooks = compare_hooks(&folder, "tl_processed.safetensors", Backend::TransformerLens)
            + compare_hooks(&folder, "tl_noproc.safetensors", Backend::Huggingface);
        compared = (compared.0 + 1, compared.1 + hooks);
    }
    eprintln!("compared {} hooks of {} models", compared.1, compared.0);
    assert!(
        compared.1 >= 2 * 20,
        "the repository's own fixtures have more hooks than that"
    );
}

#[test]
fn logits_and_hidden_states_agree_with_transformers() {
    let folders = folders("model", "lm");
    assert!(folders.len() >= 2);
    for folder in &folders {
        let reference = tensors(folder.join("hf_outputs.safetensors"));
        let tokens = tensor(&reference, "tokens");
        let model = load(folder, Backend::Huggingface);
        let layers = model.cfg().expect("a decoder").n_layers;
        let names: Vec<String> = (0..layers)
            .map(|n| format!("blocks.{n}.hook_resid_pre"))
            .collect();
        let captured = model.capture(&tokens, &names).expect("the residual stream");
        for (layer, name) in names.iter().enumerate() {
            let worst = difference(
                &captured[name],
                &tensor(&reference, &format!("hidden_states.{layer}")),
            );
            assert!(
                worst <= TOLERANCE,
                "{}: {name} differs by {worst:.1e}",
                folder.display()
            );
        }
        let worst = difference(
            &model.forward(&tokens).expect("logits"),
            &tensor(&reference, "logits"),
        );
        assert!(
            worst <= TOLERANCE,
            "{}: logits differ by {worst:.1e}",
            folder.display()
        );
    }
    eprintln!("compared {} models", folders.len());
}
