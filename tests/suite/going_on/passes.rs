//! Trainings on texts that are read several times and hold bad records: interrupted, they go on to the same bytes.

use std::path::Path;

use saescript::event::RunContext;
use saescript::runner::{TrainOptions, train_sae};

use super::training::{folder, results, settings};
use super::{corpus, stopping};

/// Less than a quarter of what the training takes, so that it needs several passes.
const CHANGES: &[&str] = &[
    "initializer.seed=3",
    "datasets.corpus.split=\"train[:60]\"",
    "datasets.corpus.on_bad_record=\"skip\"",
    "activation_factory.sources[0].passes=\"unlimited\"",
];

/// A folder to train in, whose corpus has a bad record after every other one.
fn with_bad_records() -> tempfile::TempDir {
    let folder = folder();
    let bad = ["{\"text\": null}", "{\"text\": [1]}", "{\"text\": \"cut"];
    let lines = corpus();
    let lines = lines.lines().zip(bad.iter().cycle());
    let spoilt: String = lines.map(|(line, bad)| format!("{line}\n{bad}\n")).collect();
    std::fs::write(folder.path().join("corpus.jsonl"), spoilt).expect("written");
    folder
}

fn train(folder: &Path, resume: bool, context: &RunContext) -> u64 {
    let options = TrainOptions {
        resume,
        ..TrainOptions::default()
    };
    train_sae(&settings(folder, CHANGES), &options, context)
        .expect("trained")
        .steps
}

#[test]
fn a_training_over_several_passes_goes_on_to_the_same_bytes() {
    let (whole, cut) = (with_bad_records(), with_bad_records());
    assert_eq!(train(whole.path(), false, &RunContext::default()), 100);
    assert_eq!(train(cut.path(), false, &stopping("training", 55)), 55);
    assert_eq!(train(cut.path(), true, &RunContext::default()), 100);
    assert!(
        results(cut.path()).0 == results(whole.path()).0,
        "the weights differ"
    );
    // What is written down says the same again.
    let written = std::fs::read_to_string(whole.path().join("results/settings.toml")).expect("settings");
    assert!(written.contains("passes = \"unlimited\""), "{written}");
}
