//! How much a GPU is asked to do in a step that nothing is logged in, and that nothing waits for it.

use std::cell::RefCell;

use serde_json::json;

use super::tests::{EMULATED, LATENTS, TOKENS, WIDTH, dictionary, waves};
use crate::activations::Batch;
use crate::config::from_value;
use crate::error::Result;
use crate::kernels::cuda::{Argument, Deferred, Grid, Launch, Launcher};
use crate::native::calls::watched;
use crate::tensor::{Device, Kind, Tensor};
use crate::train::{Trainer, TrainerConfig};

/// Takes note of the kernels of ours, those that are started together as one.
#[derive(Debug, Default)]
struct Noting(RefCell<Vec<Vec<String>>>);

impl Launcher for Noting {
    fn device(&self) -> Device {
        EMULATED.device()
    }

    fn threads(&self) -> i64 {
        EMULATED.threads()
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        EMULATED.launch(kernel, grid, arguments)
    }

    fn launch_all(&self, launches: &[Launch]) -> Result<()> {
        let names = launches.iter().map(|launch| launch.kernel.clone()).collect();
        self.0.borrow_mut().push(names);
        EMULATED.launch_all(launches)
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        EMULATED.product(left, right)
    }
}

/// Operations for whose numbers the processor waits, or whose shapes depend on numbers.
const WAIT: [&str; 6] = [
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "equal",
    "unique",
    "is_nonzero",
];

/// Returns libtorch's operations and our kernels, as they are started together, in the last of three steps, where nothing is
/// logged, of a dictionary of which few latents are on.
fn steady_step(sae: &serde_json::Value, own: &serde_json::Value) -> (Vec<String>, Vec<Vec<String>>) {
    let mut settings = json!({
        "total_training_tokens": TOKENS * 9, "clip_grad_norm": 0.01, "log_frequency": 100, "exp_result_path": "unused",
    });
    for (key, value) in own.as_object().expect("settings") {
        settings[key] = value.clone();
    }
    let mut cfg = json!({ "norm_activation": "token-wise" });
    for (key, value) in sae.as_object().expect("settings") {
        cfg[key] = value.clone();
    }
    let mut sae = dictionary(&cfg);
    if sae.cfg.act_fn.name() == "relu" {
        let low = Tensor::full([LATENTS], -2.5, (Kind::Float, Device::Cpu));
        sae.set_parameter("b_E", &low).expect("the shape fits");
    }
    let mut trainer =
        Trainer::new(from_value::<TrainerConfig>(settings).expect("settings")).expect("a trainer");
    let noting = Deferred::new(Noting::default());
    trainer.engines.native.set_launcher(Some(noting.clone()));
    let x = waves(&[TOKENS, WIDTH], 0.3);
    let batch = Batch {
        activations: [("in".to_string(), x)].into(),
        ..Batch::default()
    };
    let mut one = || drop(trainer.step(&mut sae, &batch).expect("a step"));
    one();
    one();
    noting.launcher().0.borrow_mut().clear();
    let ((), called) = watched(one);
    (called, noting.launcher().0.take())
}

#[test]
fn a_steady_step_waits_for_nothing_and_asks_for_little() {
    for (own, own_kernels) in [
        (json!({}), 34),
        (json!({ "skip_metrics_calculation": true }), 29),
        (json!({ "optimizer_class": "adamw", "weight_decay": 0.1 }), 34),
        // A term of the loss that is 0, and the sum of both.
        (json!({ "auxk_coefficient": 0.03, "dead_threshold": 1e9 }), 36),
        // It looks first whether there is a gradient.
        (json!({ "optimizer_class": "sparseadam" }), 42),
    ] {
        let (called, together) = steady_step(&json!({}), &own);
        // What is left of libtorch's is the product, three operations where a GPU is played. On the processor every loss is
        // looked at; on a GPU one of 50.
        let waits = called.iter().filter(|name| {
            let last = name.rsplit('/').next();
            last.is_some_and(|last| WAIT.contains(&last))
        });
        assert_eq!(waits.count(), 1, "{own}: {called:?}");
        assert_eq!(called.len(), 4, "{own}: {called:?}");
        // What comes before the product, before the look at the loss, and before the end: on a GPU, two graphs.
        let [before, after, rest] = &together[..] else {
            panic!("{own}: {together:?}");
        };
        assert_eq!(
            before.last().map(String::as_str),
            Some("round_rows"),
            "{before:?}"
        );
        assert_eq!(
            after.first().map(String::as_str),
            Some("screen_rows"),
            "{after:?}"
        );
        assert_eq!(rest.last().map(String::as_str), Some("adam_move"), "{rest:?}");
        let kernels: usize = together.iter().map(Vec::len).sum();
        assert!(kernels <= own_kernels, "{own}: {kernels} {together:?}");
    }
}

#[test]
fn a_step_over_the_largest_of_a_batch_waits_for_nothing_too() {
    let (called, together) = steady_step(&json!({ "act_fn": "batchtopk" }), &json!({}));
    let waits = called
        .iter()
        .filter(|name| name.ends_with("/_local_scalar_dense"));
    assert_eq!(waits.count(), 1, "{called:?}");
    assert!(called.len() <= 9, "{} {called:?}", called.len());
    assert!(together.len() <= 6, "{together:?}");
}

#[test]
fn a_step_over_all_above_their_bounds_waits_once() {
    let (called, together) = steady_step(
        &json!({ "act_fn": "relu" }),
        &json!({ "sparsity_loss_type": "power", "l1_coefficient": 0.3 }),
    );
    let kernels = together.concat();
    assert!(kernels.contains(&"mark_above".to_string()), "{kernels:?}");
    let waits = called
        .iter()
        .filter(|name| name.ends_with("/_local_scalar_dense"));
    // Both counts are one copy on a GPU, and here the loss is looked at too.
    assert_eq!(waits.count(), 3, "{called:?}");
    assert!(called.len() <= 50, "{} {called:?}", called.len());
    assert!(kernels.len() <= 38, "{} {kernels:?}", kernels.len());
}
