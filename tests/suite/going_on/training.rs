//! Trainings: interrupted, and gone on with as something else.

use std::path::{Path, PathBuf};

use saescript::config::{Document, Value};
use saescript::dictionary::{LoadOptions, SparseAutoEncoder};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::fingerprint::Fingerprint;
use saescript::lock::FolderLock;
use saescript::runner::{TrainOptions, TrainReport, TrainSAESettings, train_sae};
use saescript::train::list_checkpoints;

use super::{allowing, change, change_last, copy_model, corpus, stopping};
use crate::program::run;
use crate::runner::write_config;

/// A folder with `train.toml`, whose model and corpus may be changed.
pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path());
    copy_model(&folder.path().join("model"));
    std::fs::write(folder.path().join("corpus.jsonl"), corpus()).expect("written");
    folder
}

pub(super) fn settings(folder: &Path, changes: &[&str]) -> TrainSAESettings {
    let mut document = Document::read(&folder.join("train.toml")).expect("a configuration");
    let model = folder.join("model").display().to_string();
    document
        .set(&format!("model.model_name={model:?}"))
        .expect("a place");
    for change in changes {
        document.set(change).expect("a change");
    }
    document.build().expect("valid")
}

fn train(folder: &Path, changes: &[&str], allowed: &[&str], resume: bool) -> Result<TrainReport> {
    let options = TrainOptions {
        resume,
        allow_change: allowing(allowed),
        ..TrainOptions::default()
    };
    train_sae(&settings(folder, changes), &options, &RunContext::default())
}

fn resume(folder: &Path, changes: &[&str], allowed: &[&str]) -> Result<TrainReport> {
    train(folder, changes, allowed, true)
}

/// A training that was stopped after 30 of 100 steps.
pub(super) fn begun(changes: &[&str]) -> tempfile::TempDir {
    let folder = folder();
    let settings = settings(folder.path(), changes);
    let report = train_sae(&settings, &TrainOptions::default(), &stopping("training", 30)).expect("stopped");
    assert_eq!(report.steps, 30);
    folder
}

pub(super) fn results(folder: &Path) -> (Vec<u8>, String) {
    let read = |name| std::fs::read(folder.join("results").join(name)).expect("a result");
    let metrics = String::from_utf8(read("metrics.jsonl")).expect("text");
    (read("sae_weights.safetensors"), metrics)
}

fn newest(folder: &Path) -> PathBuf {
    list_checkpoints(&folder.join("results"))
        .pop()
        .expect("a checkpoint")
        .1
}

/// Settings and what they are called when they differ.
const CHANGES: &[(&str, &str)] = &[
    ("sae.top_k=8", "sae.top_k"),
    ("sae.act_fn=\"batchtopk\"", "sae.act_fn"),
    ("sae.d_model=24", "sae.d_model"),
    ("sae.expansion_factor=2", "sae.d_sae"),
    ("sae.norm_activation=\"token-wise\"", "sae.norm_activation"),
    ("sae.use_decoder_bias=false", "sae.use_decoder_bias"),
    ("sae.dtype=\"float64\"", "sae.dtype"),
    ("initializer.seed=3", "initializer.seed"),
    (
        "initializer.grid_search_init_norm=false",
        "initializer.grid_search_init_norm",
    ),
    ("trainer.lr=0.002", "trainer.lr"),
    ("trainer.l1_coefficient=0.5", "trainer.l1_coefficient"),
    ("trainer.betas=[0.8, 0.999]", "trainer.betas"),
    ("trainer.amp_dtype=\"bfloat16\"", "trainer.amp_dtype"),
    ("trainer.clip_grad_norm=1", "trainer.clip_grad_norm"),
    ("trainer.lr_warm_up_steps=7", "trainer.lr_warm_up_steps"),
    (
        "trainer.optimizer_class=\"sparseadam\"",
        "trainer.optimizer_class",
    ),
    (
        "activation_factory.batch_size=32",
        "activation_factory.batch_size",
    ),
    (
        "activation_factory.buffer_size=256",
        "activation_factory.buffer_size",
    ),
    (
        "activation_factory.buffer_shuffle.perm_seed=7",
        "activation_factory.buffer_shuffle.perm_seed",
    ),
    (
        "activation_factory.context_size=16",
        "activation_factory.context_size",
    ),
    (
        "activation_factory.sources[0].prepend_bos=false",
        "activation_factory.sources[0].prepend_bos",
    ),
    ("model.dtype=\"bfloat16\"", "model.dtype"),
    ("model.backend=\"huggingface\"", "model.backend"),
    ("datasets.corpus.split=\"train[:300]\"", "datasets.corpus.split"),
    (
        "datasets.corpus.text_column=\"title\"",
        "datasets.corpus.text_column",
    ),
    (
        "datasets.corpus.on_bad_record=\"skip\"",
        "datasets.corpus.on_bad_record",
    ),
    (
        "activation_factory.sources[0].passes=\"unlimited\"",
        "activation_factory.sources[0].passes",
    ),
];

#[test]
fn every_setting_that_decides_numbers_is_compared() {
    let folder = begun(&[]);
    let folder = folder.path();
    let before = std::fs::read(folder.join("results/settings.toml")).expect("settings");
    for (change, name) in CHANGES {
        let error = resume(folder, &[change], &[]).expect_err(change);
        let text = error.to_string();
        assert!(text.contains(&format!("`{name}` was ")), "{change}: {text}");
        assert!(
            text.contains(&format!("--allow-change {name}")),
            "{change}: {text}"
        );
    }
    let hook = [
        "sae.hook_point_in=\"blocks.0.hook_resid_post\"",
        "sae.hook_point_out=\"blocks.0.hook_resid_post\"",
        "activation_factory.hook_points=[\"blocks.0.hook_resid_post\"]",
    ];
    let error = resume(folder, &hook, &[])
        .expect_err("another hook point")
        .to_string();
    for name in [
        "sae.hook_point_in",
        "sae.hook_point_out",
        "activation_factory.hook_points",
    ] {
        assert!(error.contains(&format!("`{name}` was ")), "{error}");
    }
    assert_eq!(
        before,
        std::fs::read(folder.join("results/settings.toml")).expect("settings")
    );
}

#[test]
fn every_file_that_decides_numbers_is_compared() {
    let folder = begun(&[]);
    let folder = folder.path();
    type Edit<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Edit, &str); 3] = [
        ("model/model.safetensors", &change_last, "model.weights"),
        (
            "model/tokenizer.json",
            &|path| change(path, b'\n', b' '),
            "model.tokenizer",
        ),
        (
            "corpus.jsonl",
            &|path| change(path, b'a', b'o'),
            "datasets.corpus.files",
        ),
    ];
    for (name, damage, key) in cases {
        let path = folder.join(name);
        let kept = std::fs::read(&path).expect("a file");
        damage(&path);
        let error = resume(folder, &[], &[]).expect_err(name).to_string();
        assert!(error.contains(&format!("`{key}` was \"")), "{name}: {error}");
        std::fs::write(&path, kept).expect("as it was");
    }
    let report = resume(folder, &[], &[]).expect("the same contents");
    assert_eq!(report.steps, 100);
}

#[test]
fn what_decides_no_numbers_is_free_and_the_bytes_are_the_same() {
    let whole = folder();
    // In one process, unlike in two, random numbers go on where the training before left them.
    let seed = "initializer.seed=3";
    train(whole.path(), &[seed], &[], false).expect("trained");
    let (weights, _) = results(whole.path());
    // Batches that were ready when the training stopped are trained on, whoever makes the next ones.
    for (before, after) in [
        ("activation_factory.prefetch=2", "activation_factory.prefetch=0"),
        ("activation_factory.prefetch=0", "activation_factory.prefetch=3"),
    ] {
        let cut = begun(&[seed, before]);
        let free = [
            seed,
            after,
            "trainer.log_frequency=7",
            "trainer.eval_frequency=50",
            "trainer.n_checkpoints=2",
            "trainer.keep_last_checkpoints=3",
            "trainer.check_point_save_mode=\"log\"",
            "activation_factory.num_workers=1",
            "activation_factory.buffer_shuffle={}",
            "model.backend=\"transformer_lens\"",
            "model.device=\"auto\"",
            "sae.device=\"auto\"",
            "sae_name=\"other\"",
            "tensorboard=true",
        ];
        resume(cut.path(), &free, &[]).expect("trained");
        assert!(results(cut.path()).0 == weights, "{after}: the weights differ");
    }
    // As may the folder.
    let moved = begun(&[seed]);
    let elsewhere = moved.path().join("elsewhere");
    std::fs::rename(moved.path().join("results"), &elsewhere).expect("moved");
    let place = format!("trainer.exp_result_path={:?}", elsewhere.display().to_string());
    resume(moved.path(), &[seed, &place], &[]).expect("trained");
    assert!(std::fs::read(elsewhere.join("sae_weights.safetensors")).expect("weights") == weights);
}

#[test]
fn changes_are_allowed_by_name_applied_and_noted() {
    let folder = begun(&[]);
    let folder = folder.path();
    let changes = ["sae.top_k=8", "trainer.lr=0.002"];
    let error = resume(folder, &changes, &["trainer.lr"]).expect_err("one is not allowed");
    assert!(!error.message().contains("trainer.lr"), "{error}");
    resume(folder, &changes, &["trainer.lr", "sae.top_k"]).expect("both are");
    let run: Value = serde_json::from_slice(&std::fs::read(folder.join("results/run.json")).expect("facts"))
        .expect("JSON");
    assert_eq!(
        run["allowed_changes"],
        serde_json::json!([
            {"key": "sae.top_k", "was": 6, "is": 8, "from_step": 30},
            {"key": "trainer.lr", "was": 0.001, "is": 0.002, "from_step": 30},
        ])
    );
    let sae =
        SparseAutoEncoder::from_pretrained(folder.join("results"), &LoadOptions::default()).expect("trained");
    assert_eq!(sae.cfg.top_k, 8);
    let (_, metrics) = results(folder);
    assert!(
        metrics.lines().last().expect("a line").contains("\"step\":100"),
        "{metrics}"
    );
    let is = Fingerprint::read(&newest(folder))
        .expect("readable")
        .expect("there");
    assert_eq!(is.get("trainer.lr"), Some(&Value::from(0.002)));
    for (name, near) in [("trainer.lrr", "trainer.lr"), ("sae.topk", "sae.top_k")] {
        let error = resume(folder, &changes, &[name])
            .expect_err("no such name")
            .to_string();
        assert!(error.contains(&format!("did you mean `{near}`?")), "{error}");
    }
}

#[test]
fn a_longer_training_may_go_on_and_says_what_it_stretches() {
    let folder = begun(&[]);
    let config = folder.path().join("train.toml");
    let model = format!(
        "model.model_name={:?}",
        folder.path().join("model").display().to_string()
    );
    let ran = run([
        "train",
        config.to_str().expect("text"),
        "--resume",
        "--set",
        &model,
        "--set",
        "trainer.total_training_tokens=9_600",
    ]);
    let ran = ran.ended_with(0);
    assert!(
        ran.err.contains("planned for 150 steps, which were 100"),
        "{}",
        ran.err
    );
}

#[test]
fn the_program_lists_what_differs() {
    let folder = begun(&[]);
    let config = folder.path().join("train.toml");
    let model = format!(
        "model.model_name={:?}",
        folder.path().join("model").display().to_string()
    );
    let ran = run([
        "train",
        config.to_str().expect("text"),
        "--resume",
        "--set",
        &model,
        "--set",
        "sae.top_k=8",
        "--set",
        "trainer.lr=0.002",
    ]);
    let text = ran
        .ended_with(2)
        .err
        .replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(text);
}

#[test]
fn a_folder_in_use_is_refused_and_can_be_read() {
    let folder = begun(&[]);
    let folder = folder.path();
    let held = FolderLock::take(&folder.join("results"), "training", &RunContext::default());
    for resumed in [false, true] {
        let error = train(folder, &[], &[], resumed).expect_err("in use").to_string();
        assert!(error.contains("is in use: process "), "{error}");
    }
    SparseAutoEncoder::from_pretrained(newest(folder), &LoadOptions::default()).expect("can be read");
    drop(held);
    for resumed in [true, false, false] {
        train(folder, &[], &[], resumed).expect("one after the other");
    }
    assert!(!folder.join("results/.lock").exists());
}

#[test]
fn a_new_run_mixes_with_nothing_of_an_earlier_one() {
    let folder = folder();
    let folder = folder.path();
    train(folder, &[], &[], false).expect("trained");
    let (weights, metrics) = results(folder);
    let settings = settings(folder, &["sae.top_k=8"]);
    train_sae(&settings, &TrainOptions::default(), &stopping("training", 30)).expect("stopped");
    let result = |name: &str| folder.join("results").join(name);
    for name in ["sae_weights.safetensors", "lm_config.json"] {
        assert!(!result(name).exists(), "{name} is not of this run");
    }
    assert!(std::fs::read(result("sae_weights.safetensors.previous")).expect("kept") == weights);
    assert_eq!(
        std::fs::read_to_string(result("metrics.jsonl.previous")).expect("kept"),
        metrics
    );
    assert!(result("checkpoints.previous").is_dir());
    // A training that goes on is not finished, whatever it was before.
    resume(folder, &["sae.top_k=8"], &[]).expect("trained");
    let longer = self::settings(folder, &["sae.top_k=8", "trainer.total_training_tokens=9_600"]);
    let options = TrainOptions {
        resume: true,
        ..TrainOptions::default()
    };
    train_sae(&longer, &options, &stopping("training", 120)).expect("stopped");
    assert!(!result("sae_weights.safetensors").exists());
}

#[test]
fn a_checkpoint_that_does_not_say_what_decided_it_is_not_gone_on_from() {
    let folder = begun(&[]);
    for name in ["fingerprint.json", "checksums.json"] {
        std::fs::remove_file(newest(folder.path()).join(name)).expect("removed");
    }
    let error = resume(folder.path(), &[], &[]).expect_err("refused").to_string();
    assert!(error.contains("by an earlier version"), "{error}");
}
