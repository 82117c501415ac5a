//! Language models against reference numbers: logits, hidden states and every hook, processed and not.

use std::path::Path;

use saescript::model::{Backend, LanguageModel};
use saescript::tensor::{DType, Kind, Tensor, safetensors};

use super::{difference, load, load_as};
use crate::fixtures::{folders, tensor, tensors};

/// Largest absolute difference that counts as equal, in float32.
const TOLERANCE: f64 = 2e-5;

/// For logits, which reach 36 here, the difference in parts of the largest: the references' own rounding, measured
/// against float64, is up to 1.1e-6 of it.
const LOGITS_TOLERANCE: f64 = 1.5e-6;

/// What counts as equal for the logits in `reference`.
fn logits_tolerance(reference: &Tensor) -> f64 {
    let largest = f64::try_from(reference.abs().max()).expect("a number");
    TOLERANCE.max(LOGITS_TOLERANCE * largest)
}

/// Does a soft cap follow the unembedding? TransformerLens then centres neither the logits nor `W_U`; the references, made
/// by a lower call of it, do, which changes the probabilities.
fn is_capped(model: &LanguageModel) -> bool {
    model.cfg().expect("a decoder").logit_soft_cap.is_some()
}

/// Compares every tensor of `file` that is a hook point or the logits; returns how many hooks, and the worst.
fn compare_hooks(folder: &Path, file: &str, backend: Backend) -> (usize, f64) {
    let Ok(reference) = safetensors::read(folder.join(file)) else {
        return (0, 0.0);
    };
    let tokens = tensor(&tensors(folder.join("hf_outputs.safetensors")), "tokens");
    let model = load(folder, backend);
    let names: Vec<String> = reference
        .names()
        .into_iter()
        .filter(|name| name != "logits")
        .collect();
    let together = model
        .capture(&tokens, &names)
        .expect("every hook of the reference exists");
    let mut worst = 0.0f64;
    let mut compare = |name: &str, ours: &Tensor| {
        let reference = tensor(&reference, name);
        let differs = difference(ours, &reference);
        worst = worst.max(differs);
        let tolerance = if name == "logits" {
            logits_tolerance(&reference)
        } else {
            TOLERANCE
        };
        assert!(
            differs <= tolerance,
            "{}/{file}: {name} differs by {differs:.1e}",
            folder.display()
        );
    };
    for name in &names {
        compare(name, &together[name]);
        // Alone, a hook is reached without scores and scales being asked for: through the fused kernels.
        let alone = model
            .capture(&tokens, std::slice::from_ref(name))
            .expect("a hook");
        compare(name, &alone[name]);
    }
    if reference.contains("logits") && !(backend == Backend::TransformerLens && is_capped(&model)) {
        compare("logits", &model.forward(&tokens).expect("logits"));
    }
    (names.len(), worst)
}

#[test]
fn hooks_agree_with_transformer_lens() {
    let mut compared = 0;
    for folder in folders("model", "lm") {
        let processed = compare_hooks(&folder, "tl_processed.safetensors", Backend::TransformerLens);
        let bare = compare_hooks(&folder, "tl_noproc.safetensors", Backend::Huggingface);
        compared += processed.0 + bare.0;
        eprintln!(
            "{}: processed {:.1e}, bare {:.1e}",
            folder.display(),
            processed.1,
            bare.1
        );
    }
    eprintln!("compared {compared} hooks");
    assert!(
        compared >= 2 * 20,
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
        let logits = tensor(&reference, "logits");
        let worst = difference(&model.forward(&tokens).expect("logits"), &logits);
        assert!(
            worst <= logits_tolerance(&logits),
            "{}: logits differ by {worst:.1e}",
            folder.display()
        );
    }
    eprintln!("compared {} models", folders.len());
}

/// Processing moves weights and biases around; what the model says stays the same.
#[test]
fn processed_and_bare_models_give_the_same_probabilities() {
    let mut capped = 0;
    for folder in folders("model", "lm") {
        capped += compare_probabilities(&folder);
    }
    assert!(capped >= 1, "no model has a soft cap");
}

/// Compares them and the unprocessed reference; returns 1 if the model has a soft cap.
fn compare_probabilities(folder: &Path) -> usize {
    let models = [Backend::TransformerLens, Backend::Huggingface].map(|backend| load(folder, backend));
    let tokens = Tensor::from_slice(&[1i64, 5, 3, 2, 9, 4, 7, 8]).reshape([2, 4]);
    let [processed, bare] = models.each_ref().map(|model| {
        model
            .forward(&tokens)
            .expect("logits")
            .log_softmax(-1, Kind::Double)
    });
    let worst = difference(&processed, &bare);
    assert!(
        worst <= TOLERANCE,
        "{}: log-probabilities differ by {worst:.1e}",
        folder.display()
    );
    usize::from(is_capped(&models[0]))
}

#[test]
fn half_precision_stays_near() {
    for folder in folders("model", "lm") {
        let tokens = tensor(&tensors(folder.join("hf_outputs.safetensors")), "tokens");
        let name = ["blocks.1.hook_resid_post".to_string()];
        let exact = load(&folder, Backend::TransformerLens)
            .capture(&tokens, &name)
            .expect("an activation");
        for (dtype, share) in [("float16", 0.02), ("bfloat16", 0.1)] {
            let dtype: DType = dtype.parse().expect("a dtype");
            let model = load_as(&folder, Backend::TransformerLens, dtype);
            let half = model.capture(&tokens, &name).expect("an activation");
            assert_eq!(half[&name[0]].kind(), dtype.kind());
            let allowed = share * f64::try_from(exact[&name[0]].abs().max()).expect("a number");
            let worst = difference(&half[&name[0]], &exact[&name[0]]);
            assert!(
                worst <= allowed,
                "{} in {dtype}: {worst:.1e} of {allowed:.1e}",
                folder.display()
            );
        }
    }
}
