//! What weights alone say: logits, and the decoders of a crosscoder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use saescript::analysis::{DirectLogitAttributor, DirectLogitAttributorConfig, LatentLogits};
use saescript::config::from_value;
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};
use saescript::event::RunContext;
use saescript::findings::{Analysis, Store, TokenLogit};
use saescript::model::{LanguageModel, LanguageModelConfig, LogitMode};
use saescript::tensor::Kind;
use saescript::tensor::safetensors::SafeFile;
use serde_json::json;

use super::reference::{close, doubles, rows};
use super::{Contexts, analyse, config, dictionary, root_with};
use crate::fixtures::{distance, roots, tensor, tensors};

fn model(path: PathBuf) -> LanguageModel {
    let config: LanguageModelConfig = from_value(json!({
        "model_name": "m", "model_from_pretrained_path": path, "dtype": "float32",
    }))
    .expect("a configuration");
    LanguageModel::load(config, &RunContext::default()).expect("a model")
}

/// What the latents of `sae` add to the logits of `model`.
pub fn attributed(sae: &SparseAutoEncoder, model: &LanguageModel, mode: LogitMode) -> Vec<LatentLogits> {
    let config = DirectLogitAttributorConfig {
        mode,
        ..DirectLogitAttributorConfig::default()
    };
    let mut found = Vec::new();
    let attributor = DirectLogitAttributor::new(config).expect("an attributor");
    let done = attributor.attribute(sae, model, &RunContext::default(), |one| {
        found.push(one);
        Ok(())
    });
    done.expect("attributed");
    found
}

/// Compares the top and bottom tokens of `found` with the tables of `file` whose names begin with `prefix`.
pub fn compare(found: &[LatentLogits], file: &SafeFile, prefix: &str) {
    for (side, of) in [
        (
            "top",
            (|one| &one.logits.top) as fn(&LatentLogits) -> &Vec<TokenLogit>,
        ),
        ("bottom", |one| &one.logits.bottom),
    ] {
        let tokens = rows(file, &format!("{prefix}{side}.token"));
        let logits = rows(file, &format!("{prefix}{side}.logit"));
        let largest = logits
            .concat()
            .into_iter()
            .fold(0.0, |most: f64, one| most.max(one.abs()));
        for (latent, one) in found.iter().enumerate() {
            let ours = of(one);
            assert_eq!(ours.len(), logits[latent].len());
            for (rank, theirs) in logits[latent].iter().enumerate() {
                let apart = (f64::from(ours[rank].logit) - theirs).abs();
                assert!(apart <= 1e-5 * largest, "{prefix}{side} {latent}: {apart}");
                let tied =
                    |other: Option<&f64>| other.is_some_and(|other| (other - theirs).abs() <= 1e-5 * largest);
                let neighbours = [
                    rank.checked_sub(1).and_then(|at| logits[latent].get(at)),
                    logits[latent].get(rank + 1),
                ];
                let is_last = rank + 1 == ours.len();
                if !is_last && !neighbours.into_iter().any(tied) {
                    assert_eq!(
                        f64::from(ours[rank].token),
                        tokens[latent][rank],
                        "{prefix}{side} {latent}"
                    );
                }
            }
        }
    }
}

#[test]
fn logits_are_those_of_the_reference_in_both_modes() {
    let mut compared = 0;
    for name in ["neox_parallel", "gpt2", "llama_gqa", "qwen2", "gemma2"] {
        let Some(root) = root_with(&format!("analysis/dla/{name}.safetensors")) else {
            eprintln!("skipped: there is no analysis/dla/{name}");
            continue;
        };
        let file = tensors(root.join(format!("analysis/dla/{name}.safetensors")));
        let model = model(root.join("lm").join(name));
        let sae = dictionary("sae_pretrained/topk_folded");
        for (mode, prefix) in [(LogitMode::Reference, ""), (LogitMode::Linear, "linear.")] {
            let directions = sae.parameter("W_D").expect("rows").narrow(0, 0, 8);
            let whole = model.direct_logits(&directions, mode).expect("logits");
            assert!(
                distance(&whole, &tensor(&file, &format!("{prefix}logits"))) < 1e-5,
                "{name} {prefix}"
            );
            let found = attributed(&sae, &model, mode);
            compare(&found, &file, prefix);
            for one in &found {
                let counted: u32 = one.logits.histogram.iter().sum();
                assert_eq!(i64::from(counted), whole.size()[1]);
            }
        }
        compared += 1;
    }
    assert!(compared == 5 || roots("").len() == 1, "{compared}");
}

/// The hook points of the crosscoder of the fixtures, a head each.
pub const HEADS: [&str; 3] = ["a", "b", "c"];

/// The crosscoder of the fixtures, and the contexts that it is analysed on.
pub fn crosscoder(file: &SafeFile) -> (SparseAutoEncoder, Contexts) {
    let cfg: SAEConfig = from_value(json!({
        "sae_type": "crosscoder", "hook_points": HEADS, "d_model": 12, "expansion_factor": 2, "act_fn": "relu",
        "norm_activation": "inference",
    }))
    .expect("a configuration");
    let mut sae = SparseAutoEncoder::zeros(cfg).expect("a dictionary");
    for name in ["W_E", "b_E", "W_D", "b_D"] {
        sae.set_parameter(name, &tensor(file, name)).expect("set");
    }
    let input = tensor(file, "input");
    let activations = (0..)
        .zip(HEADS)
        .map(|(head, hook)| (hook.to_string(), input.select(2, head).contiguous()));
    let contexts = Contexts {
        activations: activations.collect::<BTreeMap<_, _>>(),
        tokens: tensor(file, "mask").to_kind(Kind::Int64),
        mask: Some(tensor(file, "mask")),
        batch: 2,
        at: 0,
        breaks_after: None,
    };
    (sae, contexts)
}

/// Compares an analysis of the crosscoder with the fixtures.
pub fn compare_heads(store: &Store, analysis: &Analysis, file: &SafeFile) {
    let (times, maxima) = (
        doubles(&tensor(file, "act_times")),
        doubles(&tensor(file, "max_feature_acts")),
    );
    let scalars = store.scalars(analysis.id).expect("figures");
    assert_eq!(scalars.len(), times.len());
    for one in scalars {
        let at = one.latent as usize;
        assert_eq!(one.act_times as f64, times[at]);
        close(one.max, maxima[at], "the maximum");
        let heads = store.heads(one.latent).expect("read").expect("heads");
        for (name, ours) in [
            ("decoder_norms", heads.norms),
            ("decoder_similarity_matrices", heads.cosines),
            ("decoder_inner_product_matrices", heads.inner),
        ] {
            let theirs = doubles(&tensor(file, name).get(i64::from(one.latent)));
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                close(f64::from(*ours), theirs, name);
            }
        }
    }
}

#[test]
fn a_crosscoder_is_analysed_by_the_largest_of_its_heads() {
    let root = root_with("analysis/crosscoder.safetensors").expect("it ships");
    let file = tensors(root.join("analysis/crosscoder.safetensors"));
    let (sae, contexts) = crosscoder(&file);
    let folder = tempfile::tempdir().expect("a folder");
    let settings = config(json!({"total_analyzing_tokens": 30}));
    let (store, analysis) = analyse(folder.path(), &sae, settings, &contexts);
    compare_heads(&store, &analysis, &file);
}
