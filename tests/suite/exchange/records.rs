//! Records of the reference system, out of a store and back into one.

use std::fs;
use std::path::Path;

use saescript::findings::{Store, SubsampleKind};
use serde_json::{Value, json};

use super::{analysed, lines};
use crate::analysis::command::settings;
use crate::program::{Ran, run, run_in};

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

fn import(folder: &Path, records: &str, more: &[&str]) -> Ran {
    let model = format!("{SOURCE}/tests/fixtures/model/lm/neox_parallel");
    let start = [
        "import",
        records,
        "--model",
        &model,
        "--dataset",
        "words=corpus.jsonl",
    ];
    run_in(folder, start.iter().chain(&["--context-size", "24"]).chain(more))
}

#[test]
fn records_make_the_store_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Store::open(analysed(folder.path())).expect("a store");
    run_in(
        folder.path(),
        ["export", "a.sqlite", "--to", "reference", "-o", "a.jsonl"],
    )
    .ended_with(0);
    let ran = import(folder.path(), "a.jsonl", &["-o", "b.sqlite", "--json"]).ended_with(0);
    let facts: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (&facts["latents"], &facts["unknown_tokens"]),
        (&192.into(), &0.into())
    );
    let second = Store::open(folder.path().join("b.sqlite")).expect("a store");
    assert_eq!(
        first.vocabulary().expect("read"),
        second.vocabulary().expect("read")
    );
    assert_eq!(rules(&first), rules(&second));
    for latent in 0..192 {
        assert_eq!(
            seen_of(&first, latent),
            seen_of(&second, latent),
            "latent {latent}"
        );
    }
    assert!(
        !second
            .search(id(&second), "birds", 5)
            .expect("searched")
            .is_empty(),
        "texts can be found"
    );
    run_in(
        folder.path(),
        ["export", "b.sqlite", "--to", "reference", "-o", "b.jsonl"],
    )
    .ended_with(0);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("read");
    assert!(
        read("a.jsonl") == read("b.jsonl"),
        "records of records are the same"
    );
    run_in(folder.path(), ["show", "b.sqlite", "3"]).ended_with(0);
}

/// The analysis of a store.
fn id(store: &Store) -> i64 {
    store.analysis(Some("default")).expect("there").id
}

/// By which rules samples were chosen.
fn rules(store: &Store) -> Vec<(SubsampleKind, f64, f64)> {
    let rules = store.subsamples(id(store)).expect("read");
    rules
        .iter()
        .map(|rule| (rule.kind, rule.min_proportion, rule.proportion))
        .collect()
}

/// All that records carry of a latent, as text.
fn seen_of(store: &Store, latent: u32) -> Vec<String> {
    let id = id(store);
    let figures = store.latent(id, latent).expect("read").expect("there");
    let samples = store.samples(id, latent).expect("read");
    let named = samples
        .iter()
        .flat_map(|one| one.samples.iter().map(|one| one.context));
    let contexts = store.contexts(named.collect::<Vec<_>>()).expect("read");
    let of_rules = samples
        .iter()
        .flat_map(|one| one.samples.iter().map(move |sample| (one.subsample, sample)));
    let shown = of_rules.map(|(rule, one)| {
        let context = &contexts[&one.context];
        let place = (&context.place.dataset, context.place.record);
        format!(
            "{rule} {place:?} {:?} {} {} {:?}",
            context.tokens, one.peak, one.peak_position, one.activations
        )
    });
    let logits = store.logits(latent).expect("read");
    let label = store.label(latent).expect("read").map(|label| label.text);
    let known = (figures.act_times, figures.max, figures.density);
    let mut seen: Vec<String> = shown.collect();
    seen.push(format!(
        "{known:?} {:?} {label:?}",
        store.metrics_of(latent).expect("read")
    ));
    seen.push(format!("{:?}", logits.map(|logits| (logits.top, logits.bottom))));
    seen
}

/// A record as the reference system has it, numbers as `mongoexport` writes them.
fn record(index: u32) -> Value {
    json!({
        "_id": {"$oid": "65f0"}, "sae_name": "s", "sae_series": "t", "index": {"$numberInt": index.to_string()},
        "analyses": [{
            "name": "default", "act_times": {"$numberLong": "5"}, "n_analyzed_tokens": 100, "max_feature_acts": 2.5,
            "samplings": [{
                "name": "subsampling_80%", "feature_acts_indices": [[0.0, 0.0, 1.0], [3.0, 2.0, 23.0]],
                "feature_acts_values": [1.5, {"$numberDouble": "0.5"}, 1.25], "context_idx": [7, 4],
                "shard_idx": [0, 1], "n_shards": [3, 3], "dataset_name": ["words", "words"], "model_name": ["m", "m"],
            }],
        }],
        "logits": {"top_positive": [{"token": " no such token", "logit": 1.0}], "top_negative": []},
    })
}

#[test]
fn records_of_the_reference_itself_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    settings(folder.path());
    let text = format!("\u{feff}{}\n\n{}\n", record(0), record(1));
    fs::write(folder.path().join("r.jsonl"), text).expect("written");
    let ran = import(folder.path(), "r.jsonl", &[]).ended_with(0);
    assert!(ran.err.contains("2 tokens of the logits"), "{}", ran.err);
    let store = Store::open(folder.path().join("analysis.sqlite")).expect("a store");
    let analysis = store.analysis(None).expect("one");
    assert_eq!((analysis.latents, analysis.counted), (2, 100));
    let samples = &store.samples(analysis.id, 1).expect("read")[0].samples;
    assert_eq!(samples[0].activations, [(2, 0.5), (3, 1.5)]);
    assert_eq!((samples[0].peak_position, samples[0].peak), (3, 1.5));
    // 200 records in parts of 67, 67 and 66.
    let contexts = store
        .contexts(samples.iter().map(|one| one.context))
        .expect("read");
    let texts: Vec<String> = lines(&folder.path().join("corpus.jsonl"))
        .iter()
        .map(|line| line["text"].as_str().expect("a text").to_string())
        .collect();
    let vocabulary = store.vocabulary().expect("read");
    for (sample, expected) in samples.iter().zip([&texts[7], &texts[67 + 4]]) {
        let tokens = &contexts[&sample.context].tokens;
        let text: String = vocabulary
            .pieces(&tokens[1..])
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert!(
            tokens.len() == 24 && expected.starts_with(&text),
            "{text} {expected}"
        );
    }
    let rule = &store.subsamples(analysis.id).expect("read")[0];
    assert_eq!((rule.kind, rule.proportion), (SubsampleKind::Top, 0.8));
}

/// A record with a change.
fn with(change: impl Fn(&mut Value)) -> String {
    let mut record = record(0);
    change(&mut record);
    record.to_string()
}

/// Records with wrong lines, lists and numbers, and what is said of them.
fn wrong_as_a_whole() -> Vec<(String, &'static str)> {
    vec![
        ("[{".into(), "JSON lines, one a latent"),
        ("{\"index\": 0}".into(), "missing field `analyses`"),
        (String::new(), "there are no records"),
        (
            format!("{}\n{}", record(0), record(0)),
            "latent 0 is there already",
        ),
        (record(3).to_string(), "but none of latent 0"),
        (with(|one| one["index"] = 1e300.into()), "expected a whole number"),
        (
            with(|one| one["analyses"][0]["max_feature_acts"] = json!({"$numberDouble": "NaN"})),
            "`max_feature_acts` is NaN",
        ),
        (
            with(|one| {
                one["analyses"][0]["samplings"][0]["feature_acts_values"][1] =
                    json!({"$numberDouble": "Infinity"})
            }),
            "the activation at position 2 of sample 0 is inf",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["feature_acts_values"][1] = 1e300.into()),
            "beyond what a float32 holds",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["feature_acts_values"] = json!([1.0])),
            "has 1 entries",
        ),
    ]
}

/// Records that name what is not there.
fn wrong_in_places() -> Vec<(String, &'static str)> {
    vec![
        (
            with(|one| one["analyses"][0]["samplings"][0]["feature_acts_indices"][0][2] = 2.into()),
            "an activation is of sample 2, but there are 2",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["feature_acts_indices"][1][2] = 0.5.into()),
            "at position 0.5",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["feature_acts_indices"][1][2] = 24.into()),
            "fires at token 24 of record 4",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["context_idx"][0] = 67.into()),
            "there is no record 67 in part 0 of 3",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["shard_idx"][0] = 3.into()),
            "no shard 3 of 3",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["dataset_name"][0] = "wrods".into()),
            "did you mean `words`?",
        ),
        (
            with(|one| one["analyses"][0]["samplings"][0]["start"] = json!([0, 24])),
            "begin within their records",
        ),
        (
            with(|one| one["metric"] = json!({"x": {"$numberDouble": "NaN"}})),
            "the metric `x`",
        ),
    ]
}

#[test]
fn what_is_wrong_with_records_is_said_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    settings(folder.path());
    for (text, expected) in wrong_as_a_whole().into_iter().chain(wrong_in_places()) {
        fs::write(folder.path().join("r.jsonl"), &text).expect("written");
        let refused = import(folder.path(), "r.jsonl", &["-o", "made.sqlite"]).ended_with(2);
        assert!(refused.err.contains(expected), "{expected} in {}", refused.err);
        let left: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.contains("made.sqlite") && !name.ends_with(".lock"))
            .collect();
        assert_eq!(left, [] as [String; 0], "{expected}");
    }
}

#[test]
fn a_store_that_is_there_stays_unless_its_place_is_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    settings(folder.path());
    fs::write(folder.path().join("r.jsonl"), record(0).to_string()).expect("written");
    let there = folder.path().join("mine.sqlite");
    fs::write(&there, "mine").expect("written");
    let refused = import(folder.path(), "r.jsonl", &["-o", "mine.sqlite"]).ended_with(2);
    assert!(refused.err.contains("is there already"), "{}", refused.err);
    assert_eq!(fs::read(&there).expect("read"), b"mine");
    import(folder.path(), "r.jsonl", &["-o", "mine.sqlite", "--force"]).ended_with(0);
    assert_eq!(
        Store::open(&there)
            .expect("a store")
            .analyses()
            .expect("read")
            .len(),
        1
    );
    let settings = json!({
        "model": {"model_from_pretrained_path": format!("{SOURCE}/tests/fixtures/model/lm/neox_parallel")},
        "datasets": {"words": {"dataset_name_or_path": "corpus.jsonl"}}, "context_size": 24,
    });
    fs::write(folder.path().join("texts.json"), settings.to_string()).expect("written");
    let by_file = [
        "import",
        "r.jsonl",
        "--config",
        "texts.json",
        "-o",
        "other.sqlite",
    ];
    run_in(folder.path(), by_file).ended_with(0);
    assert_eq!(
        fs::read(&there).expect("read").len(),
        fs::read(folder.path().join("other.sqlite")).expect("read").len()
    );
}

#[test]
fn the_pickle_script_makes_lines_of_pickles() {
    let script = run(["export", "--pickle-script"]).ended_with(0).out;
    let folder = tempfile::tempdir().expect("a folder");
    settings(folder.path());
    fs::write(folder.path().join("pickle_records.py"), script).expect("written");
    let made = "import pickle, json, sys\n\
                record = json.load(open('one.json'))\n\
                record['samplings'][0]['feature_acts_values'][1] = 0.5\n\
                pickle.dump([record, record], open('f.pkl', 'wb'))\n";
    fs::write(folder.path().join("make.py"), made).expect("written");
    let mut analysis = record(0)["analyses"][0].clone();
    analysis.as_object_mut().expect("an object").remove("name");
    analysis["act_times"] = 5.into();
    fs::write(folder.path().join("one.json"), analysis.to_string()).expect("written");
    let python = |arguments: &[&str]| {
        let mut command = std::process::Command::new("python3");
        command.args(arguments).current_dir(folder.path()).output()
    };
    match python(&["make.py"]) {
        Ok(output) if output.status.success() => {}
        _ => return eprintln!("skipped: there is no python3"),
    }
    let ran = python(&["pickle_records.py", "to-lines", "f.pkl", "f.jsonl", "--name", "s"]).expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    import(folder.path(), "f.jsonl", &["-o", "f.sqlite"]).ended_with(0);
    let store = Store::open(folder.path().join("f.sqlite")).expect("a store");
    let id = store.analysis(Some("default")).expect("there").id;
    assert_eq!(store.latent(id, 1).expect("read").expect("there").act_times, 5);
}
