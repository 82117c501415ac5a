//! Whole programs that load what they need from a hub.

use std::path::Path;
use std::process::{Command, Stdio};

use super::server::{Fault, Hub};
use crate::fixtures::roots;
use crate::program::{Ran, finish, program, script};

/// The program with a hub and a cache of the test.
fn with_hub(address: &str, home: &Path) -> Command {
    let mut command = program();
    for name in [
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "HF_DATASETS_OFFLINE",
        "HF_TOKEN_PATH",
        "TRANSFORMERS_OFFLINE",
    ] {
        command.env_remove(name);
    }
    command
        .env("HF_ENDPOINT", address)
        .env("HF_HOME", home)
        .env("HF_TOKEN", "hf_good");
    command
}

fn run(text: &str, address: &str, home: &Path, offline: bool) -> Ran {
    let (folder, path) = script(text);
    let mut command = with_hub(address, home);
    if offline {
        command.env("HF_HUB_OFFLINE", "1");
    }
    finish(command.arg("run").arg(path).current_dir(folder.path()), "")
}

#[test]
fn a_script_takes_model_and_dictionary_from_the_hub() {
    let hub = Hub::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    hub.commit_folder("models/tiny/gpt2", &roots("model")[0].join("lm/gpt2"), "");
    hub.commit_folder(
        "models/tiny/saes",
        &roots("sae")[0].join("sae_pretrained/relu"),
        "layer-1/",
    );
    let text = r#"
        let model = LanguageModel(LanguageModelConfig(#{ model_name: "tiny/gpt2" }));
        let sae = SparseAutoEncoder::from_pretrained("tiny/saes:layer-1");
        print(`${model.cfg.n_layers} layers, ${sae.d_sae} latents`);
    "#;
    let ran = run(text, &hub.address, home.path(), false).ended_with(0);
    assert!(ran.out.contains("3 layers, "), "{}", ran.out);
    let again = run(text, "http://127.0.0.1:9", home.path(), true).ended_with(0);
    assert_eq!(again.out, ran.out, "without the hub");
}

#[test]
fn an_error_of_the_hub_stands_where_the_script_asked() {
    let hub = Hub::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    hub.commit("models/tiny/gated", &[("config.json", b"{}")]);
    hub.gate("models/tiny/gated", "hf_special");
    let text = "let name = \"tiny/gated\";\nlet model = LanguageModel(LanguageModelConfig(#{ model_name: name }));\n";
    let ran = run(text, &hub.address, home.path(), false).ended_with(2);
    assert!(
        ran.err.contains("gated") && ran.err.contains("script.rhai:2"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("has no access yet"), "{}", ran.err);
    let text = "let sae = SparseAutoEncoder::from_pretrained(\"tiny/nothing:x\");\n";
    let ran = run(text, &hub.address, home.path(), false).ended_with(2);
    assert!(
        ran.err.contains("tiny/nothing") && ran.err.contains("script.rhai:1"),
        "{}",
        ran.err
    );
}

#[test]
fn two_programs_at_once_fetch_a_file_once() {
    let hub = Hub::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    hub.commit_folder(
        "models/tiny/saes",
        &roots("sae")[0].join("sae_pretrained/relu"),
        "",
    );
    hub.break_next("sae_weights.safetensors", Fault::Slow(1_500));
    let (_folder, path) = script("print(SparseAutoEncoder::from_pretrained(\"tiny/saes\").d_sae);");
    let start = || {
        let mut command = with_hub(&hub.address, home.path());
        command
            .arg("run")
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    };
    for child in [start(), start()] {
        let output = child.wait_with_output().expect("the program ends");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "192",
            "{output:?}"
        );
    }
    let sent = hub.take_requests();
    let sent = sent
        .iter()
        .filter(|request| request.server == "cdn" && request.method == "GET");
    assert_eq!(sent.count(), 1);
}

#[test]
fn a_data_set_comes_file_by_file() {
    let hub = Hub::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    let lines = b"{\"text\": \"one two\"}\n{\"text\": \"three\"}\n";
    let files: &[(&str, &[u8])] = &[
        ("README.md", b"---\nlicense: mit\n---\nabout"),
        ("data/train-00000-of-00002.jsonl", lines),
        ("data/train-00001-of-00002.jsonl", b"{\"text\": \"four\"}\n"),
        ("data/test-00000-of-00001.jsonl", b"{\"text\": \"other\"}\n"),
    ];
    hub.commit("datasets/tiny/texts", files);
    let text = r#"
        let data = datasets::load_dataset("tiny/texts", #{ split: "train" });
        print(data[0].text);
        print(data.len());
        for record in data { print(record.text); }
    "#;
    let ran = run(text, &hub.address, home.path(), false).ended_with(0);
    assert_eq!(ran.out, "one two\n3\none two\nthree\nfour\n");
    assert!(
        hub.take_requests()
            .iter()
            .all(|request| !request.path.contains("test-00000"))
    );
    let again = run(text, "http://127.0.0.1:9", home.path(), true).ended_with(0);
    assert_eq!(again.out, ran.out, "without the hub");
    // Only the first file is fetched before it is needed.
    let other = tempfile::tempdir().expect("a temporary folder");
    let first = "print(datasets::load_dataset(\"tiny/texts\").column_names);";
    run(first, &hub.address, other.path(), false).ended_with(0);
    assert!(
        hub.take_requests()
            .iter()
            .all(|request| !request.path.contains("train-00001"))
    );
    // A part of the files in the cache, with no list of them all, is not taken for the whole.
    let files_listed = other.path().join("hub/datasets--tiny--texts/.files");
    std::fs::remove_dir_all(files_listed).expect("removed");
    let ran = run(text, "http://127.0.0.1:9", other.path(), true).ended_with(2);
    assert!(
        ran.err.contains("only 1 of the 2 files") && ran.err.contains("script.rhai:2"),
        "{}",
        ran.err
    );
    let ran = run(
        "datasets::load_dataset(\"tiny/nothing\");",
        &hub.address,
        home.path(),
        false,
    )
    .ended_with(2);
    assert!(ran.err.contains("looked for on the hub"), "{}", ran.err);
}
