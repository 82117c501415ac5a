//! Vectors of norm 0 and data that do not vary: numbers stay finite and right.

use saescript::activations::Batch;
use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, LossInput, LossSettings, Pass, SAEConfig, SparseAutoEncoder};
use saescript::event::Metrics;
use saescript::tensor::{Device, Kind, Tensor};
use saescript::train::{Trainer, TrainerConfig};
use serde_json::json;

use crate::fixtures::distance;

const HOOK: &str = "blocks.0.hook_resid_post";

fn waves(shape: &[i64], speed: f64) -> Tensor {
    let places = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    ((places * speed).sin() * 43758.5453).frac().view(shape)
}

fn dictionary(more: &Value, latents: i64) -> SparseAutoEncoder {
    let mut cfg = json!({
        "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 8, "expansion_factor": latents as f64 / 8.0, "top_k": 3,
        "norm_activation": "token-wise",
    });
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    let mut sae =
        SparseAutoEncoder::zeros(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary");
    sae.set_parameter("W_D", &waves(&[16, 8], 0.7).narrow(0, 0, latents))
        .expect("set");
    sae.set_parameter("W_E", &waves(&[8, 16], 0.9).narrow(1, 0, latents))
        .expect("set");
    sae.set_parameter("b_E", &(waves(&[16], 0.2).narrow(0, 0, latents) * 0.2))
        .expect("set");
    if let Ok(threshold) = sae.parameter(LOG_THRESHOLD) {
        let values = threshold.full_like(-1.5);
        sae.set_parameter(LOG_THRESHOLD, &values).expect("set");
    }
    sae
}

/// Sets decoder row `latent` to 0.
fn silence(sae: &mut SparseAutoEncoder, latent: i64) {
    let decoder = sae.parameter("W_D").expect("there").detach().copy();
    let _ = decoder.get(latent).zero_();
    sae.set_parameter("W_D", &decoder).expect("set");
}

fn is_finite(x: &Tensor) -> bool {
    x.isfinite().all().int64_value(&[]) == 1
}

fn trainer(more: &Value) -> Trainer {
    let mut cfg = json!({
        "total_training_tokens": 100_000, "lr_scheduler_name": "constant", "lr": 0.01, "log_frequency": 1,
        "l1_coefficient_warmup_steps": 0, "dead_threshold": 20, "exp_result_path": "nowhere", "clip_grad_norm": 0.5,
        "amp_dtype": "float32",
    });
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    Trainer::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a trainer")
}

fn step(trainer: &mut Trainer, sae: &mut SparseAutoEncoder, x: &Tensor) -> Metrics {
    let batch = Batch {
        activations: [(HOOK.to_string(), x.shallow_clone())].into(),
        ..Batch::default()
    };
    let report = trainer.step(sae, &batch).expect("a step");
    report.logged.expect("every step is logged")
}

/// Every kind of dictionary and penalty.
fn kinds() -> Vec<(Value, Value)> {
    let mut kinds = Vec::new();
    for act_fn in ["relu", "jumprelu", "topk", "batchtopk"] {
        for norm in ["token-wise", "batch-wise", "inference"] {
            for dtype in ["float32", "float64", "bfloat16"] {
                for (penalty, p) in [
                    ("power", 1),
                    ("power", 2),
                    ("power", 3),
                    ("tanh", 1),
                    ("tanh-quad", 1),
                ] {
                    let mut terms = json!({
                        "sparsity_loss_type": penalty, "p": p, "l1_coefficient": 0.1, "auxk_coefficient": 0.1,
                    });
                    if act_fn == "jumprelu" {
                        terms["lp_coefficient"] = json!(0.1);
                    }
                    kinds.push((
                        json!({"act_fn": act_fn, "norm_activation": norm, "dtype": dtype}),
                        terms,
                    ));
                }
            }
        }
    }
    kinds
}

#[test]
fn zero_rows_and_zero_tokens_leave_everything_finite() {
    let x = waves(&[12, 8], 1.3);
    let _ = x.get(4).zero_();
    for (cfg, terms) in kinds() {
        let mut sae = dictionary(&cfg, 16);
        silence(&mut sae, 5);
        let mut trainer = trainer(&terms);
        for _ in 0..4 {
            for (name, value) in step(&mut trainer, &mut sae, &x) {
                assert!(value.is_finite(), "{cfg} {terms}: {name} is {value}");
            }
        }
        for (name, parameter) in sae.named_parameters() {
            assert!(is_finite(parameter), "{cfg} {terms}: {name}");
        }
        let nothing = Tensor::zeros([3, 8], (Kind::Float, Device::Cpu));
        for (name, value) in step(&mut trainer, &mut sae, &nothing) {
            assert!(value.is_finite(), "{cfg} {terms}, zeros alone: {name} is {value}");
        }
        assert!(
            sae.named_parameters().iter().all(|(_, x)| is_finite(x)),
            "{cfg} {terms}: zeros alone"
        );
    }
}

#[test]
fn a_latent_without_a_decoder_row_is_a_latent_less() {
    let x = waves(&[12, 8], 1.3);
    for act_fn in ["relu", "jumprelu", "topk", "batchtopk"] {
        let cfg = json!({"act_fn": act_fn, "dtype": "float64", "norm_activation": "inference"});
        let (mut with, without) = (dictionary(&cfg, 16), dictionary(&cfg, 15));
        silence(&mut with, 15);
        let (acts, expected) = (
            with.encode(&x).expect("encoded"),
            without.encode(&x).expect("encoded"),
        );
        assert_eq!(acts.select(1, 15).abs().max().double_value(&[]), 0.0, "{act_fn}");
        assert!(distance(&acts.narrow(1, 0, 15), &expected) < 1e-14, "{act_fn}");
        let loss = |sae: &SparseAutoEncoder| {
            let settings = LossSettings {
                sparsity_loss_type: Some(saescript::dictionary::SparsityLoss::Power),
                l1_coefficient: 0.2,
                ..LossSettings::default()
            };
            let input = LossInput { x: &x, label: &x };
            let terms = sae
                .compute_loss(&input, &settings, &Pass::default(), None)
                .expect("a loss");
            terms.loss.backward();
            terms.loss.double_value(&[])
        };
        assert!((loss(&with) - loss(&without)).abs() < 1e-12, "{act_fn}");
        for (name, parameter) in with.named_parameters() {
            let (ours, theirs) = (parameter.grad(), without.parameter(name).expect("there").grad());
            let ours = match name {
                "W_E" => ours.narrow(1, 0, 15),
                "b_D" => ours,
                _ => ours.narrow(0, 0, 15),
            };
            assert!(distance(&ours, &theirs) < 1e-12, "{act_fn}: {name}");
        }
    }
}

#[test]
fn a_zero_token_is_normalised_to_zero_and_the_others_as_ever() {
    let x = waves(&[6, 8], 1.3);
    let _ = x.get(2).zero_();
    for norm in ["token-wise", "batch-wise"] {
        let sae = dictionary(&json!({"norm_activation": norm, "dtype": "float64"}), 16);
        let normalised = sae.normalize(&x, HOOK).expect("normalised");
        let lengths = x.norm_scalaropt_dim(2.0, [1i64].as_slice(), true);
        let expected = match norm {
            "token-wise" => &x * (8f64.sqrt() / lengths.clamp_min(1e-9)),
            _ => &x * (8f64.sqrt() / lengths.mean(Kind::Double)),
        };
        assert!(distance(&normalised, &expected) < 1e-12, "{norm}");
        assert_eq!(normalised.get(2).abs().max().double_value(&[]), 0.0);
    }
}

#[test]
fn data_that_do_not_vary_have_no_explained_variance() {
    let cfg = json!({"norm_activation": "inference"});
    let (mut sae, mut trainer) = (dictionary(&cfg, 16), trainer(&json!({"log_frequency": 3})));
    let constant = Tensor::full([5, 8], 0.1, (Kind::Float, Device::Cpu));
    let varied = waves(&[5, 8], 1.3).to_kind(Kind::Float);
    let batches = [&constant, &varied, &constant];
    let mut logged = None;
    let mut expected = f64::NAN;
    for x in batches {
        let batch = Batch {
            activations: [(HOOK.to_string(), x.shallow_clone())].into(),
            ..Batch::default()
        };
        let report = trainer.step(&mut sae, &batch).expect("a step");
        let figures = report.figures.read().expect("figures");
        if std::ptr::eq(x, &varied) {
            expected = figures
                .iter()
                .find(|(name, _)| *name == "explained variance")
                .expect("there")
                .1;
        }
        logged = report.logged;
    }
    let logged = logged.expect("logged at step 3");
    let of = |name: &str| {
        logged
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    };
    assert_eq!(
        of("metrics/explained_variance"),
        Some(expected),
        "the batch that varies alone"
    );
    assert!(of("losses/mse_loss").expect("a loss") > 0.0);
    let (mut sae, mut trainer) = (dictionary(&cfg, 16), self::trainer(&json!({})));
    let one = step(&mut trainer, &mut sae, &varied.narrow(0, 0, 1));
    assert!(
        one.iter()
            .all(|(name, value)| value.is_finite() && !name.contains("explained_variance")),
        "{one:?}"
    );
}

#[test]
fn rows_and_columns_of_zeros_keep_a_norm_of_zero() {
    let mut sae = dictionary(&json!({"dtype": "float64"}), 16);
    silence(&mut sae, 5);
    sae.set_decoder_norm(0.7).expect("scaled");
    let norms = sae.decoder_norm().expect("norms");
    assert_eq!(norms.double_value(&[5]), 0.0);
    assert!((norms.double_value(&[4]) - 0.7).abs() < 1e-12);
    sae.set_encoder_to_decoder_transpose(1.0).expect("set");
    sae.set_encoder_norm(1.0).expect("scaled");
    let norms = sae.encoder_norm().expect("norms");
    assert_eq!(
        (norms.double_value(&[5]), (norms.double_value(&[4]) * 1e9).round()),
        (0.0, 1e9)
    );
}
