//! The same results whatever the batches, the bands, and however often it was broken off.

use saescript::findings::{Analysis, Near, Samples, Store};
use serde_json::json;

use super::{Contexts, analyse, config, dictionary, go, root_with};

/// All that an analysis found, as text. Which numbers its contexts have in the store does not count.
pub fn everything(store: &Store, analysis: &Analysis) -> String {
    let id = analysis.id;
    let mut text = format!("{} {} {}\n", analysis.tokens, analysis.counted, analysis.contexts);
    let scalars = store.scalars(id).expect("figures");
    let mut all: Vec<Vec<Samples>> = scalars
        .iter()
        .map(|one| store.samples(id, one.latent).expect("samples"))
        .collect();
    let samples = all.iter().flatten().flat_map(|all| &all.samples);
    let named: Vec<u32> = samples.map(|sample| sample.context).collect();
    let first = named.iter().min().copied().unwrap_or(0);
    for sample in all.iter_mut().flatten().flat_map(|all| &mut all.samples) {
        sample.context -= first;
    }
    for (one, samples) in scalars.iter().zip(all) {
        text += &format!("{one:?}\n{samples:?}\n");
        text += &format!("{:?}\n", store.histogram(id, one.latent).expect("a histogram"));
        text += &format!("{:?}\n", store.tokens_of(id, one.latent).expect("tokens"));
        for near in Near::ALL {
            text += &format!(
                "{:?}\n",
                store.neighbours(id, one.latent, near).expect("neighbours")
            );
        }
    }
    for context in store.contexts(named).expect("contexts").values_mut() {
        context.id -= first;
        text += &format!("{context:?}\n");
    }
    text
}

fn settings(more: serde_json::Value) -> saescript::analysis::FeatureAnalyzerConfig {
    let mut all = json!({"total_analyzing_tokens": 1900});
    for (key, value) in more.as_object().expect("a map") {
        all[key] = value.clone();
    }
    config(all)
}

/// What the dictionary `sae` gives with these settings, in batches of this size.
pub fn found(sae: &str, more: serde_json::Value, batch: i64) -> String {
    let root = root_with("analysis/tiny/stream.json").expect("it ships");
    let folder = tempfile::tempdir().expect("a folder");
    let sae = dictionary(&format!("sae_pretrained/{sae}"));
    let (store, analysis) = analyse(folder.path(), &sae, settings(more), &Contexts::tiny(&root, batch));
    everything(&store, &analysis)
}

#[test]
fn batches_and_bands_change_nothing() {
    for sae in ["topk_folded", "jumprelu_folded", "relu_folded"] {
        let first = found(sae, json!({}), 16);
        for batch in [1, 7, 80] {
            assert!(
                first == found(sae, json!({}), batch),
                "{sae} in batches of {batch}"
            );
        }
        for latents in [96, 48, 50] {
            let bands = found(sae, json!({"latents_at_a_time": latents}), 16);
            assert!(first == bands, "{sae}, {latents} latents at a time");
        }
    }
}

#[test]
fn what_was_broken_off_goes_on_with_equal_results() {
    let root = root_with("analysis/tiny/stream.json").expect("it ships");
    let sae = dictionary("sae_pretrained/topk_folded");
    let settings = || settings(json!({"latents_at_a_time": 96, "save_every_seconds": 0}));
    let whole = found("topk_folded", json!({"latents_at_a_time": 96}), 5);
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::create(folder.path().join("a.sqlite"), &Default::default()).expect("a store");
    // The first run breaks off in the first pass, the others later and later.
    let mut broken = Contexts::tiny(&root, 5);
    for after in [30, 40, 75] {
        broken.breaks_after = Some(after);
        let error = go(&store, &sae, settings(), &broken).expect_err("broken off");
        assert!(error.to_string().contains("broke off"), "{error}");
    }
    broken.breaks_after = None;
    let other = super::config(json!({"total_analyzing_tokens": 1000}));
    let error = go(&store, &sae, other, &broken).expect_err("another analysis");
    assert!(error.to_string().contains("total_analyzing_tokens"), "{error}");
    let analysis = go(&store, &sae, settings(), &broken).expect("it goes on");
    assert!(whole == everything(&store, &analysis));
    let error = go(&store, &sae, settings(), &broken).expect_err("complete");
    assert!(error.to_string().contains("complete analysis"), "{error}");
    assert!(store.progress(analysis.id, "").expect("read").is_empty());
}
