//! Which form steps have: over all latents, or over those that take part.

use saescript::activations::Batch;
use saescript::config::{checked, from_value};
use saescript::dictionary::{LOG_THRESHOLD, SAEConfig, SparseAutoEncoder};
use saescript::tensor::{Device, Kind, Tensor, manual_seed, no_grad_guard};
use saescript::train::{Trainer, TrainerConfig};
use serde_json::{Value, json};

const STEPS: usize = 4;

/// How many tokens were screened in the steps of a training, which only happens where latents that take part are found.
fn screened(own: &Value) -> Vec<usize> {
    manual_seed(2);
    let mut cfg = json!({
        "hook_point_in": "in", "hook_point_out": "in", "d_model": 16, "d_sae": 512, "norm_activation": "inference",
        "dtype": "float32", "device": "cpu",
    });
    for (key, value) in own.as_object().expect("settings") {
        cfg[key] = value.clone();
    }
    let cfg: SAEConfig = from_value(cfg).expect("a valid configuration");
    let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
    if sae.threshold().is_ok_and(|threshold| threshold.is_some()) {
        let _no_grad = no_grad_guard();
        // Few of the pre-activations, which have a deviation of 1, are over 2.5.
        let high = Tensor::full([512], 2.5f64.ln(), (Kind::Float, Device::Cpu));
        sae.set_parameter(LOG_THRESHOLD, &high).expect("the shape fits");
    }
    let trainer = json!({
        "total_training_tokens": 64 * STEPS, "n_checkpoints": 0, "lr": 1e-4, "lr_warm_up_steps": 0, "log_frequency": 1000,
        "amp_dtype": "float32", "sparsity_loss_type": "tanh-quad",
    });
    let mut trainer =
        Trainer::new(checked::<TrainerConfig>(trainer).expect("valid settings")).expect("a trainer");
    trainer.start_profile();
    let mut screened = Vec::new();
    for _ in 0..STEPS {
        let x = Tensor::randn([64, 16], (Kind::Float, Device::Cpu));
        let batch = Batch {
            activations: [("in".to_string(), x)].into(),
            ..Batch::default()
        };
        trainer.step(&mut sae, &batch).expect("a step");
        screened.push(trainer.profile().expect("a profile").screening.rows);
    }
    screened
}

#[test]
fn a_number_of_active_latents_is_known_before_the_first_step() {
    let few = screened(&json!({ "act_fn": "topk", "top_k": 8 }));
    assert_eq!(few, [64, 128, 192, 256]);
    let many = screened(&json!({ "act_fn": "topk", "top_k": 256 }));
    assert_eq!(many, [0; STEPS]);
}

#[test]
fn what_takes_part_in_one_step_decides_the_next() {
    let narrow = screened(&json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 0.1 }));
    assert_eq!(narrow, [0, 64, 128, 192]);
    // As few are on, but nearly all that are over 0 lie within half a window of their threshold.
    let wide = screened(&json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 5.0 }));
    assert_eq!(wide, [0; STEPS]);
    assert_eq!(screened(&json!({ "act_fn": "relu" })), [0; STEPS]);
}
