//! The step by hand: against libtorch's automatic differentiation, one step and many, its form, and what it takes from the system.

mod agreement;
mod form;
mod formats;
pub mod memory;
mod trajectory;

use saescript::activations::Batch;
use saescript::config::{checked, from_value};
use saescript::dictionary::{LOG_THRESHOLD, SAEConfig, SparseAutoEncoder};
use saescript::tensor::{Device, Kind, Tensor, manual_seed, no_grad_guard};
use saescript::train::{Trainer, TrainerConfig};
use serde_json::{Value, json};

/// How large a dictionary is, and how many tokens a batch has.
#[derive(Clone, Copy)]
struct Size {
    d_model: i64,
    d_sae: i64,
    batch: i64,
}

/// Returns a dictionary in float32 with settings of its own, at most few of whose latents are over their thresholds, and
/// a trainer for it.
fn begin(own: &Value, size: Size) -> (SparseAutoEncoder, Trainer) {
    begin_with(own, &json!("tanh-quad"), size)
}

/// Begins with another penalty on activations, or none; settings that are an object are those of the trainer.
fn begin_with(own: &Value, penalty: &Value, size: Size) -> (SparseAutoEncoder, Trainer) {
    manual_seed(2);
    let mut cfg = json!({
        "hook_point_in": "in", "hook_point_out": "in", "d_model": size.d_model, "d_sae": size.d_sae,
        "norm_activation": "inference", "dtype": "float32", "device": "cpu",
    });
    for (key, value) in own.as_object().expect("settings") {
        cfg[key] = value.clone();
    }
    if own.get("hook_points").is_some() {
        let cfg = cfg.as_object_mut().expect("settings");
        cfg.retain(|key, _| key != "hook_point_in" && key != "hook_point_out");
    }
    let cfg: SAEConfig = from_value(cfg).expect("a valid configuration");
    let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
    if sae.threshold(None).is_ok_and(|threshold| threshold.is_some()) {
        let _no_grad = no_grad_guard();
        // Few of the pre-activations, which have a deviation of 1, are over 2.5.
        let high = Tensor::full([size.d_sae], 2.5f64.ln(), (Kind::Float, Device::Cpu));
        sae.set_parameter(LOG_THRESHOLD, &high).expect("the shape fits");
    }
    let mut trainer = json!({
        "total_training_tokens": 1_000_000, "n_checkpoints": 0, "lr": 1e-4, "lr_warm_up_steps": 0,
        "log_frequency": 1000, "amp_dtype": "float32",
    });
    match penalty {
        Value::Object(settings) => settings
            .iter()
            .for_each(|(key, value)| trainer[key] = value.clone()),
        kind => trainer["sparsity_loss_type"] = kind.clone(),
    }
    let trainer = checked::<TrainerConfig>(trainer).expect("valid settings");
    (sae, Trainer::new(trainer).expect("a trainer"))
}

/// Returns a batch of random activations at two hook points.
fn batch(size: Size) -> Batch {
    let x = || Tensor::randn([size.batch, size.d_model], (Kind::Float, Device::Cpu));
    Batch {
        activations: [("in".to_string(), x()), ("out".to_string(), x())].into(),
        ..Batch::default()
    }
}
