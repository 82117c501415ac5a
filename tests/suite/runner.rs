//! Runs from configuration files: trained, evaluated, killed and gone on with, and what is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use saescript::config::{Document, Value};
use saescript::error::Error;
use saescript::event::RunContext;
use saescript::runner::{TrainOptions, TrainSAESettings, rehearse_training, train_sae};
use saescript::train::list_checkpoints;

/// Texts made of a few words.
fn write_corpus(folder: &Path) {
    let words = [
        "the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "birds", "near", "old", "trees",
    ];
    let texts: String = (0..400usize)
        .map(|line| {
            let text: Vec<&str> = (0..24)
                .map(|at| words[(line * 7 + at * at * 3 + line * at) % words.len()])
                .collect();
            format!("{}\n", serde_json::json!({"text": text.join(" ")}))
        })
        .collect();
    std::fs::write(folder.join("corpus.jsonl"), texts).expect("written");
}

/// A configuration over the tiny model of the fixtures and a corpus made here.
pub fn write_config(folder: &Path) -> PathBuf {
    write_corpus(folder);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/lm/neox_parallel");
    let config = format!(
        r#"sae_name = "tiny"
sae_series = "tests"
model_name = "tiny"
device_type = "cpu"

[sae]
sae_type = "sae"
hook_point_in = "blocks.1.hook_resid_post"
hook_point_out = "blocks.1.hook_resid_post"
d_model = 48
expansion_factor = 4
act_fn = "topk"
top_k = 6
dtype = "torch.float32"
device = "cpu"

[initializer]
grid_search_init_norm = true

[trainer]
amp_dtype = "torch.float32"
lr = 0.001
total_training_tokens = 6_400
lr_warm_up_steps = 0.1
log_frequency = 10
check_point_save_mode = "linear"
exp_result_path = {results:?}

[model]
model_name = {model:?}
device = "cpu"
dtype = "torch.float32"

[datasets."corpus"]
dataset_name_or_path = {corpus:?}

[activation_factory]
target = "activations-1d"
hook_points = ["blocks.1.hook_resid_post"]
batch_size = 64
buffer_size = 512
context_size = 32

[[activation_factory.sources]]
type = "dataset"
name = "corpus"
"#,
        results = folder.join("results"),
        corpus = folder.join("corpus.jsonl"),
    );
    let path = folder.join("train.toml");
    std::fs::write(&path, config).expect("written");
    path
}

fn settings(path: &Path, changes: &[&str]) -> Result<TrainSAESettings, Error> {
    let mut document = Document::read(path).expect("a configuration");
    for change in changes {
        document.set(change).expect("a change");
    }
    document.build()
}

fn saescript(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saescript"));
    command
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn results(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name| std::fs::read(folder.join("results").join(name)).expect("a result");
    (read("sae_weights.safetensors"), read("metrics.jsonl"))
}

#[test]
fn a_run_is_trained_evaluated_and_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_config(folder.path());
    let changes = ["eval=true", "trainer.eval_frequency=50", "tensorboard=true"];
    let settings = settings(&path, &changes).expect("valid");
    let report = train_sae(&settings, &TrainOptions::default(), &RunContext::default()).expect("trained");
    assert_eq!(report.steps, 100);
    let results = folder.path().join("results");
    for file in [
        "config.json",
        "sae_weights.safetensors",
        "lm_config.json",
        "settings.toml",
        "run.json",
    ] {
        assert!(results.join(file).is_file(), "{file}");
    }
    assert_eq!(
        std::fs::read_dir(results.join("tensorboard"))
            .expect("a folder")
            .count(),
        1
    );
    let config: Value =
        serde_json::from_slice(&std::fs::read(results.join("config.json")).expect("read")).expect("JSON");
    assert_eq!(config["norm_activation"], "inference", "the norms are folded");
    let metrics = std::fs::read_to_string(results.join("metrics.jsonl")).expect("read");
    let evaluations: Vec<&str> = metrics
        .lines()
        .filter(|line| line.contains("cross_entropy_recovered"))
        .collect();
    assert_eq!(evaluations.len(), 2, "at steps 50 and 100");
    // The settings that were written say the same run again.
    let again = Document::read(&results.join("settings.toml"))
        .and_then(|document| document.build::<TrainSAESettings>());
    assert_eq!(again.expect("valid").trainer, settings.trainer);
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let (whole, cut) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let path = write_config(whole.path());
    assert!(
        saescript(&["train", path.to_str().expect("text")])
            .status()
            .expect("run")
            .success()
    );
    let path = write_config(cut.path());
    let path = path.to_str().expect("text");
    let mut child = saescript(&["train", path]).spawn().expect("started");
    // As soon as there is something to go on from, in the middle of whatever it does then.
    for _ in 0..6000 {
        let saved = list_checkpoints(&cut.path().join("results")).len();
        if saved >= 2 || child.try_wait().expect("alive").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(
        saescript(&["train", path, "--resume"])
            .status()
            .expect("run")
            .success()
    );
    let (whole, cut) = (results(whole.path()), results(cut.path()));
    assert!(whole.0 == cut.0, "the weights differ");
    assert_eq!(String::from_utf8_lossy(&whole.1), String::from_utf8_lossy(&cut.1));
}

#[test]
fn a_rehearsal_says_what_the_run_costs_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_config(folder.path());
    let wanted = settings(&path, &[]).expect("valid");
    let forecast = rehearse_training(&wanted, &TrainOptions::default(), &RunContext::default())
        .expect("nothing is refused")
        .expect("there are steps to do");
    assert_eq!(
        (forecast.steps, forecast.parameters),
        (100, 2 * 48 * 192 + 192 + 48)
    );
    let stream = forecast.stream;
    // A buffer of 512 rows: 48 float32, an id of 8 bytes and two masks of 4.
    assert!(stream.batches >= 512 * (48 * 4 + 16), "{stream:?}");
    assert!(stream.model > 0 && stream.pass > 0, "{stream:?}");
    let more =
        ["activation_factory.hook_points=[\"blocks.0.hook_resid_post\", \"blocks.1.hook_resid_post\"]"];
    let wanted = settings(&path, &more).expect("valid");
    let two = rehearse_training(&wanted, &TrainOptions::default(), &RunContext::default())
        .expect("nothing is refused")
        .expect("there are steps to do")
        .stream;
    // A pass of 32 tokens keeps 48 float32 of each at the second hook point, the buffer and the batches rows.
    assert_eq!(two.pass - stream.pass, 32 * 48 * 4, "{two:?}");
    assert!(two.batches >= stream.batches + 512 * 48 * 4, "{two:?}");
    let parts = forecast.weights + forecast.gradients + forecast.moments + forecast.step_buffers;
    assert_eq!(forecast.memory(), parts + stream.total());
    let said = forecast.to_string();
    for part in ["model ", "forward pass ", "batches "] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!folder.path().join("results").exists());
}

#[test]
fn settings_that_do_not_fit_together_are_refused_with_their_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_config(folder.path());
    for (change, key, expected) in [
        ("sae.act_fm=\"relu\"", "sae.act_fm", "did you mean `act_fn`?"),
        ("sae.top_k=1000", "sae.top_k", "the dictionary has 192 latents"),
        (
            "sae.hook_point_in=\"blocks.0.hook_resid_post\"",
            "activation_factory.hook_points",
            "does not make",
        ),
        ("trainer.lr=\"fast\"", "trainer.lr", "expected a number"),
        (
            "activation_factory.target=\"tokens\"",
            "activation_factory.target",
            "learns from activations",
        ),
        ("data_parallel_size=2", "data_parallel_size", "one process"),
    ] {
        let error = settings(&path, &[change])
            .err()
            .unwrap_or_else(|| panic!("{change} was accepted"));
        assert_eq!(error.key_path(), key, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.place().is_some(), "{change} has a place");
    }
    let renamed = std::fs::read_to_string(&path)
        .expect("read")
        .replace("[datasets.\"corpus\"]", "[datasets.\"corpse\"]");
    std::fs::write(&path, renamed).expect("written");
    let error = settings(&path, &[]).expect_err("refused");
    assert_eq!(error.key_path(), "activation_factory.sources[0].name");
    assert!(error.to_string().contains("did you mean `corpse`?"), "{error}");
}
