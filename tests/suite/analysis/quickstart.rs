//! The quickstart's dictionary: what its latents mean is known, since a grammar wrote the corpus.

use std::path::Path;

use saescript::findings::Store;
use serde_json::json;

use crate::fixtures::roots;
use crate::program::run_in;

/// Words that are searched for, and what stands in the tokens or best texts of a latent that is meant.
const KNOWN: &[(&str, &[&str])] = &[
    ("Tuesday", &["Monday", "Wednesday"]),
    ("INFO server", &["INFO"]),
    ("salad serves", &["(serves"]),
    ("Dear Sir", &["Dear Sir"]),
    ("Spanish el la", &["Spanish", " el "]),
    ("German die der", &["die ", "der "]),
    ("north south", &["north", "south"]),
    ("mammal fish", &["mammal", "fish"]),
    ("years old", &["years", "old"]),
    ("painter poet", &["was a", "an p"]),
    ("for in return", &["for ", " in "]),
    ("degrees weather", &["degrees"]),
    ("price rose florins", &["price of"]),
    ("train platform", &["platform"]),
];

#[test]
fn known_features_are_found_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = roots("analysis").remove(0).join("quickstart");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let settings = json!({
        "sae": {"pretrained_name_or_path": shipped, "dtype": "float32"},
        "sae_name": "quickstart", "sae_series": "tiny-pythia", "store": "a.sqlite",
        "model": {"model_name": "tiny-pythia", "model_from_pretrained_path": examples.join("tiny-pythia")},
        "datasets": {"corpus": {"dataset_name_or_path": examples.join("corpus"), "split": "validation"}},
        "activation_factory": {
            "sources": [{"type": "dataset", "name": "corpus"}], "target": "activations-2d",
            "hook_points": ["blocks.2.hook_resid_post"], "batch_size": 16, "model_batch_size": 16, "context_size": 128,
        },
        "analyzer": {"total_analyzing_tokens": 38_000},
    });
    std::fs::write(folder.path().join("analyze.json"), settings.to_string()).expect("written");
    run_in(folder.path(), ["analyze", "analyze.json", "-q"]).ended_with(0);
    let store = Store::open(folder.path().join("a.sqlite")).expect("a store");
    let analysis = store.analysis(None).expect("an analysis");
    let words = store.vocabulary().expect("a vocabulary");
    let texts = |latent: u32| -> String {
        let tokens = store.tokens_of(analysis.id, latent).expect("tokens");
        let tokens = tokens.iter().map(|one| words.text(one.token) + " ");
        let samples = store.samples(analysis.id, latent).expect("samples");
        let best = samples.first().map_or(&[][..], |all| &all.samples).iter().take(5);
        let contexts = store
            .contexts(best.map(|sample| sample.context))
            .expect("contexts");
        let contexts = contexts.values().map(|context| {
            let pieces = words.pieces(&context.tokens).into_iter().map(|(_, text)| text);
            pieces.collect::<String>()
        });
        tokens.chain(contexts).collect()
    };
    let is_found = |(query, witnesses): &&(&str, &[&str])| {
        let hits = store.search(analysis.id, query, 3).expect("searched");
        hits.iter().any(|hit| {
            let texts = texts(hit.latent);
            witnesses.iter().all(|witness| texts.contains(witness))
        })
    };
    let (found, missed): (Vec<&(&str, &[&str])>, Vec<_>) = KNOWN.iter().partition(is_found);
    assert!(found.len() >= 10, "missed: {missed:?}");
    let scalars = store.scalars(analysis.id).expect("figures");
    let alive = scalars.iter().filter(|one| one.act_times > 0).count();
    assert!(alive > 900, "{alive} latents fire");
    assert!(scalars.iter().all(|one| one.logit_kurtosis.is_some()));
}
