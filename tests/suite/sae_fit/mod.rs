//! Whole trainings: what is written, what is refused, and that a stopped run goes on as if it had never stopped.

mod checkpoints;
mod counting;
mod going_on;
mod refusals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use saescript::activations::{Batch, BatchStream};
use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, SAEConfig, SparseAutoEncoder};
use saescript::error::{Error, Fault, Result};
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::tensor::{Device, Kind, Tensor};
use saescript::train::{FitOptions, FitOutcome, Lane, Run, TrainerConfig, fit_all, list_checkpoints};
use serde_json::json;

const HOOK: &str = "blocks.0.hook_resid_post";

/// Batches of a fixed mixture of sparse directions; resumable by its counter.
pub struct Synthetic {
    next: u64,
    end: u64,
    rows: i64,
    /// Batch that holds a NaN.
    poisoned: Option<u64>,
}

impl Synthetic {
    pub fn new(end: u64) -> Self {
        Self {
            next: 0,
            end,
            rows: 32,
            poisoned: None,
        }
    }
}

impl BatchStream for Synthetic {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.next == self.end {
            return Ok(None);
        }
        let cells = self.rows * 16;
        let places = Tensor::arange(cells, (Kind::Double, Device::Cpu)) + (self.next * cells as u64) as f64;
        let mut x = ((places * 12.9898).sin() * 43758.5453)
            .frac()
            .view([self.rows, 16])
            .to_kind(Kind::Float);
        if self.poisoned == Some(self.next) {
            x *= f64::NAN;
        }
        self.next += 1;
        Ok(Some(Batch {
            activations: [(HOOK.to_string(), x)].into(),
            ..Batch::default()
        }))
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn save_state(&mut self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("synthetic"), self.next.to_string())
            .map_err(|error| Error::io("write", folder, error))
    }

    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        let text = std::fs::read_to_string(folder.join("synthetic")).expect("the state");
        self.next = text.parse().expect("a number");
        Ok(())
    }
}

pub fn dictionary(more: Value) -> SparseAutoEncoder {
    let mut cfg = json!({"hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 16, "expansion_factor": 4, "top_k": 4});
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    let mut sae = SparseAutoEncoder::new(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary");
    // Fixed weights, so that tests may run side by side.
    let weights = (Tensor::arange(64 * 16, (Kind::Double, Device::Cpu)) * 0.7)
        .sin()
        .view([64, 16]);
    sae.set_parameter("W_D", &weights).expect("set");
    sae.set_parameter("W_E", &weights.transpose(0, 1)).expect("set");
    sae
}

pub fn run(folder: &Path, more: Value) -> Run {
    let mut cfg = json!({
        "total_training_tokens": 32 * 40, "lr_warm_up_steps": 5, "lr": 0.01, "log_frequency": 7, "n_checkpoints": 5,
        "amp_dtype": "float32", "exp_result_path": folder,
    });
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    Run::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a run")
}

pub fn fit(run: &mut Run, sae: &mut SparseAutoEncoder, stream: &mut Synthetic) -> Result<FitOutcome> {
    run.fit(sae, stream, &RunContext::default(), FitOptions::default())
}

pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn weights(sae: &SparseAutoEncoder) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    sae.save(folder.path()).expect("saved");
    bytes(folder.path().join("sae_weights.safetensors"))
}

/// One run without a stop: its weights and metrics.
fn uninterrupted(sae_cfg: &Value, cfg: &Value) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut run) = (dictionary(sae_cfg.clone()), run(folder.path(), cfg.clone()));
    set_thresholds(&mut sae);
    fit(&mut run, &mut sae, &mut Synthetic::new(100)).expect("trained");
    (weights(&sae), bytes(folder.path().join("metrics.jsonl")))
}

fn set_thresholds(sae: &mut SparseAutoEncoder) {
    if sae.parameter(LOG_THRESHOLD).is_ok() {
        let filled = Tensor::full([64], -2.0, (Kind::Float, Device::Cpu));
        sae.set_parameter(LOG_THRESHOLD, &filled).expect("set");
    }
}

/// Asks to stop after so many steps.
struct StopAfter(u64);

impl Observer for StopAfter {
    fn on(&mut self, event: &Event) -> Result<Control> {
        match event {
            Event::TaskAdvanced { done, .. } if *done == self.0 => Ok(Control::Stop),
            _ => Ok(Control::Continue),
        }
    }
}

#[test]
fn a_run_leaves_its_settings_facts_metrics_and_checkpoints() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut run) = (dictionary(json!({})), run(folder.path(), json!({})));
    let outcome = fit(&mut run, &mut sae, &mut Synthetic::new(100)).expect("trained");
    assert_eq!(outcome, FitOutcome::Finished);
    let lines = String::from_utf8(bytes(folder.path().join("metrics.jsonl"))).expect("text");
    let logged: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let steps: Vec<u64> = logged
        .iter()
        .map(|line| line["step"].as_u64().expect("a step"))
        .collect();
    assert_eq!(steps, [7, 14, 21, 28, 35, 40], "every 7th step, and the last");
    let (first, last) = (&logged[0], &logged[5]);
    assert!(
        last["losses/mse_loss"].as_f64() < first["losses/mse_loss"].as_f64(),
        "{first} {last}"
    );
    assert_eq!(
        run.trainer
            .metrics()
            .iter()
            .find(|(name, _)| name == "metrics/l0")
            .map(|(_, l0)| *l0),
        last["metrics/l0"].as_f64()
    );
    let settings = saescript::config::Document::read(&folder.path().join("settings.toml")).expect("TOML");
    let again: TrainerConfig = from_value(settings.value()["trainer"].clone()).expect("valid");
    assert_eq!(again, *run.trainer.cfg);
    let facts: Value = serde_json::from_slice(&bytes(folder.path().join("run.json"))).expect("JSON");
    assert_eq!(
        (
            facts["status"].as_str(),
            facts["steps"].as_u64(),
            facts["tokens"].as_u64()
        ),
        (Some("finished"), Some(40), Some(1280))
    );
    let steps: Vec<u64> = list_checkpoints(folder.path())
        .into_iter()
        .map(|(step, _)| step)
        .collect();
    assert_eq!(steps, [3, 5, 10, 20, 40]);
    let entries = std::fs::read_dir(folder.path().join("checkpoints"))
        .expect("a folder")
        .count();
    assert_eq!(entries, 5, "nothing unfinished is left");
}

#[test]
fn norms_are_measured_on_batches_that_are_trained_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut run) = (dictionary(json!({})), run(folder.path(), json!({})));
    assert!(sae.dataset_average_activation_norm().is_empty());
    let mut stream = Synthetic::new(40);
    assert_eq!(
        fit(&mut run, &mut sae, &mut stream).expect("trained"),
        FitOutcome::Finished
    );
    assert_eq!(
        (stream.next, run.trainer.steps_done()),
        (40, 40),
        "every batch once"
    );
    assert!(sae.dataset_norm(HOOK).expect("measured") > 1.0);
}

#[test]
fn a_stream_that_ends_early_is_remarked_and_closed_properly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut run) = (dictionary(json!({})), run(folder.path(), json!({})));
    let outcome = fit(&mut run, &mut sae, &mut Synthetic::new(17)).expect("trained");
    assert_eq!(outcome, FitOutcome::StreamEnded);
    let facts: Value = serde_json::from_slice(&bytes(folder.path().join("run.json"))).expect("JSON");
    assert_eq!(facts["steps"], 17);
    assert_eq!(
        list_checkpoints(folder.path()).last().map(|(step, _)| *step),
        Some(17)
    );
    let lines = String::from_utf8(bytes(folder.path().join("metrics.jsonl"))).expect("text");
    assert!(
        lines.lines().last().expect("a line").starts_with("{\"step\":17,"),
        "{lines}"
    );
}

#[test]
fn several_dictionaries_learn_from_one_stream_as_they_would_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = [
        (json!({}), json!({})),
        (json!({"act_fn": "topk"}), json!({"lr": 0.003})),
    ];
    let mut saes: Vec<SparseAutoEncoder> = settings.iter().map(|(sae, _)| dictionary(sae.clone())).collect();
    let folders: Vec<PathBuf> = (0..2)
        .map(|index| folder.path().join(index.to_string()))
        .collect();
    let mut runs: Vec<Run> = settings
        .iter()
        .zip(&folders)
        .map(|((_, cfg), folder)| run(folder, cfg.clone()))
        .collect();
    let mut lanes: Vec<Lane<'_>> = runs
        .iter_mut()
        .zip(&mut saes)
        .map(|(run, sae)| Lane::new(run, sae, FitOptions::default()))
        .collect();
    let mut stream = Synthetic::new(100);
    assert_eq!(
        fit_all(&mut lanes, &mut stream, &RunContext::default()).expect("trained"),
        FitOutcome::Finished
    );
    drop(lanes);
    assert_eq!(stream.next, 40, "one pass for both");
    for ((settings, sae), folder) in settings.iter().zip(&saes).zip(&folders) {
        let alone = uninterrupted(&settings.0, &settings.1);
        assert_eq!((weights(sae), bytes(folder.join("metrics.jsonl"))), alone);
    }
}

fn attempt(folder: &Path, sae_cfg: &Value, cfg: &Value) -> Result<FitOutcome> {
    let mut full = json!({"hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 16, "expansion_factor": 4, "top_k": 4});
    let mut trainer_cfg = json!({
        "total_training_tokens": 32 * 40, "lr_warm_up_steps": 5, "exp_result_path": folder, "amp_dtype": null,
    });
    for (target, more) in [(&mut full, sae_cfg), (&mut trainer_cfg, cfg)] {
        for (key, value) in more.as_object().expect("a table") {
            target[key] = value.clone();
        }
    }
    let mut sae = SparseAutoEncoder::new(from_value::<SAEConfig>(full)?)?;
    let mut run = Run::new(from_value::<TrainerConfig>(trainer_cfg)?)?;
    fit(&mut run, &mut sae, &mut Synthetic::new(100))
}

#[test]
fn mixed_precision_rounds_products_only() {
    let trained = |amp: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut sae, mut run) = (
            dictionary(json!({})),
            run(
                folder.path(),
                json!({"amp_dtype": amp, "step_engine": "autograd"}),
            ),
        );
        fit(&mut run, &mut sae, &mut Synthetic::new(100)).expect("trained");
        assert_eq!(sae.kind(), Kind::Float, "parameters keep their format");
        let metrics: BTreeMap<String, f64> = run.trainer.metrics().iter().cloned().collect();
        metrics["losses/mse_loss"]
    };
    let (full, half) = (trained("float32"), trained("bfloat16"));
    assert_ne!(full, half);
    assert!((half / full - 1.0).abs() < 0.05, "{half} against {full}");
}
