//! A crosscoder over several streams, one for each of its hook points, as people analyse it.

use std::fs;
use std::path::Path;

use saescript::config::from_value;
use saescript::findings::Store;
use saescript::runner::{AnalyzeCrosscoderSettings, AnalyzeOptions, analyze_crosscoder};
use saescript::tensor::safetensors::SafeFile;
use serde_json::{Value, json};

use super::cached::{interrupted, reading, write};
use super::command::analyze;
use super::root_with;
use super::same::everything;
use super::weights::{HEADS, compare_heads, crosscoder};
use crate::fixtures::tensors;
use crate::program::run_in;

/// The fixtures' crosscoder in `folder`, with a cache for each hook point, and the settings of its analysis.
fn made(folder: &Path) -> (SafeFile, Value) {
    let root = root_with("analysis/crosscoder.safetensors").expect("it ships");
    let file = tensors(root.join("analysis/crosscoder.safetensors"));
    let (sae, contexts) = crosscoder(&file);
    sae.save_pretrained(folder.join("crosscoder"), false)
        .expect("saved");
    for hook in HEADS {
        write(&contexts, &[hook], &folder.join(hook));
    }
    let factories = HEADS.map(|hook| reading(&folder.join(hook), &[hook], 2));
    let settings = json!({
        "sae": {"pretrained_name_or_path": folder.join("crosscoder")}, "sae_name": "heads", "sae_series": "tests",
        "activation_factories": factories, "analyzer": {"total_analyzing_tokens": 30}, "store": "a.sqlite",
    });
    (file, settings)
}

/// Analyses the same in a script.
fn script() -> String {
    let factories = HEADS.map(|hook| {
        format!(
            r#"ActivationFactoryConfig(#{{
                sources: [ActivationFactoryActivationsSource(#{{ name: "cache", path: "{hook}" }})],
                target: ActivationFactoryTarget::ACTIVATIONS_2D, hook_points: ["{hook}"], batch_size: 1,
            }})"#
        )
    });
    format!(
        r#"
        let settings = AnalyzeCrosscoderSettings(#{{
            sae: PretrainedSAE(#{{ pretrained_name_or_path: "crosscoder" }}), sae_name: "heads", sae_series: "tests",
            activation_factories: [{}], store: "b.sqlite",
            analyzer: FeatureAnalyzerConfig(#{{ total_analyzing_tokens: 30 }}),
        }});
        print(settings.sae_name + " " + settings.analyzer.total_analyzing_tokens);
        print(analyze_crosscoder(settings));
        print(analyze_crosscoder(settings, #{{ replace: true }}).n_latents);
        "#,
        factories.join(", ")
    )
}

#[test]
fn several_streams_are_analysed_by_the_command_and_by_scripts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, settings) = made(folder.path());
    let ran = analyze(folder.path(), &settings, &["--json"]).ended_with(0);
    let facts: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&facts["latents"], &facts["tokens"]), (&json!(24), &json!(30)));
    let checked = run_in(folder.path(), ["check", "analyze.json"]).ended_with(0);
    assert!(checked.out.contains("of a crosscoder"), "{}", checked.out);

    fs::write(folder.path().join("heads.rhai"), script()).expect("written");
    let ran = run_in(folder.path(), ["run", "-A", "heads.rhai"]).ended_with(0);
    assert!(
        ran.out
            .starts_with("heads 30\nAnalysis(\"default\": 24 latents on "),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("24\n"), "{}", ran.out);

    let [by_command, by_script] = ["a.sqlite", "b.sqlite"].map(|name| {
        let store = Store::open(folder.path().join(name)).expect("a store");
        let analysis = store.analysis(None).expect("an analysis");
        compare_heads(&store, &analysis, &file);
        everything(&store, &analysis)
    });
    assert!(by_command == by_script);

    // What goes on does so in all of its streams.
    let found = |name: &str, stops: &[usize]| {
        let mut settings = settings.clone();
        settings["store"] = json!(folder.path().join(name));
        settings["analyzer"]["save_every_seconds"] = json!(0);
        let settings: AnalyzeCrosscoderSettings = from_value(settings).expect("settings");
        let report = interrupted(stops, |context| {
            analyze_crosscoder(&settings, &AnalyzeOptions::default(), context)
        });
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        everything(&Store::open(&report.store).expect("a store"), &report.analysis)
    };
    assert!(found("whole.sqlite", &[]) == found("interrupted.sqlite", &[2, 2, 1]));
}

#[test]
fn streams_that_do_not_belong_together_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, settings) = made(folder.path());
    let (_, mut contexts) = crosscoder(&file);
    contexts.tokens = contexts.tokens.zeros_like();
    write(&contexts, &["b"], &folder.path().join("other"));
    let refused = |change: &dyn Fn(&mut Value), expected: &[&str]| {
        let mut settings = settings.clone();
        change(&mut settings);
        let ran = analyze(folder.path(), &settings, &[]).ended_with(2);
        for text in expected {
            assert!(ran.err.contains(text), "`{text}` is missing in: {}", ran.err);
        }
    };
    let second = |all: &mut Value, key: &str, value: Value| all["activation_factories"][1][key] = value;
    refused(
        &|all| second(all, "target", json!("activations-1d")),
        &["activation_factories[1].target", "whole contexts"],
    );
    refused(
        &|all| second(all, "sources", json!([{"type": "dataset", "name": "words"}])),
        &["model", "language model"],
    );
    refused(
        &|all| all["activation_factories"] = json!([all["activation_factories"][0]]),
        &["hook_points", "the dictionary reads `b`"],
    );
    refused(
        &|all| all["activation_factories"] = json!([]),
        &["activation_factories", "no streams"],
    );
    refused(
        &|all| all["activation_factories"][1] = reading(&folder.path().join("other"), &["b"], 2),
        &["stream 1", "other contexts", "the same texts"],
    );
    refused(
        &|all| all["activation_factory"] = json!({}),
        &["unknown key `activation_factory`"],
    );
    refused(
        &|all| all["analyzer"]["neighbours"] = json!("many"),
        &["analyzer.neighbours", "a non-negative integer"],
    );
}
