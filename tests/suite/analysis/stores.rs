//! Stores that several analyses and attributions write into: what is compared, and what each keeps of its own.

use std::fs;
use std::path::Path;

use saescript::config::from_value;
use saescript::error::{Error, Result};
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::findings::{Flag, State, Store};
use saescript::fingerprint::Allowances;
use saescript::runner::{AnalyzeOptions, AnalyzeSAESettings, analyze_sae, direct_logit_attribute};
use serde_json::{Value, json};

use super::command;

/// The settings of an analysis in `folder`, wherever the tests run.
fn settings(folder: &Path) -> Value {
    let mut all = command::settings(folder);
    all["store"] = json!(folder.join("a.sqlite"));
    all["datasets"]["words"]["dataset_name_or_path"] = json!(folder.join("corpus.jsonl"));
    all["analyzer"]["total_analyzing_tokens"] = json!(500);
    all
}

fn analyze(settings: &Value, context: &RunContext) -> Result<()> {
    let settings: AnalyzeSAESettings = from_value(settings.clone()).expect("settings");
    analyze_sae(&settings, &AnalyzeOptions::default(), context).map(drop)
}

/// Attributes logits into the store of `settings`.
fn attribute(settings: &Value, allowed: &[&str]) -> Result<()> {
    let mut own = json!({});
    for key in ["sae", "sae_name", "sae_series", "store", "model"] {
        own[key] = settings[key].clone();
    }
    let allowed = Allowances::new(allowed.iter().map(|name| name.to_string()));
    let settings = from_value(own).expect("settings");
    direct_logit_attribute(&settings, &allowed, &RunContext::default()).map(drop)
}

/// Lives that the latents of an analysis have, and those of them that are flagged for their output.
fn living_and_output(store: &Store, name: &str) -> (usize, usize) {
    let id = store.analysis(Some(name)).expect("there").id;
    let scalars = store.scalars(id).expect("figures");
    (
        scalars.iter().filter(|one| one.act_times > 0).count(),
        scalars.iter().filter(|one| one.flags.has(Flag::Output)).count(),
    )
}

#[test]
fn logits_by_themselves_compare_the_model_and_keep_the_thresholds_of_each_analysis() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["analyzer"]["flags"] = json!({"output_kurtosis": -1.0});
    analyze(&all, &RunContext::default()).expect("analysed");
    all["feature_analysis_name"] = json!("other");
    all["analyzer"]["flags"] = json!({"output_kurtosis": 1e9});
    analyze(&all, &RunContext::default()).expect("analysed");
    attribute(&all, &[]).expect("attributed");
    let store = Store::open(folder.path().join("a.sqlite")).expect("a store");
    let (living, output) = living_and_output(&store, "default");
    assert!(living > 50 && living == output, "{living} {output}");
    assert_eq!(living_and_output(&store, "other").1, 0);

    let refused = |settings: &Value, key: &str, allowed: &[&str]| {
        let said = attribute(settings, &[]).expect_err(key).to_string();
        assert!(said.contains(&format!("--allow-change {key}")), "{said}");
        assert!(
            !said.contains("model.model") && !said.contains("folder"),
            "{said}"
        );
        attribute(settings, allowed).expect("allowed by name");
    };
    store
        .set_meta("model.weights", "1 file, 7 bytes, xxh3 0")
        .expect("set");
    refused(&all, "model.weights", &["model.weights"]);
    let kept = store.meta("model.weights").expect("read").expect("a fact");
    assert!(kept.contains("7 bytes"), "that of the analyses stays: {kept}");
    drop(store);
    let trained = json!({"program.arithmetic": 2, "model.tokenizer": "1 file, 9 bytes, xxh3 1"});
    let dictionary = folder.path().join("topk_folded");
    fs::write(dictionary.join("fingerprint.json"), trained.to_string()).expect("written");
    refused(&all, "model.tokenizer", &["model"]);
    fs::remove_file(dictionary.join("fingerprint.json")).expect("removed");

    let mut other = all.clone();
    let relu = super::dictionary_at("sae_pretrained/relu_folded");
    other["sae"]["pretrained_name_or_path"] = json!(relu);
    refused(&other, "dictionary.weights", &["dictionary", "model"]);
}

#[test]
fn an_analysis_whose_logits_were_broken_off_goes_on_with_them() {
    struct Breaking;
    impl Observer for Breaking {
        fn on(&mut self, event: &Event) -> Result<Control> {
            match event {
                Event::TaskStarted { title, .. } if title.contains("logits") => Err(Error::run("killed")),
                _ => Ok(Control::Continue),
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let all = settings(folder.path());
    let context = RunContext::default();
    context.events.add(Box::new(Breaking));
    analyze(&all, &context).expect_err("killed");
    let state = || {
        let store = Store::open(folder.path().join("a.sqlite")).expect("a store");
        let state = store.analysis(None).expect("there").state;
        (state, store.logits(3).expect("read").is_some())
    };
    assert_eq!(state(), (State::Running, false));
    analyze(&all, &RunContext::default()).expect("it goes on");
    assert_eq!(state(), (State::Complete, true));
}

#[test]
fn another_model_than_the_dictionary_was_trained_on_is_refused_unless_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = command::settings(folder.path());
    all["analyzer"]["total_analyzing_tokens"] = json!(500);
    let trained = json!({
        "program.arithmetic": 2, "model.weights": "1 file, 7 bytes, xxh3 0", "model.config": "other",
        "model.tokenizer": "1 file, 9 bytes, xxh3 1",
    });
    fs::write(
        folder.path().join("topk_folded/fingerprint.json"),
        trained.to_string(),
    )
    .expect("written");
    let ran = command::analyze(folder.path(), &all, &[]).ended_with(2);
    assert!(
        ran.err.contains("model.weights") && ran.err.contains("7 bytes") && !ran.err.contains("model.model"),
        "{}",
        ran.err
    );
    assert!(!folder.path().join("a.sqlite").exists());
    let allowed = [
        "--allow-change",
        "model.weights",
        "--allow-change",
        "model.config",
    ];
    let ran = command::analyze(folder.path(), &all, &allowed).ended_with(2);
    assert!(
        ran.err.contains("model.tokenizer") && ran.err.contains("9 bytes"),
        "another tokenizer: {}",
        ran.err
    );
    let allowed = [&allowed[..], &["--allow-change", "model.tokenizer"]].concat();
    let ran = command::analyze(folder.path(), &all, &allowed).ended_with(0);
    assert!(ran.err.contains("7 bytes"), "it is said: {}", ran.err);
}
