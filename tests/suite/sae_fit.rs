//! Whole trainings: what is written, what is refused, and that a stopped run goes on as if it had never stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use saescript::activations::{Batch, BatchStream};
use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, SAEConfig, SparseAutoEncoder};
use saescript::error::{Error, Fault, Result};
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::tensor::{Device, Kind, Tensor};
use saescript::train::{FitOptions, FitOutcome, Lane, Trainer, TrainerConfig, fit_all, list_checkpoints};
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

pub fn trainer(folder: &Path, more: Value) -> Trainer {
    let mut cfg = json!({
        "total_training_tokens": 32 * 40, "lr_warm_up_steps": 5, "lr": 0.01, "log_frequency": 7, "n_checkpoints": 5,
        "amp_dtype": "float32", "exp_result_path": folder,
    });
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    Trainer::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a trainer")
}

pub fn fit(trainer: &mut Trainer, sae: &mut SparseAutoEncoder, stream: &mut Synthetic) -> Result<FitOutcome> {
    trainer.fit(sae, stream, &RunContext::default(), FitOptions::default())
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
    let (mut sae, mut trainer) = (dictionary(json!({})), trainer(folder.path(), json!({})));
    let outcome = fit(&mut trainer, &mut sae, &mut Synthetic::new(100)).expect("trained");
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
        trainer
            .metrics()
            .iter()
            .find(|(name, _)| name == "metrics/l0")
            .map(|(_, l0)| *l0),
        last["metrics/l0"].as_f64()
    );
    let settings = saescript::config::Document::read(&folder.path().join("settings.toml")).expect("TOML");
    let again: TrainerConfig = from_value(settings.value()["trainer"].clone()).expect("valid");
    assert_eq!(again, trainer.cfg);
    let run: Value = serde_json::from_slice(&bytes(folder.path().join("run.json"))).expect("JSON");
    assert_eq!(
        (
            run["status"].as_str(),
            run["steps"].as_u64(),
            run["tokens"].as_u64()
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
    let (mut sae, mut trainer) = (dictionary(json!({})), trainer(folder.path(), json!({})));
    assert!(sae.dataset_average_activation_norm().is_empty());
    let mut stream = Synthetic::new(40);
    assert_eq!(
        fit(&mut trainer, &mut sae, &mut stream).expect("trained"),
        FitOutcome::Finished
    );
    assert_eq!((stream.next, trainer.steps_done()), (40, 40), "every batch once");
    assert!(sae.dataset_norm(HOOK).expect("measured") > 1.0);
}

/// One run without a stop: its weights and metrics.
fn uninterrupted(sae_cfg: &Value, cfg: &Value) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut trainer) = (dictionary(sae_cfg.clone()), trainer(folder.path(), cfg.clone()));
    set_thresholds(&mut sae);
    fit(&mut trainer, &mut sae, &mut Synthetic::new(100)).expect("trained");
    (weights(&sae), bytes(folder.path().join("metrics.jsonl")))
}

fn set_thresholds(sae: &mut SparseAutoEncoder) {
    if sae.parameter(LOG_THRESHOLD).is_ok() {
        let filled = Tensor::full([64], -2.0, (Kind::Float, Device::Cpu));
        sae.set_parameter(LOG_THRESHOLD, &filled).expect("set");
    }
}

#[test]
fn the_same_settings_give_the_same_bytes() {
    let cfg = (json!({}), json!({}));
    assert_eq!(uninterrupted(&cfg.0, &cfg.1), uninterrupted(&cfg.0, &cfg.1));
}

#[test]
fn a_run_that_went_on_from_a_checkpoint_is_the_run_that_never_stopped() {
    let cases = [
        (
            json!({}),
            json!({"sparsity_loss_type": "power", "l1_coefficient": 0.01}),
        ),
        (
            json!({"act_fn": "topk"}),
            json!({
                "initial_k": 16, "auxk_coefficient": 0.1, "dead_threshold": 200, "k_aux": 8,
                "feature_sampling_window": 10,
            }),
        ),
        (
            json!({"act_fn": "batchtopk"}),
            json!({"optimizer_class": "sparseadam", "gradient_accumulation_steps": 3, "feature_sampling_window": 3}),
        ),
        (
            json!({"act_fn": "jumprelu"}),
            json!({"sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.01, "lp_coefficient": 0.001, "clip_grad_norm": 0.1}),
        ),
    ];
    for (sae_cfg, cfg) in cases {
        let whole = uninterrupted(&sae_cfg, &cfg);
        // Before the batches of the norm are used up, between logs, at a log, and at a checkpoint of the plan.
        for stop in [2, 9, 14, 20, 39] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut sae = dictionary(sae_cfg.clone());
            set_thresholds(&mut sae);
            let context = RunContext::default();
            context.events.add(Box::new(StopAfter(stop)));
            let outcome = trainer(folder.path(), cfg.clone())
                .fit(
                    &mut sae,
                    &mut Synthetic::new(100),
                    &context,
                    FitOptions::default(),
                )
                .expect("stopped");
            let FitOutcome::Interrupted { checkpoints } = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(
                checkpoints,
                [folder.path().join(format!("checkpoints/step_{stop}"))]
            );
            // A line that the killed process wrote after its last checkpoint.
            let metrics = folder.path().join("metrics.jsonl");
            let mut text = bytes(&metrics);
            text.extend(b"{\"step\": 41, \"los");
            std::fs::write(&metrics, text).expect("written");
            let mut sae = dictionary(sae_cfg.clone());
            let mut resumed = Trainer::from_checkpoint(&mut sae, &checkpoints[0]).expect("loaded");
            assert_eq!(resumed.steps_done(), stop);
            fit(&mut resumed, &mut sae, &mut Synthetic::new(100)).expect("trained");
            let ours = (weights(&sae), bytes(&metrics));
            assert_eq!(ours.1, whole.1, "metrics after a stop at {stop}: {sae_cfg}");
            assert_eq!(ours.0, whole.0, "weights after a stop at {stop}: {sae_cfg}");
        }
    }
}

#[test]
fn an_interrupted_trainer_goes_on_in_the_same_session() {
    let whole = uninterrupted(&json!({}), &json!({}));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut trainer) = (dictionary(json!({})), trainer(folder.path(), json!({})));
    let mut stream = Synthetic::new(100);
    let context = RunContext::default();
    context.events.add(Box::new(StopAfter(3)));
    let outcome = trainer
        .fit(&mut sae, &mut stream, &context, FitOptions::default())
        .expect("stopped");
    assert!(matches!(outcome, FitOutcome::Interrupted { .. }));
    assert_eq!(
        fit(&mut trainer, &mut sae, &mut stream).expect("trained"),
        FitOutcome::Finished
    );
    assert_eq!((weights(&sae), bytes(folder.path().join("metrics.jsonl"))), whole);
    let error = fit(&mut trainer, &mut sae, &mut stream).expect_err("finished");
    assert!(error.to_string().contains("has done all its steps"), "{error}");
}

#[test]
fn a_stream_that_ends_early_is_remarked_and_closed_properly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut trainer) = (dictionary(json!({})), trainer(folder.path(), json!({})));
    let outcome = fit(&mut trainer, &mut sae, &mut Synthetic::new(17)).expect("trained");
    assert_eq!(outcome, FitOutcome::StreamEnded);
    let run: Value = serde_json::from_slice(&bytes(folder.path().join("run.json"))).expect("JSON");
    assert_eq!(run["steps"], 17);
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
    let mut trainers: Vec<Trainer> = settings
        .iter()
        .zip(&folders)
        .map(|((_, cfg), folder)| trainer(folder, cfg.clone()))
        .collect();
    let mut lanes: Vec<Lane<'_>> = trainers
        .iter_mut()
        .zip(&mut saes)
        .map(|(trainer, sae)| Lane::new(trainer, sae, FitOptions::default()))
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

#[test]
fn only_the_newest_and_the_best_checkpoints_are_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cfg = json!({
        "n_checkpoints": 8, "check_point_save_mode": "linear", "keep_last_checkpoints": 2, "keep_best_checkpoints": 1,
        "log_frequency": 1,
    });
    let (mut sae, mut trainer) = (dictionary(json!({})), trainer(folder.path(), cfg));
    fit(&mut trainer, &mut sae, &mut Synthetic::new(100)).expect("trained");
    let steps: Vec<u64> = list_checkpoints(folder.path())
        .into_iter()
        .map(|(step, _)| step)
        .collect();
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!(steps[1..], [35, 40]);
}

#[test]
fn a_new_run_sets_the_checkpoints_of_an_old_one_aside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for tokens in [32 * 40, 32 * 10] {
        let mut sae = dictionary(json!({}));
        let mut trainer = trainer(folder.path(), json!({"total_training_tokens": tokens}));
        fit(&mut trainer, &mut sae, &mut Synthetic::new(100)).expect("trained");
    }
    assert_eq!(
        list_checkpoints(folder.path()).last().map(|(step, _)| *step),
        Some(10)
    );
    assert!(folder.path().join("checkpoints.previous/step_40").exists());
    let lines = |name: &str| {
        String::from_utf8(bytes(folder.path().join(name)))
            .expect("text")
            .lines()
            .count()
    };
    assert_eq!((lines("metrics.jsonl.previous"), lines("metrics.jsonl")), (6, 2));
}

#[test]
fn a_loss_that_is_not_finite_stops_with_a_diagnosis() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut trainer) = (dictionary(json!({})), trainer(folder.path(), json!({})));
    let mut stream = Synthetic::new(100);
    stream.poisoned = Some(24);
    let error = fit(&mut trainer, &mut sae, &mut stream).expect_err("refused");
    assert_eq!(error.fault(), Fault::Run);
    let text = error.to_string();
    assert!(text.contains("not finite at step 25: l_rec = NaN"), "{text}");
    assert!(text.contains("batch_at_step_25.safetensors"), "{text}");
    assert!(
        text.contains("the last good checkpoint is") && text.contains("step_20"),
        "{text}"
    );
    assert!(
        folder
            .path()
            .join("failure/batch_at_step_25.safetensors")
            .exists()
    );
    let sound = sae
        .named_parameters()
        .iter()
        .all(|(_, tensor)| tensor.isfinite().all().int64_value(&[]) == 1);
    assert!(sound, "the weights were not touched");
}

#[test]
fn an_evaluation_that_fails_is_made_up_for() {
    let evaluate = |sound: bool| -> FitOptions<'static> {
        FitOptions {
            eval_fn: Some(Box::new(move |_, step| {
                if sound || step != 20 {
                    Ok(vec![("eval/x".into(), step as f64 / 3.0)])
                } else {
                    Err(Error::run("no luck"))
                }
            })),
            ..FitOptions::default()
        }
    };
    let context = RunContext::default();
    let (whole, cut) = (
        tempfile::tempdir().expect("one"),
        tempfile::tempdir().expect("two"),
    );
    let cfg = json!({"eval_frequency": 10, "n_checkpoints": 0});
    let mut expected = dictionary(json!({}));
    let fitted = trainer(whole.path(), cfg.clone()).fit(
        &mut expected,
        &mut Synthetic::new(100),
        &context,
        evaluate(true),
    );
    fitted.expect("trained");
    let mut sae = dictionary(json!({}));
    let failed = trainer(cut.path(), cfg).fit(&mut sae, &mut Synthetic::new(100), &context, evaluate(false));
    let error = failed.expect_err("no luck");
    let (step, path) = list_checkpoints(cut.path()).pop().expect("a checkpoint");
    assert_eq!(step, 20);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    let mut sae = dictionary(json!({}));
    let mut again = Trainer::from_checkpoint(&mut sae, &path).expect("loaded");
    let fitted = again.fit(&mut sae, &mut Synthetic::new(100), &context, evaluate(true));
    fitted.expect("trained");
    assert!(weights(&sae) == weights(&expected), "the weights differ");
    let metrics = |folder: &Path| String::from_utf8(bytes(folder.join("metrics.jsonl"))).expect("text");
    assert_eq!(metrics(cut.path()), metrics(whole.path()));
}

/// The metrics that were logged under `step`.
fn logged_at(folder: &Path, step: u64) -> BTreeMap<String, f64> {
    let text = String::from_utf8(bytes(folder.join("metrics.jsonl"))).expect("text");
    let mut rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let row = rows.find(|row| row["step"] == step).expect("the step is logged");
    let numbers = row.as_object().expect("a table").iter();
    numbers
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect()
}

#[test]
fn frequencies_do_not_depend_on_how_often_they_are_logged() {
    let sparsity = |log_frequency: u64, window: u64| -> BTreeMap<String, f64> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cfg =
            json!({"log_frequency": log_frequency, "feature_sampling_window": window, "n_checkpoints": 0});
        let (mut sae, mut trainer) = (dictionary(json!({"act_fn": "topk"})), trainer(folder.path(), cfg));
        fit(&mut trainer, &mut sae, &mut Synthetic::new(100)).expect("trained");
        let all = logged_at(folder.path(), 40);
        all.into_iter()
            .filter(|(name, _)| name.starts_with("sparsity/"))
            .collect()
    };
    for (window, tokens) in [(16, 16.0 * 32.0), (1000, 40.0 * 32.0)] {
        let often = sparsity(1, window);
        assert_eq!(often["sparsity/window_tokens"], tokens);
        assert!(often["sparsity/above_1e-2"] > 0.0);
        // A latent that fired on none of so few tokens may yet fire on one in a million.
        assert!(
            !often.keys().any(|name| name.starts_with("sparsity/below_")),
            "{often:?}"
        );
        assert_eq!(often, sparsity(10, window));
        assert_eq!(often, sparsity(1000, window));
    }
}

#[test]
fn rare_latents_are_counted_once_there_are_tokens_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cfg = json!({
        "total_training_tokens": 3000 * 40, "log_frequency": 20, "n_checkpoints": 0, "dead_threshold": 120_000,
    });
    let (mut sae, mut trainer) = (
        dictionary(json!({"act_fn": "topk", "top_k": 1})),
        trainer(folder.path(), cfg),
    );
    let mut stream = Synthetic::new(100);
    stream.rows = 3000;
    fit(&mut trainer, &mut sae, &mut stream).expect("trained");
    let (half, whole) = (logged_at(folder.path(), 20), logged_at(folder.path(), 40));
    assert!(!half.contains_key("sparsity/below_1e-5"), "{half:?}");
    assert_eq!(whole["sparsity/window_tokens"], 120_000.0);
    // One in 120,000 resolves one in 100,000, and not one in a million.
    assert!(whole.contains_key("sparsity/below_1e-5") && !whole.contains_key("sparsity/below_1e-6"));
    // Those that never fired, and those that did so once.
    assert!(
        whole["sparsity/below_1e-5"] >= whole["sparsity/dead_latents"],
        "{whole:?}"
    );
}

/// Warnings, and the tokens of what is logged: as the event says and as the metric does.
type Said = (Vec<String>, Vec<(u64, f64)>);

/// Keeps what is said.
#[derive(Clone, Default)]
struct Heard(std::sync::Arc<std::sync::Mutex<Said>>);

impl Observer for Heard {
    fn on(&mut self, event: &Event) -> Result<Control> {
        let mut heard = self.0.lock().expect("not poisoned");
        match event {
            Event::Warning(text) => heard.0.push(text.clone()),
            Event::Logged { tokens, metrics, .. } => {
                let named = metrics
                    .iter()
                    .find(|(name, _)| name == "details/n_training_tokens");
                heard.1.push((*tokens, named.expect("there").1));
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}

#[test]
fn an_auxk_loss_that_can_never_act_is_remarked_and_tokens_are_counted_one_way() {
    for (more, remarked) in [
        (json!({"auxk_coefficient": 0.1}), true),
        (json!({"auxk_coefficient": 0.1, "dead_threshold": 1280}), false),
        (json!({"auxk_coefficient": 0}), false),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (heard, context) = (Heard::default(), RunContext::default());
        context.events.add(Box::new(heard.clone()));
        let mut sae = dictionary(json!({"act_fn": "topk"}));
        trainer(folder.path(), more.clone())
            .fit(
                &mut sae,
                &mut Synthetic::new(100),
                &context,
                FitOptions::default(),
            )
            .expect("trained");
        let heard = heard.0.lock().expect("not poisoned");
        let found = heard.0.iter().any(|text| text.contains("Aux-K never acts"));
        assert_eq!(found, remarked, "{more}: {:?}", heard.0);
        assert!(
            heard.1.len() == 6 && heard.1.iter().all(|(shown, metric)| *shown as f64 == *metric),
            "{:?}",
            heard.1
        );
        assert_eq!(
            heard.1[0].0,
            6 * 32,
            "what the dictionary had been trained on when step 7 was measured"
        );
    }
}

#[test]
fn nonsense_is_refused_before_training() {
    let cases = [
        (
            json!({"act_fn": "topk", "top_k": 65}),
            json!({}),
            "the dictionary has 64 latents",
        ),
        (json!({}), json!({"lp_coefficient": 0.1}), "needs thresholds"),
        (json!({"act_fn": "jumprelu"}), json!({}), "have no initial value"),
        (json!({"act_fn": "topk"}), json!({"initial_k": 3}), "under top_k"),
        (
            json!({"act_fn": "topk"}),
            json!({"initial_k": 65}),
            "the dictionary has 64 latents",
        ),
        (json!({}), json!({"initial_k": 8}), "needs a top-k activation"),
        (
            json!({"dtype": "float16"}),
            json!({}),
            "a dictionary of float16 cannot be trained",
        ),
        (
            json!({}),
            json!({"sparsity_loss_type": "tanh", "l1_coefficient": null}),
            "no coefficient",
        ),
        (
            json!({}),
            json!({"sparsity_loss_type": "power", "l1_coefficient": 0}),
            "no coefficient",
        ),
        (
            json!({}),
            json!({"lr_warm_up_steps": 41}),
            "longer than the whole training of 40 steps",
        ),
        (
            json!({}),
            json!({"sparsity_loss_type": "power", "l1_coefficient_warmup_steps": 41}),
            "longer than the whole",
        ),
        (
            json!({}),
            json!({"total_training_tokens": 31}),
            "do not fill one batch of 32 rows",
        ),
        (json!({}), json!({"lr": 0}), "a number above 0"),
        (json!({}), json!({"betas": [0.9, 1.0]}), "below 1"),
        (json!({}), json!({"gradient_accumulation_steps": 0}), "at least 1"),
        (json!({}), json!({"feature_sampling_window": 0}), "at least 1"),
        (json!({}), json!({"lr_end_ratio": 1.5}), "from 0 to 1"),
        (
            json!({"hook_point_in": "blocks.0.hook_resid_pre"}),
            json!({}),
            "unknown hook point",
        ),
        (
            json!({"d_model": 8, "expansion_factor": 8}),
            json!({}),
            "16 wide, but the dictionary's d_model is 8",
        ),
    ];
    for (sae_cfg, cfg, expected) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = attempt(folder.path(), &sae_cfg, &cfg).expect_err(expected);
        assert_eq!(error.fault(), Fault::Input, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            !folder.path().join("metrics.jsonl").exists(),
            "nothing was written: {expected}"
        );
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
    let mut trainer = Trainer::new(from_value::<TrainerConfig>(trainer_cfg)?)?;
    fit(&mut trainer, &mut sae, &mut Synthetic::new(100))
}

#[test]
fn a_checkpoint_of_another_dictionary_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sae = dictionary(json!({}));
    let mut first = trainer(folder.path(), json!({}));
    fit(&mut first, &mut sae, &mut Synthetic::new(100)).expect("trained");
    let checkpoint = folder.path().join("checkpoints/step_10");
    let mut other = dictionary(json!({"act_fn": "topk"}));
    let error = Trainer::from_checkpoint(&mut other, &checkpoint)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("`sae.act_fn` was \"relu\" and is \"topk\" now"),
        "{error}"
    );
    let error = Trainer::from_checkpoint(&mut sae, folder.path())
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("there is no checkpoint at"), "{error}");
    std::fs::write(checkpoint.join("trainer.json"), "{\"cfg\": {}}").expect("written");
    let mut refusal = || {
        let refused = Trainer::from_checkpoint(&mut sae, &checkpoint).err();
        refused.expect("refused").to_string()
    };
    let error = refusal();
    assert!(error.contains("was altered after it was written"), "{error}");
    std::fs::remove_file(checkpoint.join("checksums.json")).expect("removed");
    let error = refusal();
    assert!(error.contains("is missing"), "{error}");
}

#[test]
fn mixed_precision_rounds_products_only() {
    let run = |amp: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut sae, mut trainer) = (
            dictionary(json!({})),
            trainer(folder.path(), json!({"amp_dtype": amp})),
        );
        fit(&mut trainer, &mut sae, &mut Synthetic::new(100)).expect("trained");
        assert_eq!(sae.kind(), Kind::Float, "parameters keep their format");
        let metrics: BTreeMap<String, f64> = trainer.metrics().iter().cloned().collect();
        metrics["losses/mse_loss"]
    };
    let (full, half) = (run("float32"), run("bfloat16"));
    assert_ne!(full, half);
    assert!((half / full - 1.0).abs() < 0.05, "{half} against {full}");
}
