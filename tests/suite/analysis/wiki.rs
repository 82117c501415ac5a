//! A trained dictionary on a trained model: samples, geometry, and which latents fire together.

use std::collections::BTreeMap;

use saescript::config::from_value;
use saescript::event::RunContext;
use saescript::findings::{Analysis, Near, Store};
use saescript::model::{LanguageModel, LanguageModelConfig, LogitMode};
use saescript::tensor::safetensors::SafeFile;
use saescript::tensor::{Kind, Tensor};
use serde_json::json;

use super::reference::{activations, close, compare, doubles, of_case, rows};
use super::{Contexts, analyse, config, dictionary, root_with, weights};
use crate::fixtures::{json as read_json, tensor, tensors};

const HOOK: &str = "blocks.3.hook_resid_post";

#[test]
fn a_trained_dictionary_is_analysed_as_the_reference_does() {
    let root =
        root_with("analysis/wiki/stream.json").filter(|root| root.join("../data/pythia-wiki").exists());
    let Some(root) = root else {
        eprintln!("skipped: there is no analysis/wiki, or no model for it");
        return;
    };
    let model: LanguageModelConfig = from_value(json!({
        "model_name": "wiki", "model_from_pretrained_path": root.join("../data/pythia-wiki"), "dtype": "float32",
    }))
    .expect("a configuration");
    let model = LanguageModel::load(model, &RunContext::default()).expect("a model");
    let stream = tensors(root.join("analysis/wiki/stream.safetensors"));
    let tokens = tensor(&stream, "tokens").to_kind(Kind::Int64);
    let batches = (0..4).map(|at| {
        let (_, mut cache) = model
            .run_with_cache(&tokens.narrow(0, 16 * at, 16), Some(&[HOOK.to_string()]))
            .expect("activations");
        cache.remove(HOOK).expect("the hook point")
    });
    let bos = tokens.get(0).get(0).int64_value(&[]);
    let contexts = Contexts {
        activations: BTreeMap::from([(HOOK.to_string(), Tensor::cat(&batches.collect::<Vec<_>>(), 0))]),
        mask: Some(tokens.ne(bos).to_kind(Kind::Int)),
        tokens,
        batch: 16,
        at: 0,
        breaks_after: None,
    };
    let sae = dictionary("analysis/wiki/sae");
    let about = read_json(root.join("analysis/wiki/analysis.json"));
    let file = tensors(root.join("analysis/wiki/analysis.safetensors"));
    let folder = tempfile::tempdir().expect("a folder");
    let (store, analysis) = analyse(folder.path(), &sae, config(of_case(&about)), &contexts);
    assert!(compare(&store, &analysis, &file, &about) > 15_000);
    activations(&store, &analysis, &file);

    let geometry = tensors(root.join("analysis/wiki/geometry.safetensors"));
    compare_geometry(&store, &analysis, &geometry);

    let dla = tensors(root.join("analysis/wiki/dla.safetensors"));
    for (mode, prefix) in [(LogitMode::Reference, ""), (LogitMode::Linear, "linear.")] {
        weights::compare(&weights::attributed(&sae, &model, mode), &dla, prefix);
    }
}

/// Compares norms and cosines of weights, and neighbours of all kinds.
fn compare_geometry(store: &Store, analysis: &Analysis, geometry: &SafeFile) {
    let one = |name: &str| doubles(&tensor(geometry, name));
    let (encoder, decoder, cosine) = (
        one("encoder_norm"),
        one("decoder_norm"),
        one("encoder_decoder_cosine"),
    );
    for latent in store.scalars(analysis.id).expect("figures") {
        let at = latent.latent as usize;
        close(
            latent.encoder_norm.expect("a norm"),
            encoder[at],
            "the encoder's norm",
        );
        close(
            latent.decoder_norm.expect("a norm"),
            decoder[at],
            "the decoder's norm",
        );
        close(
            latent.encoder_decoder.expect("a cosine"),
            cosine[at],
            "the cosine",
        );
    }
    for (near, name) in [
        (Near::Decoder, "decoder_cosine"),
        (Near::Jaccard, "jaccard"),
        (Near::Pearson, "pearson"),
    ] {
        compare_neighbours(store, analysis, geometry, (near, name));
    }
}

/// Compares neighbours of one kind.
fn compare_neighbours(store: &Store, analysis: &Analysis, geometry: &SafeFile, (near, name): (Near, &str)) {
    let values = rows(geometry, &format!("{name}.value"));
    let indices = rows(geometry, &format!("{name}.index"));
    for (latent, (values, indices)) in values.iter().zip(&indices).enumerate() {
        let ours = store
            .neighbours(analysis.id, latent as u32, near)
            .expect("neighbours");
        for (rank, (value, index)) in values.iter().zip(indices).enumerate() {
            // Those that never fire together are not kept.
            let Some(found) = ours.get(rank) else {
                assert!(
                    near != Near::Decoder && *value <= 0.0,
                    "{name} {latent}: {value} is missing"
                );
                continue;
            };
            let apart = (f64::from(found.value) - value).abs();
            assert!(
                apart < 2e-5,
                "{name} {latent}, {rank}: {} and {value}",
                found.value
            );
            let alone = (0..values.len()).all(|other| other == rank || (values[other] - value).abs() > 1e-6);
            if alone && rank + 1 < values.len() {
                assert_eq!(f64::from(found.latent), *index, "{name} {latent}, {rank}");
            }
        }
    }
}
