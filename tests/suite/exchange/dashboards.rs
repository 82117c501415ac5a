//! Dashboards against schemas of their fields, and against what the store holds.

use std::io::Read;
use std::path::Path;

use saescript::findings::Store;
use serde_json::Value;

use super::schema::Schema;
use super::{analysed, lines};
use crate::program::{run, run_in};
use crate::viewer::served::small;

fn batch(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn dashboards_are_as_their_schema_says() {
    let (folder, path) = small();
    let out = folder.path().join("boards");
    let (path, shown) = (path.display().to_string(), out.display().to_string());
    let unnamed = run(["export", &path, "--to", "dashboard", "-o", &shown]).ended_with(2);
    assert!(
        unnamed.err.contains("does not tell what `--layer` is"),
        "{}",
        unnamed.err
    );
    let export = [
        "export",
        &path,
        "--to",
        "dashboard",
        "-o",
        &shown,
        "--layer",
        "3",
        "--set",
        "res",
    ];
    run(export).ended_with(0);
    let schema = Schema::read("dashboard.json", None);
    let mut latents = 0;
    for number in 0..5 {
        let batch = batch(&out.join(format!("batch-{number}.json")));
        assert_eq!(schema.faults(&batch), [] as [String; 0]);
        assert_eq!((&batch["layer"], &batch["sae_set"]), (&3.into(), &"res".into()));
        for feature in batch["features"].as_array().expect("a list") {
            assert_eq!(feature["feature_index"], latents);
            latents += 1;
        }
    }
    assert_eq!(latents, 600);
    assert!(!out.join("batch-5.json").exists());
    std::fs::write(out.join("batch-9.json"), "{}").expect("written");
    let refused = run(export.iter().chain(&["--force"])).ended_with(2);
    assert!(
        refused.err.contains("batch-9.json` is of another export"),
        "{}",
        refused.err
    );
}

#[test]
fn dashboards_show_what_the_store_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(analysed(folder.path())).expect("a store");
    let id = store.analysis(None).expect("one").id;
    let export = [
        "export",
        "a.sqlite",
        "--to",
        "dashboard",
        "--sae",
        "topk_folded",
        "-o",
        "boards",
    ];
    run_in(folder.path(), export).ended_with(0);
    let batch = batch(&folder.path().join("boards/batch-0.json"));
    assert_eq!(
        (&batch["model_id"], &batch["layer"]),
        (&"neox_parallel".into(), &1.into())
    );
    let figures = most_active(&store, id);
    let feature = &batch["features"][figures.latent as usize];
    assert_eq!(feature["frac_nonzero"], figures.density);
    let vector = feature["vector"].as_array().expect("a list");
    assert_eq!(vector.len(), 48);
    let norm = vector
        .iter()
        .filter_map(Value::as_f64)
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt();
    assert!(
        (norm - figures.decoder_norm.expect("known")).abs() < 1e-3,
        "{norm}"
    );
    let parts = feature["neuron_alignment_l1"].as_array().expect("a list");
    assert!(
        parts.len() == 3
            && parts
                .iter()
                .all(|part| part.as_f64().is_some_and(|part| part < 1.0))
    );
    let shown = feature["activations"].as_array().expect("a list");
    let samples = store.samples(id, figures.latent).expect("read");
    for (sample, activation) in samples[0].samples.iter().zip(shown) {
        let bin = [&activation["bin_min"], &activation["bin_contains"]];
        assert_eq!(bin, [&Value::from(-1.0), &Value::from(-1.0)]);
        let peak = activation["qualifying_token_index"].as_u64().expect("a number") as usize;
        assert_eq!(peak, usize::from(sample.peak_position));
        let value = activation["values"][peak].as_f64().expect("a number");
        assert!((value - f64::from(sample.peak)).abs() <= 5.1e-6, "five places");
        let lengths = ["tokens", "values"].map(|name| activation[name].as_array().map(Vec::len));
        assert_eq!(lengths[0], lengths[1]);
    }
    let binned: Vec<&Value> = shown.iter().filter(|one| one["bin_min"] != -1.0).collect();
    assert!(!binned.is_empty());
    binned.into_iter().for_each(lies_in_its_bin);
}

/// The latent of the first file that fires most.
fn most_active(store: &Store, id: i64) -> saescript::findings::Latent {
    let all = store.scalars(id).expect("read").into_iter();
    let first = all.filter(|one| one.latent < 128);
    first.max_by_key(|one| one.act_times).expect("one")
}

/// The peak of a context lies between the edges of its interval.
fn lies_in_its_bin(one: &Value) {
    let values = one["values"].as_array().expect("a list");
    let peak = values.iter().filter_map(Value::as_f64).fold(0.0, f64::max);
    let edge = |name: &str| one[name].as_f64().expect("a number");
    assert!(
        edge("bin_min") <= peak + 2e-5 && peak <= edge("bin_max") + 2e-5,
        "{one}"
    );
    assert!((0.0..=1.0).contains(&edge("bin_contains")));
}

#[test]
fn directions_of_another_dictionary_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    analysed(folder.path());
    let other = folder.path().join("relu_folded");
    std::fs::create_dir(&other).expect("made");
    for file in ["config.json", "sae_weights.safetensors"] {
        let from = crate::analysis::dictionary_at("sae_pretrained/relu_folded").join(file);
        std::fs::copy(from, other.join(file)).expect("copied");
    }
    let wrong = [
        "export",
        "a.sqlite",
        "--to",
        "dashboard",
        "--sae",
        "relu_folded",
        "-o",
        "other",
    ];
    let refused = run_in(folder.path(), wrong).ended_with(2);
    assert!(
        refused.err.contains("is not the dictionary that was analysed"),
        "{}",
        refused.err
    );
}

fn unpacked(path: &Path) -> Vec<Value> {
    let packed = std::fs::File::open(path).expect("a file");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("gzip");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn neuronpedia_gets_its_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    analysed(folder.path());
    let export = [
        "export",
        "a.sqlite",
        "--to",
        "neuronpedia",
        "--release",
        "r",
        "--creator",
        "me",
        "--suffix",
        "b",
    ];
    let ran = run_in(folder.path(), export.iter().chain(&["-o", "out"])).ended_with(0);
    assert_eq!(ran.out, "10 files in out/neox_parallel/1-tests__b\n");
    let source = folder.path().join("out/neox_parallel/1-tests__b");
    for part in ["release", "model", "sourceset", "source"] {
        let rows = lines(&source.join(format!("{part}.jsonl")));
        assert_eq!(rows.len(), 1);
        let faults = Schema::read("neuronpedia.json", Some(part)).faults(&rows[0]);
        assert_eq!(faults, [] as [String; 0]);
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut counts = Vec::new();
    for part in ["features", "activations", "explanations"] {
        let schema = Schema::read("neuronpedia.json", Some(part));
        let mut rows = 0;
        for number in 0..2 {
            for row in unpacked(&source.join(format!("{part}/batch-{number}.jsonl.gz"))) {
                assert_eq!(schema.faults(&row), [] as [String; 0]);
                assert_eq!(row["layer"], "1-tests__b");
                if let Some(id) = row["id"].as_str() {
                    assert_eq!(id.len(), 25);
                    assert!(ids.insert(id.to_string()), "{id} twice");
                }
                rows += 1;
            }
        }
        counts.push(rows);
    }
    assert_eq!((counts[0], counts[2]), (192, 1));
    assert!(counts[1] > 192);
    let again = run_in(folder.path(), export.iter().chain(&["-o", "out"])).ended_with(2);
    assert!(again.err.contains("is there already"), "{}", again.err);
}
