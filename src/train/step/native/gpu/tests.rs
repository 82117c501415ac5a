//! The step by kernels for GPUs, run on the processor, against the step of the processor.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::activations::Batch;
use crate::config::from_value;
use crate::dictionary::{LossInput, LossSettings, Pass, SparseAutoEncoder};
use crate::error::{Result, Subject};
use crate::kernels::cuda::emulated::Emulated;
use crate::kernels::cuda::{Argument, Deferred, Grid, Launcher};
use crate::tensor::{Device, Kind, Tensor, device_failed};
use crate::train::dead::DeadTracker;
use crate::train::step::{Form, NativeEngine, StepEngine, StepOutput};
use crate::train::{Trainer, TrainerConfig};

pub(super) const EMULATED: Emulated = Emulated {
    reversed: false,
    threads: 64,
};
pub(super) const TOKENS: i64 = 21;
pub(super) const WIDTH: i64 = 13;
pub(super) const LATENTS: i64 = 60;

/// Numbers that look random, and are the same whatever else is drawn.
pub(super) fn waves(shape: &[i64], step: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let waves = (Tensor::arange(count, (Kind::Double, Device::Cpu)).square() * step).sin();
    waves.to_kind(Kind::Float).view(shape)
}

pub(super) fn dictionary(own: &Value) -> SparseAutoEncoder {
    let mut cfg = json!({
        "hook_point_in": "in", "hook_point_out": "in", "d_model": WIDTH, "d_sae": LATENTS, "act_fn": "topk", "top_k": 5,
    });
    for (key, value) in own.as_object().expect("settings") {
        cfg[key] = value.clone();
    }
    let mut sae = SparseAutoEncoder::new(from_value::<crate::dictionary::SAEConfig>(cfg).expect("settings"))
        .expect("a dictionary");
    let shapes: Vec<_> = sae
        .named_parameters()
        .iter()
        .map(|(name, x)| (*name, x.size()))
        .collect();
    for (at, (name, shape)) in shapes.into_iter().enumerate() {
        let values = waves(&shape, 0.37 + 0.11 * at as f64) * 0.5;
        if name == "W_D" {
            let _ = values.get(3).zero_();
        }
        sae.set_parameter(name, &values).expect("the shape fits");
    }
    sae
}

/// A tracker by which two thirds of the latents have not fired for long.
fn dead() -> DeadTracker {
    let mut dead = DeadTracker::new(LATENTS, 1000.0, Device::Cpu).expect("a tracker");
    let silent = Tensor::arange(LATENTS, (Kind::Int64, Device::Cpu))
        .remainder(3)
        .eq(0);
    dead.record(&silent.to_kind(Kind::Float), 5000).expect("recorded");
    dead
}

pub(super) fn one_step(
    engine: &mut dyn StepEngine,
    sae: &SparseAutoEncoder,
    loss: &Value,
    k: Option<i64>,
) -> StepOutput {
    let settings: LossSettings = from_value(loss.clone()).expect("settings");
    let (x, label) = (waves(&[TOKENS, WIDTH], 0.7), waves(&[TOKENS, WIDTH], 0.9));
    let pass = Pass { k, ..Pass::default() };
    let input = LossInput { x: &x, label: &label };
    engine
        .compute(sae, &input, &settings, &pass, &mut dead())
        .expect("a step")
}

fn close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let wide = |x: &Tensor| x.to_kind(Kind::Double);
    let apart = (wide(found) - wide(expected)).abs().max().double_value(&[]);
    let size = wide(expected).abs().max().double_value(&[]).max(1e-3);
    // Optimisers divide what is small by what is small.
    assert!(apart <= 5e-5 * size, "{what} differs by {apart} of {size}");
}

#[test]
fn every_number_of_a_step_is_that_of_the_processor() {
    let plain = json!({});
    let auxk = json!({ "auxk_coefficient": 0.5, "k_aux": 4 });
    for (own, loss, k) in [
        (json!({}), &plain, None),
        (json!({ "sparsity_include_decoder_norm": false }), &plain, Some(1)),
        (
            json!({ "use_decoder_bias": false, "hook_point_out": "out" }),
            &plain,
            Some(60),
        ),
        (json!({}), &auxk, Some(7)),
        (
            json!({ "sae_type": "matryoshka", "matryoshka_widths": [10, 30] }),
            &plain,
            None,
        ),
        (
            json!({ "sae_type": "matryoshka", "matryoshka_widths": [10, 30] }),
            &auxk,
            None,
        ),
    ] {
        let sae = dictionary(&own);
        let what = format!("{own} {loss} {k:?}");
        let mut engine = NativeEngine::new(Form::Sparse);
        let expected = one_step(&mut engine, &sae, loss, k);
        engine.set_launcher(Some(Deferred::new(EMULATED)));
        let found = one_step(&mut engine, &sae, loss, k);
        engine.launcher().expect("one").flush().expect("started");
        close(&found.loss, &expected.loss, &what);
        close(&found.squared_error, &expected.squared_error, &what);
        close(&found.activity.0, &expected.activity.0, &what);
        assert_eq!(found.activity.1, expected.activity.1, "{what}");
        assert_eq!(found.fired, expected.fired, "{what}");
        for (found, expected) in found.terms.iter().zip(&expected.terms) {
            assert_eq!(found.name, expected.name);
            close(
                &found.value,
                &expected.value,
                &format!("{what}: {}", expected.name),
            );
        }
        let names = sae.parameters().iter().map(|parameter| parameter.name);
        for ((name, found), expected) in names.zip(&found.gradients).zip(&expected.gradients) {
            close(found, expected, &format!("{what}: {name}"));
        }
    }
}

#[test]
fn a_training_by_the_kernels_goes_where_that_of_the_processor_goes_and_repeats_its_bits() {
    for class in ["adam", "adamw", "sparseadam"] {
        let train = |launcher: Option<Rc<dyn Launcher>>| {
            let cfg: TrainerConfig = from_value(json!({
                "total_training_tokens": TOKENS * 4, "optimizer_class": class, "clip_grad_norm": 0.01,
                "lr": 0.01, "lr_warm_up_steps": 0, "exp_result_path": "unused",
            }))
            .expect("settings");
            let mut sae = dictionary(&json!({ "norm_activation": "token-wise" }));
            let mut trainer = Trainer::new(cfg).expect("a trainer");
            trainer.engines.native.set_launcher(launcher);
            for step in 0..4 {
                let x = waves(&[TOKENS, WIDTH], 0.3 + 0.1 * f64::from(step));
                let batch = Batch {
                    activations: [("in".to_string(), x)].into(),
                    ..Batch::default()
                };
                trainer.step(&mut sae, &batch).expect("a step");
            }
            let mut numbers: Vec<Tensor> = sae
                .named_parameters()
                .iter()
                .map(|(_, x)| x.detach().copy())
                .collect();
            // The last step logs.
            let logged = trainer.metrics().iter().filter(|(_, value)| value.is_finite());
            let (names, values): (Vec<String>, Vec<f64>) = logged.cloned().unzip();
            assert!(
                names
                    .iter()
                    .any(|name| name == "metrics/explained_variance_legacy")
            );
            numbers.extend(values.into_iter().map(Tensor::from));
            (names, numbers)
        };
        let (names, expected) = train(None);
        let (same_names, found) = train(Some(Rc::new(EMULATED)));
        assert_eq!(names, same_names, "what is logged");
        let (_, again) = train(Some(Rc::new(Emulated {
            reversed: true,
            ..EMULATED
        })));
        for ((found, expected), again) in found.iter().zip(&expected).zip(&again) {
            close(found, expected, class);
            assert_eq!(found, again, "{class}");
        }
    }
}

/// Fails when the second parameter is to be moved.
#[derive(Debug, Default)]
struct Failing(Cell<u32>);

impl Launcher for Failing {
    fn device(&self) -> Device {
        EMULATED.device()
    }

    fn threads(&self) -> i64 {
        EMULATED.threads()
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        if kernel == "adam_move" {
            self.0.set(self.0.get() + 1);
            if self.0.get() == 2 {
                return Err(device_failed("the GPU is lost"));
            }
        }
        EMULATED.launch(kernel, grid, arguments)
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        EMULATED.product(left, right)
    }
}

#[test]
fn a_gpu_that_fails_between_two_parameters_leaves_nothing_to_save() {
    let cfg: TrainerConfig = from_value(json!({
        "total_training_tokens": TOKENS * 4, "lr_warm_up_steps": 0, "exp_result_path": "unused",
    }))
    .expect("settings");
    for failing in [
        Rc::new(Failing::default()) as Rc<dyn Launcher>,
        Deferred::new(Failing::default()),
    ] {
        fail_between(cfg.clone(), failing);
    }
}

fn fail_between(cfg: TrainerConfig, failing: Rc<dyn Launcher>) {
    let mut sae = dictionary(&json!({ "norm_activation": "token-wise" }));
    let mut trainer = Trainer::new(cfg).expect("a trainer");
    trainer.engines.native.set_launcher(Some(failing));
    let batch = Batch {
        activations: [("in".to_string(), waves(&[TOKENS, WIDTH], 0.3))].into(),
        ..Batch::default()
    };
    let Err(error) = trainer.step(&mut sae, &batch) else {
        panic!("the step was made");
    };
    assert_eq!(*error.subject(), Subject::DeviceFailure, "{error}");
    let said = error.to_string();
    assert!(
        said.contains("found at step 1") && said.contains("the GPU is lost"),
        "{said}"
    );
    assert!(!trainer.is_sound());
    trainer.step(&mut sae, &batch).expect("a step");
    assert!(trainer.is_sound());
}
