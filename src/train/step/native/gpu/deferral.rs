//! Trainings whose kernels are put off, against those whose kernels are started at once.

use std::rc::Rc;

use serde_json::{Value, json};

use super::tests::{EMULATED, TOKENS, WIDTH, dictionary, waves};
use crate::activations::Batch;
use crate::config::from_value;
use crate::kernels::cuda::{Deferred, Launcher};
use crate::tensor::Tensor;
use crate::train::{Trainer, TrainerConfig};

const STEPS: i64 = 30;

/// Trains on batches of several sizes, and returns what was logged, what is kept, and the parameters.
fn trained(own: &Value, sae: &Value, launcher: Rc<dyn Launcher>) -> (Vec<(String, u64)>, Vec<Tensor>) {
    let mut settings = json!({
        "total_training_tokens": TOKENS * STEPS, "clip_grad_norm": 0.01, "lr": 0.01, "lr_warm_up_steps": 4,
        "log_frequency": 7, "feature_sampling_window": 10, "exp_result_path": "unused",
    });
    for (key, value) in own.as_object().expect("settings") {
        settings[key] = value.clone();
    }
    let mut sae = dictionary(sae);
    let mut trainer =
        Trainer::new(from_value::<TrainerConfig>(settings).expect("settings")).expect("a trainer");
    trainer.engines.native.set_launcher(Some(launcher));
    let mut logged = Vec::new();
    for step in 0..STEPS {
        let tokens = TOKENS - step % 4 * (step % 3);
        let batch = Batch {
            activations: [(
                "in".to_string(),
                waves(&[tokens, WIDTH], 0.3 + 0.01 * step as f64),
            )]
            .into(),
            ..Batch::default()
        };
        let report = trainer.step(&mut sae, &batch).expect("a step");
        let figures = report.figures.read().expect("figures");
        logged.extend(
            figures
                .into_iter()
                .map(|(name, value)| (name.to_string(), value.to_bits())),
        );
        let metrics = report.logged.unwrap_or_default();
        logged.extend(metrics.into_iter().map(|(name, value)| (name, value.to_bits())));
    }
    let parameters = sae.named_parameters();
    let mut kept: Vec<Tensor> = parameters.iter().map(|(_, x)| x.detach().copy()).collect();
    for state in trainer.optimizer_states().expect("begun") {
        kept.extend(state.tensors.iter().map(Tensor::copy));
    }
    kept.push(trainer.dead().expect("begun").tokens_since().copy());
    (logged, kept)
}

#[test]
fn a_training_has_the_same_bits_whether_its_kernels_are_put_off_or_not() {
    let plain = json!({ "norm_activation": "token-wise" });
    let nested =
        json!({ "sae_type": "matryoshka", "matryoshka_widths": [10, 30], "norm_activation": "token-wise" });
    for (own, sae) in [
        (json!({}), &plain),
        (json!({ "skip_metrics_calculation": true }), &plain),
        (
            json!({ "auxk_coefficient": 0.5, "k_aux": 4, "dead_threshold": 100.0 }),
            &plain,
        ),
        (
            json!({ "auxk_coefficient": 0.5, "dead_threshold": 100.0 }),
            &nested,
        ),
        (json!({ "optimizer_class": "sparseadam" }), &nested),
        (
            json!({ "optimizer_class": "muon", "clip_grad_norm": 0.0 }),
            &plain,
        ),
        (
            json!({ "optimizer_class": "adamw", "gradient_accumulation_steps": 3 }),
            &plain,
        ),
    ] {
        let (logged, kept) = trained(&own, sae, Rc::new(EMULATED));
        let (logged_too, kept_too) = trained(&own, sae, Deferred::new(EMULATED));
        assert!(logged.len() > 30, "{own}");
        assert_eq!(logged, logged_too, "{own}");
        for (one, other) in kept.iter().zip(&kept_too) {
            assert!(one.isfinite().all().int64_value(&[]) == 1, "{own}");
            assert_eq!(one, other, "{own}");
        }
    }
}
