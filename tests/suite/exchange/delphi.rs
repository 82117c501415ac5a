//! The cache from which delphi explains latents.

use std::collections::BTreeMap;

use saescript::findings::Store;
use saescript::tensor::Kind;

use super::analysed;
use crate::fixtures::{json as read_json, tensor, tensors};
use crate::program::run_in;

/// A context's tokens, a position in it, and the activation there.
type Firing = (Vec<i64>, i64, f32);

/// What the store keeps of where a latent fires.
fn kept(store: &Store, latent: u32) -> Vec<Firing> {
    let all = store.samples(1, latent).expect("samples").into_iter();
    let samples: BTreeMap<u32, _> = all
        .flat_map(|one| one.samples)
        .map(|one| (one.context, one))
        .collect();
    let contexts = store.contexts(samples.keys().copied()).expect("contexts");
    let mut kept = Vec::new();
    for (id, sample) in samples {
        let context: Vec<i64> = contexts[&id]
            .tokens
            .iter()
            .map(|token| i64::from(*token))
            .collect();
        let own = sample.activations.into_iter();
        kept.extend(own.map(|(position, value)| (context.clone(), i64::from(position), value)));
    }
    kept
}

#[test]
fn what_the_store_keeps_is_where_delphi_looks_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(analysed(folder.path())).expect("a store");
    let export = ["export", "a.sqlite", "--to", "delphi", "-o", "cache"];
    let ran = run_in(folder.path(), export).ended_with(0);
    assert!(ran.out.contains("2 files"), "{}", ran.out);
    let cache = folder.path().join("cache/blocks.1.hook_resid_post");
    let about = read_json(cache.join("config.json"));
    assert_eq!(about["cache_ctx_len"], 24);
    assert!(
        about["model_name"]
            .as_str()
            .is_some_and(|name| name.ends_with("neox_parallel")),
        "{about}"
    );
    let file = tensors(cache.join("0_191.safetensors"));
    let numbers = |name: &str| Vec::<i64>::try_from(tensor(&file, name).flatten(0, -1)).expect("numbers");
    let (locations, tokens) = (numbers("locations"), numbers("tokens"));
    let activations = Vec::<f32>::try_from(tensor(&file, "activations")).expect("numbers");
    assert_eq!(tensor(&file, "locations").kind(), Kind::Int64);
    assert_eq!(locations.len(), 3 * activations.len());

    let mut found: BTreeMap<i64, Vec<Firing>> = BTreeMap::new();
    for (place, value) in locations.chunks(3).zip(activations) {
        let context = tokens[24 * place[0] as usize..][..24].to_vec();
        found
            .entry(place[2])
            .or_default()
            .push((context, place[1], value));
    }
    for latent in 0..192u32 {
        let mut kept = kept(&store, latent);
        let mut ours = found.remove(&i64::from(latent)).unwrap_or_default();
        let order = |a: &Firing, b: &Firing| (&a.0, a.1).cmp(&(&b.0, b.1));
        ours.sort_by(order);
        kept.sort_by(order);
        assert_eq!(ours, kept, "latent {latent}");
    }
    let again = run_in(folder.path(), export).ended_with(2);
    assert!(
        again.err.contains("there already") && again.err.contains("--force"),
        "{}",
        again.err
    );
}
