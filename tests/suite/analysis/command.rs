//! `saescript analyze` and the objects of scripts, as people use them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use saescript::config::from_value;
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};
use saescript::event::RunContext;
use saescript::findings::{State, Store};
use saescript::lock::FolderLock;
use serde_json::{Value, json};

use super::same::everything;
use super::{HOOK, dictionary_at, preamble};
use crate::program::{Ran, program, run_in};

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

/// The settings of an analysis of a small dictionary on texts of a few words, whose store is `a.sqlite`.
pub fn settings(folder: &Path) -> Value {
    let words = [
        "the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "birds", "near", "old", "trees",
    ];
    let texts = (0..200usize).map(|line| {
        let text = (0..24).map(|at| words[(line * 7 + at * at * 3 + line * at) % words.len()]);
        format!("{}\n", json!({"text": text.collect::<Vec<_>>().join(" ")}))
    });
    fs::write(folder.join("corpus.jsonl"), texts.collect::<String>()).expect("written");
    let fixtures = Path::new(SOURCE).join("tests/fixtures");
    json!({
        "sae": {"pretrained_name_or_path": dictionary(folder, "topk_folded")},
        "sae_name": "tiny", "sae_series": "tests", "store": "a.sqlite",
        "model": {"model_name": "tiny", "model_from_pretrained_path": fixtures.join("model/lm/neox_parallel")},
        "datasets": {"words": {"dataset_name_or_path": "corpus.jsonl"}},
        "activation_factory": {
            "sources": [{"type": "dataset", "name": "words"}], "target": "activations-2d",
            "hook_points": ["blocks.1.hook_resid_post"], "batch_size": 8, "model_batch_size": 8, "context_size": 24,
        },
        "analyzer": {"total_analyzing_tokens": 4000},
    })
}

/// A copy of a dictionary of the fixtures.
fn dictionary(folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    fs::create_dir_all(&to).expect("made");
    for file in ["config.json", "sae_weights.safetensors"] {
        let from = dictionary_at(&format!("sae_pretrained/{name}")).join(file);
        fs::copy(from, to.join(file)).expect("copied");
    }
    to
}

pub fn analyze(folder: &Path, settings: &Value, more: &[&str]) -> Ran {
    fs::write(folder.join("analyze.json"), settings.to_string()).expect("written");
    run_in(folder, ["analyze", "analyze.json"].iter().chain(more))
}

/// Looks at an analysis in every way, and adds to it.
const LOOK: &str = r#"
        let analysis = Analysis::open("a.sqlite");
        print(analysis.name + " " + analysis.n_latents);
        let living = analysis.latents(|latent| latent.act_times > 0);
        let dead = analysis.flagged("dead");
        print((living | dead).len() == analysis.n_latents && (living & dead).is_empty());
        let latent = living.sort_by(|latent| latent.act_times)[0];
        let best = latent.top(3);
        print(best.len() + " " + (best[0].peak == latent.max) + " " + (best[0].activations[best[0].position] == latent.max));
        print(best[0].text.contains(best[0].token));
        let histogram = latent.histogram();
        let total = 0;
        for count in histogram { total += count; }
        print(total == latent.act_times && latent.tokens().len() > 0);
        print(latent.logits().top.len() + " " + latent.neighbours("pearson").len());
        let rare = living.sort_by(|latent| -latent.contexts)[0];
        print(rare.samples("silent").len() + " " + rare.samples("silent")[0].peak);
        analysis.set_label(latent.index, "felines");
        analysis.bookmark(latent.index, "animals", "look again");
        print(analysis.find("felines").indices() == [latent.index]);
        print(analysis.bookmarked("animals").contains(latent.index) && analysis.labelled().len() == 1);
        print(analysis.latent(latent.index).label);
        print(analysis.add_metric("peakiness", |latent| if latent.mean > 0.0 { latent.max / latent.mean } else { () }) == living.len());
        print(analysis.latent(latent.index).metrics.peakiness >= 1.0);
        print(("" + analysis.latent(latent.index)).contains("felines"));
        print(analysis.find("birds").len() > 0);
        try { analysis.latent(192); } catch (error) { print(error); }
"#;

#[test]
fn an_analysis_is_written_found_labelled_and_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = analyze(folder.path(), &settings(folder.path()), &["--json"]).ended_with(0);
    let facts: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (&facts["state"], &facts["latents"]),
        (&json!("complete"), &json!(192))
    );
    assert_eq!(facts["tokens"], 4008, "the context that reaches 4000 is the last");
    assert!(ran.err.contains("runs through the stream again"), "{}", ran.err);
    let again = analyze(folder.path(), &settings(folder.path()), &[]).ended_with(2);
    assert!(
        again.err.contains("complete analysis") && again.err.contains("--replace"),
        "{}",
        again.err
    );

    fs::write(folder.path().join("look.rhai"), LOOK).expect("written");
    let ran = run_in(folder.path(), ["run", "look.rhai"]).ended_with(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        lines,
        [
            "default 192",
            "true",
            "3 true true",
            "true",
            "true",
            "10 10",
            "20 0.0",
            "true",
            "true",
            "felines",
            "true",
            "true",
            "true",
            "true",
            "there is no latent 192; latents are numbered from 0 to 191",
        ]
    );
}

#[test]
fn scripts_analyse_what_they_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    settings(folder.path());
    let script = r#"
        let analyzer = FeatureAnalyzer(FeatureAnalyzerConfig(#{ total_analyzing_tokens: 1000 }));
        let analysis = analyzer.analyze_chunk(#{
            factory: factory, sae: SparseAutoEncoder::from_pretrained("topk_folded"), store: "b.sqlite", model: model,
            datasets: #{ words: datasets::load_dataset("corpus.jsonl") }, name: "first",
        });
        print(analysis);
        print(analysis.latents(|latent| latent.act_times > 0).len() > 50);
    "#;
    fs::write(folder.path().join("analyse.rhai"), preamble() + script).expect("written");
    let ran = run_in(folder.path(), ["run", "-A", "analyse.rhai"]).ended_with(0);
    assert!(
        ran.out.contains("Analysis(\"first\": 192 latents on "),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("true\n"), "{}", ran.out);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |change: &dyn Fn(&mut Value), expected: &[&str]| {
        let mut settings = settings(folder.path());
        change(&mut settings);
        let ran = analyze(folder.path(), &settings, &[]).ended_with(2);
        for text in expected {
            assert!(ran.err.contains(text), "`{text}` is missing in: {}", ran.err);
        }
        assert!(!folder.path().join("a.sqlite").exists(), "{}", ran.err);
    };
    refused(
        &|all| all["activation_factory"]["target"] = json!("activations-1d"),
        &["activation_factory.target", "whole contexts"],
    );
    refused(
        &|all| all["activation_factory"]["hook_points"] = json!(["blocks.0.hook_resid_post"]),
        &["activation_factory.hook_points", "blocks.1.hook_resid_post"],
    );
    refused(
        &|all| all["mongo"] = json!({"mongo_db": "mechinterp"}),
        &["mongo", "store"],
    );
    refused(
        &|all| {
            all["analyzer"]["subsamples"] =
                json!({"low": {"proportion": 0.3, "n_samples": 5, "min_proportion": 0.4}})
        },
        &["analyzer.subsamples.low.min_proportion"],
    );
    refused(
        &|all| all["sae"]["pretrained_name_or_path"] = json!("nowhere"),
        &["nowhere"],
    );
    refused(
        &|all| all["analyzer"]["clt_layer"] = json!(3),
        &["analyzer.clt_layer"],
    );
}

/// A script that analyses the dictionary `sae` into `a.sqlite`.
fn by_script(folder: &Path, sae: &str) -> String {
    let script = format!(
        r#"
        let batch = #{{
            "{HOOK}": torch::zeros([2, 4, 48]), tokens: torch::ones([2, 4]),
        }};
        let analyzer = FeatureAnalyzer(FeatureAnalyzerConfig(#{{ total_analyzing_tokens: 8, single_pass: true }}));
        analyzer.analyze_chunk(#{{
            stream: ActivationStream([batch]), sae: SparseAutoEncoder::from_pretrained("{sae}"), store: "a.sqlite", name: "script",
        }});
    "#
    );
    let path = folder.join("by_script.rhai");
    fs::write(&path, script).expect("written");
    path.display().to_string()
}

#[test]
fn a_store_of_something_else_is_refused_and_several_analyses_live_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["analyzer"]["total_analyzing_tokens"] = json!(500);
    analyze(folder.path(), &all, &["-q"]).ended_with(0);
    let before = fs::read(folder.path().join("a.sqlite")).expect("read");

    all["sae"]["pretrained_name_or_path"] = json!(dictionary(folder.path(), "relu_folded"));
    all["feature_analysis_name"] = json!("other");
    let ran = analyze(folder.path(), &all, &[]).ended_with(2);
    assert!(
        ran.err.contains("dictionary.identity") && ran.err.contains("another `store`"),
        "{}",
        ran.err
    );

    all["sae"]["pretrained_name_or_path"] = json!(folder.path().join("topk_folded"));
    assert_eq!(fs::read(folder.path().join("a.sqlite")).expect("read"), before);

    analyze(folder.path(), &all, &["-q"]).ended_with(0);
    let store = Store::open(folder.path().join("a.sqlite")).expect("a store");
    let names: Vec<(String, State)> = store
        .analyses()
        .expect("read")
        .into_iter()
        .map(|one| (one.name, one.state))
        .collect();
    assert_eq!(
        names,
        [
            ("default".into(), State::Complete),
            ("other".into(), State::Complete)
        ]
    );
    store.set_label(3, "kept", "user").expect("labelled");
    drop(store);
    let mut again = settings(folder.path());
    again["analyzer"]["total_analyzing_tokens"] = json!(700);
    analyze(folder.path(), &again, &["-q", "--replace"]).ended_with(0);
    let store = Store::open(folder.path().join("a.sqlite")).expect("a store");
    assert_eq!(store.label(3).expect("read").expect("a label").text, "kept");
    assert_eq!(store.analysis(Some("default")).expect("there").tokens, 720);
    assert_eq!(store.analysis(Some("other")).expect("there").tokens, 504);
}

#[test]
fn a_store_in_use_is_refused_and_one_of_another_width() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["analyzer"]["total_analyzing_tokens"] = json!(500);
    analyze(folder.path(), &all, &["-q"]).ended_with(0);
    let before = fs::read(folder.path().join("a.sqlite")).expect("read");
    all["feature_analysis_name"] = json!("other");
    let held = FolderLock::take_part(
        folder.path(),
        ".a.sqlite.lock",
        "analysing",
        &RunContext::default(),
    );
    let held = held.expect("held");
    let ran = analyze(folder.path(), &all, &[]);
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.err.contains("the store `a.sqlite` is in use") && ran.err.contains("choose another store"),
        "{}",
        ran.err
    );
    let script = run_in(
        folder.path(),
        ["run", "-A", &by_script(folder.path(), "topk_folded")],
    );
    assert_ne!(script.code, Some(0));
    assert!(script.err.contains("analysing"), "{}", script.err);
    drop(held);
    let cfg = json!({
        "sae_type": "sae", "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 48, "d_sae": 64, "act_fn": "relu",
    });
    let narrow = SparseAutoEncoder::new(from_value::<SAEConfig>(cfg).expect("a configuration"));
    let narrow = narrow.expect("a dictionary");
    let other = dictionary(folder.path(), "relu_folded");
    narrow
        .save_pretrained(folder.path().join("narrow"), false)
        .expect("saved");
    let script = run_in(folder.path(), ["run", "-A", &by_script(folder.path(), "narrow")]);
    assert!(
        script.err.contains("dictionary.d_sae") && script.err.contains("another `store`"),
        "{}",
        script.err
    );
    let script = run_in(
        folder.path(),
        [
            "run",
            "-A",
            &by_script(folder.path(), &other.display().to_string()),
        ],
    );
    assert!(
        script.err.contains("dictionary.weights") && !script.err.contains("dictionary.d_sae"),
        "as wide, with other weights: {}",
        script.err
    );
    assert_eq!(fs::read(folder.path().join("a.sqlite")).expect("read"), before);
}

/// Kills an analysis when it has come to a few places, and has it go on; what it finds is what one finds that never
/// stopped.
#[test]
fn a_killed_analysis_goes_on_with_equal_results() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["analyzer"]["save_every_seconds"] = json!(0);
    all["store"] = json!("whole.sqlite");
    analyze(folder.path(), &all, &["-q"]).ended_with(0);
    all["store"] = json!("killed.sqlite");
    fs::write(folder.path().join("analyze.json"), all.to_string()).expect("written");
    let mut killed = 0;
    for events in [8, 16, 24] {
        let mut child = program()
            .args(["analyze", "analyze.json", "--progress", "json"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        // The rest of what it says has nowhere to go, but it is killed before it waits for that.
        let advanced = said
            .map_while(Result::ok)
            .filter(|line| line.contains("advanced"));
        let seen = advanced.take(events).count();
        child.kill().expect("killed, or over");
        killed += usize::from(!child.wait().expect("ended").success() && seen == events);
    }
    assert!(killed >= 2, "killed {killed} times");
    let ran = analyze(folder.path(), &all, &[]);
    assert!(
        ran.code == Some(0) || ran.err.contains("complete analysis"),
        "{}",
        ran.err
    );
    let [whole, again] = ["whole.sqlite", "killed.sqlite"].map(|name| {
        let store = Store::open(folder.path().join(name)).expect("a store");
        let analysis = store.analysis(None).expect("an analysis");
        assert_eq!(analysis.state, State::Complete);
        everything(&store, &analysis)
    });
    assert!(whole == again, "what was found differs");
}
