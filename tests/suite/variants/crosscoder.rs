//! Crosscoders against Language-Model-SAEs: one step with every loss, 50 steps of training, normalisation and folding.

use std::collections::BTreeMap;

use saescript::activations::Batch;
use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, LossInput, LossSettings, Pass, SparseAutoEncoder};
use saescript::tensor::{Kind, Tensor, safetensors::SafeFile};
use saescript::train::{Trainer, TrainerConfig};
use serde_json::json;

use super::{dictionary, fixtures};
use crate::fixtures::{distance, json as read_json, tensor, tensors};

/// `max |ours − theirs| / max |theirs|` of one step.
const STEP: f64 = 1e-5;

const ACT_FNS: [&str; 4] = ["relu", "jumprelu", "topk", "batchtopk"];

fn hooks(meta: &Value) -> Vec<String> {
    let hooks = meta["hook_points"].as_array().expect("a list").iter();
    hooks
        .map(|hook| hook.as_str().expect("a name").to_string())
        .collect()
}

fn norms(of: &Value) -> BTreeMap<String, f64> {
    let norms = of.as_object().expect("a table").iter();
    norms
        .map(|(hook, norm)| (hook.clone(), norm.as_f64().expect("a norm")))
        .collect()
}

/// The fixture's crosscoder with its activation function and normalisation.
fn of_fixture(act_fn: &str, norm_activation: &str, dtype: &str) -> SparseAutoEncoder {
    let meta = read_json(fixtures().join("crosscoder_inputs.json"));
    let inputs = tensors(fixtures().join("crosscoder_inputs.safetensors"));
    let mut sae = dictionary(json!({
        "sae_type": "crosscoder", "hook_points": hooks(&meta), "d_model": meta["d_model"],
        "expansion_factor": meta["expansion_factor"], "top_k": meta["top_k"], "act_fn": act_fn, "dtype": dtype,
        "norm_activation": norm_activation, "jumprelu_threshold_window": meta["jumprelu_threshold_window"],
    }));
    for name in ["W_E", "b_E", "W_D", "b_D"] {
        sae.set_parameter(name, &tensor(&inputs, &format!("param.{name}")))
            .expect("set");
    }
    if act_fn == "jumprelu" {
        sae.set_parameter(LOG_THRESHOLD, &tensor(&inputs, "log_jumprelu_threshold"))
            .expect("set");
    }
    let norms = norms(&meta["dataset_average_activation_norm"]);
    sae.set_dataset_average_activation_norm(norms).expect("valid");
    sae
}

/// The fixture's activations as they are, and as `sae` takes them.
fn inputs(sae: &SparseAutoEncoder) -> (Vec<Tensor>, Tensor) {
    let file = tensors(fixtures().join("crosscoder_inputs.safetensors"));
    let raw: Vec<Tensor> = sae
        .cfg
        .reads()
        .iter()
        .map(|hook| tensor(&file, &format!("x.{hook}")))
        .collect();
    let normalised = raw
        .iter()
        .zip(sae.cfg.reads())
        .map(|(x, hook)| sae.normalize(x, hook).expect("normalised"));
    let joined = sae.join(normalised.collect()).expect("joined");
    (raw, joined)
}

/// A loss of the fixture: `lp` is the power penalty and a threshold penalty of 0.05.
fn settings(name: &str, given: &Value) -> LossSettings {
    let mut settings = given.clone();
    if name == "lp" {
        settings =
            json!({"sparsity_loss_type": "power", "p": 1, "l1_coefficient": 0.3, "lp_coefficient": 0.05});
    }
    from_value(settings).expect("valid")
}

fn compare_step(act_fn: &str, dtype: &str, tolerance: f64) -> usize {
    let stem = fixtures().join(format!("crosscoder_{act_fn}"));
    let (theirs, losses) = (
        tensors(stem.with_extension("safetensors")),
        read_json(stem.with_extension("json")),
    );
    let mut compared = 0;
    for (name, facts) in losses.as_object().expect("a table") {
        let sae = of_fixture(act_fn, "dataset-wise", dtype);
        let (_, x) = inputs(&sae);
        let input = LossInput { x: &x, label: &x };
        let loss = settings(name, &facts["settings"]);
        let terms = sae
            .compute_loss(&input, &loss, &Pass::default(), None)
            .expect("a loss");
        terms.loss.backward();
        let mut ours = vec![
            ("feature_acts".to_string(), terms.feature_acts.shallow_clone()),
            ("hidden_pre".into(), terms.hidden_pre.shallow_clone()),
            ("reconstructed".into(), terms.reconstructed.shallow_clone()),
            (format!("{name}/loss"), terms.loss.shallow_clone()),
        ];
        for term in ["l_s", "l_p"] {
            ours.extend(
                terms
                    .term(term)
                    .map(|value| (format!("{name}/{term}"), value.shallow_clone())),
            );
        }
        for (parameter, values) in sae.named_parameters() {
            ours.push((format!("{name}/grad.{parameter}"), values.grad()));
        }
        for (what, value) in ours {
            let apart = distance(&value, &tensor(&theirs, &what));
            assert!(apart < tolerance, "{act_fn}, {what}: {apart:.1e} apart");
            compared += 1;
        }
    }
    compared
}

#[test]
fn one_step_with_every_loss_is_the_references() {
    let mut compared = 0;
    for act_fn in ACT_FNS {
        compared += compare_step(act_fn, "float32", STEP);
        compared += compare_step(act_fn, "float64", STEP);
    }
    eprintln!("{compared} tensors compared");
    assert!(compared > 200, "{compared}");
}

#[test]
fn every_normalisation_is_the_references() {
    let theirs = tensors(fixtures().join("crosscoder_extras.safetensors"));
    for kind in ["token-wise", "batch-wise", "inference"] {
        let sae = of_fixture("relu", kind, "float32");
        let (_, x) = inputs(&sae);
        let terms = sae
            .compute_loss(
                &LossInput { x: &x, label: &x },
                &LossSettings::default(),
                &Pass::default(),
                None,
            )
            .expect("a loss");
        for (what, ours) in [
            ("feature_acts", &terms.feature_acts),
            ("reconstructed", &terms.reconstructed),
        ] {
            let apart = distance(ours, &tensor(&theirs, &format!("norm_{kind}/{what}")));
            assert!(apart < STEP, "{kind}, {what}: {apart:.1e}");
        }
    }
    let norm = of_fixture("relu", "inference", "float32")
        .decoder_norm()
        .expect("norms");
    assert!(distance(&norm, &tensor(&theirs, "decoder_norm")) < STEP);
}

#[test]
fn folding_keeps_what_comes_out() {
    let theirs = tensors(fixtures().join("crosscoder_extras.safetensors"));
    for act_fn in ["relu", "jumprelu", "topk"] {
        let mut sae = of_fixture(act_fn, "dataset-wise", "float32");
        let (raw, _) = inputs(&sae);
        sae.standardize_parameters_of_dataset_norm().expect("folded");
        let x = sae.join(raw).expect("joined");
        let expected = tensor(
            &theirs,
            &format!("fold_{act_fn}/reconstructed_denormalised_before"),
        );
        let apart = distance(&sae.forward(&x).expect("forward"), &expected);
        assert!(apart < STEP, "{act_fn}: {apart:.1e}");
        // What is folded is saved, and read again with thresholds for each head.
        let folder = tempfile::tempdir().expect("a folder");
        sae.save_pretrained(folder.path(), false).expect("saved");
        let read = SparseAutoEncoder::from_pretrained(folder.path(), &Default::default()).expect("read");
        assert!(
            read.forward(&x)
                .expect("forward")
                .equal(&sae.forward(&x).expect("forward"))
        );
        assert!(
            read.copy()
                .expect("a copy")
                .encode(&x)
                .expect("encoded")
                .equal(&sae.encode(&x).expect("encoded"))
        );
    }
    let mut batchtopk = of_fixture("batchtopk", "dataset-wise", "float32");
    let error = batchtopk
        .standardize_parameters_of_dataset_norm()
        .expect_err("refused")
        .to_string();
    assert!(error.contains("other latents might be on"), "{error}");
}

fn batch(data: &SafeFile, hooks: &[&str], step: usize) -> Batch {
    let index = ((step + 1) % 12) as i64;
    let activations = hooks.iter().map(|hook| {
        let all = tensor(data, &format!("crosscoder/{hook}"));
        (hook.to_string(), all.get(index))
    });
    Batch {
        activations: activations.collect(),
        ..Batch::default()
    }
}

fn run(name: &str, act_fn: &str) {
    let facts = read_json(fixtures().join(format!("{name}.json")));
    let data = tensors(fixtures().join("fit_data.safetensors"));
    let meta = read_json(fixtures().join("fit_data.json"));
    let norms = norms(&meta["dataset_average_activation_norm"]["crosscoder"]);
    let hooks: Vec<&String> = norms.keys().collect();
    let mut sae = dictionary(json!({
        "sae_type": "crosscoder", "hook_points": hooks, "d_model": 12, "expansion_factor": 3, "act_fn": act_fn,
        "top_k": meta["top_k"]["crosscoder"],
    }));
    let names: Vec<&str> = sae.named_parameters().iter().map(|(name, _)| *name).collect();
    for parameter in names {
        let values = tensor(&data, &format!("crosscoder/init.{parameter}"));
        sae.set_parameter(parameter, &values).expect("set");
    }
    sae.set_dataset_average_activation_norm(norms).expect("valid");
    let mut cfg = facts["trainer"].clone();
    cfg["total_training_tokens"] = json!(50 * 16);
    cfg["log_frequency"] = json!(1);
    cfg["amp_dtype"] = json!("float32");
    let mut trainer = Trainer::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a trainer");
    let after = tensors(fixtures().join(format!("{name}.safetensors")));
    for (step, row) in facts["rows_f32"].as_array().expect("rows").iter().enumerate() {
        let hooks: Vec<String> = sae.cfg.reads().into_iter().map(str::to_string).collect();
        let hooks: Vec<&str> = hooks.iter().map(String::as_str).collect();
        let report = trainer
            .step(&mut sae, &batch(&data, &hooks, step))
            .expect("a step");
        let expected = row[0].as_f64().expect("a loss");
        let ours = report.figures.loss.double_value(&[]);
        let apart = (ours - expected).abs() / expected.abs();
        assert!(apart < 1e-4, "{name}, step {step}: {ours} and {expected}");
        if [1, 10, 50].contains(&(step + 1)) {
            for (parameter, values) in sae.named_parameters() {
                let theirs = tensor(&after, &format!("params_after_step{}/{parameter}", step + 1));
                let apart = distance(&values.to_kind(Kind::Float), &theirs);
                assert!(apart < 1e-4, "{name}, step {step}, {parameter}: {apart:.1e}");
            }
        }
    }
}

#[test]
fn fifty_steps_are_the_references() {
    run("fit_crosscoder_batchtopk", "batchtopk");
    run("fit_crosscoder_jumprelu_tanhquad", "jumprelu");
}
