//! Analyses of caches: what the stream that was written gives, whatever the batches and bands, and however often they were
//! broken off. And of a model that runs.

use std::collections::BTreeMap;
use std::path::Path;

use saescript::activations::ActivationWriter;
use saescript::config::{checked, from_value};
use saescript::error::{Fault, Result};
use saescript::event::{Control, Event, Observer, RunContext, StopFlag};
use saescript::findings::Store;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::runner::{AnalyzeOptions, AnalyzeReport, AnalyzeSAESettings, analyze_sae};
use serde_json::{Value, json};

use super::reference::{compare, of_case};
use super::same::{everything, found};
use super::{Contexts, HOOK, analyse, config, dictionary, dictionary_at, root_with};
use crate::fixtures::{json as read_json, tensors};

/// Writes the activations of `contexts` at `hooks` into the folder `cache`.
pub fn write(contexts: &Contexts, hooks: &[&str], cache: &Path) {
    let config = checked(json!({"hook_points": hooks, "cache_dir": cache})).expect("a configuration");
    let writer = ActivationWriter::new(config).expect("a writer");
    let written = writer.process(&mut contexts.share(), &RunContext::default());
    written.expect("written");
}

/// A factory that reads `hooks` of the folder `cache`.
pub fn reading(cache: &Path, hooks: &[&str], batch: i64) -> Value {
    json!({
        "sources": [{"type": "activations", "name": "cache", "path": cache}], "target": "activations-2d",
        "hook_points": hooks, "batch_size": batch,
    })
}

/// Asks to stop after so many batches.
struct Impatient {
    batches: usize,
    stop: StopFlag,
}

impl Observer for Impatient {
    fn on(&mut self, event: &Event) -> Result<Control> {
        if matches!(event, Event::TaskAdvanced { .. }) {
            self.batches = self.batches.saturating_sub(1);
        }
        if self.batches == 0 {
            self.stop.set();
        }
        Ok(Control::Continue)
    }
}

/// Runs `analyze`, which is stopped after each of these numbers of batches and goes on, until it is done.
pub fn interrupted(
    stops: &[usize],
    analyze: impl Fn(&RunContext) -> Result<AnalyzeReport>,
) -> Result<AnalyzeReport> {
    for batches in stops {
        let context = RunContext::default();
        let (batches, stop) = (*batches, context.stop.clone());
        context.events.add(Box::new(Impatient { batches, stop }));
        let error = analyze(&context).expect_err("stopped");
        assert_eq!(error.fault(), Fault::Interrupted, "{error}");
    }
    analyze(&RunContext::default())
}

#[test]
fn a_cache_gives_the_same_for_any_batches_and_bands_and_after_interruptions() {
    let root = root_with("analysis/tiny/stream.json").expect("it ships");
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    write(&Contexts::tiny(&root, 16), &[HOOK], &cache);
    let whole = found("topk_folded", json!({}), 16);
    for (batch, latents, stops) in [
        (1, 192, &[30, 100][..]),
        (7, 96, &[5, 9, 14]),
        (80, 48, &[1, 2]),
        (16, 48, &[3, 8, 7]),
    ] {
        let name = format!("{batch}_{latents}");
        let settings: AnalyzeSAESettings = from_value(json!({
            "sae": {"pretrained_name_or_path": dictionary_at("sae_pretrained/topk_folded")},
            "sae_name": "tiny", "sae_series": "tests", "store": folder.path().join(format!("{name}.sqlite")),
            "activation_factory": reading(&cache, &[HOOK], batch),
            "analyzer": {
                "total_analyzing_tokens": 1900, "latents_at_a_time": latents, "save_every_seconds": 0,
            },
        }))
        .expect("settings");
        let report = interrupted(stops, |context| {
            analyze_sae(&settings, &AnalyzeOptions::default(), context)
        });
        let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
        let store = Store::open(&report.store).expect("a store");
        assert!(whole == everything(&store, &report.analysis), "{name}");
    }
}

#[test]
fn what_a_running_model_gives_is_firm_where_the_reference_is() {
    let root = root_with("analysis/tiny/topk_default.json").expect("it ships");
    let model: LanguageModelConfig = from_value(json!({
        "model_name": "tiny", "model_from_pretrained_path": dictionary_at("model/lm/neox_parallel"),
    }))
    .expect("a configuration");
    let model = LanguageModel::load(model, &RunContext::default()).expect("a model");
    let about = read_json(root.join("analysis/tiny/topk_default.json"));
    let written = Contexts::tiny(&root, 16);
    let captured = model
        .capture(&written.tokens, &[HOOK.to_string()])
        .expect("captured");
    let live = Contexts {
        activations: BTreeMap::from_iter(captured),
        ..written
    };
    let folder = tempfile::tempdir().expect("a folder");
    let sae = dictionary("sae_pretrained/topk_folded");
    let (store, analysis) = analyse(folder.path(), &sae, config(of_case(&about)), &live);
    let file = tensors(root.join("analysis/tiny/topk_default.safetensors"));
    assert!(compare(&store, &analysis, &file, &about) > 900);
}
