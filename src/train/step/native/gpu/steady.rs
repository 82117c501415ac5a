//! How much a GPU is asked to do in a step that nothing is logged in, and that nothing waits for it.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;

use super::tests::{EMULATED, TOKENS, WIDTH, dictionary, waves};
use crate::activations::Batch;
use crate::config::from_value;
use crate::error::Result;
use crate::kernels::cuda::{Argument, Grid, Launcher};
use crate::native::calls::watched;
use crate::tensor::{Device, Tensor};
use crate::train::{Trainer, TrainerConfig};

/// Takes note of the kernels of ours.
#[derive(Debug, Default)]
struct Noting(RefCell<Vec<String>>);

impl Launcher for Noting {
    fn device(&self) -> Device {
        EMULATED.device()
    }

    fn threads(&self) -> i64 {
        EMULATED.threads()
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument]) -> Result<()> {
        self.0.borrow_mut().push(kernel.to_string());
        EMULATED.launch(kernel, grid, arguments)
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

/// Returns libtorch's operations and our kernels in the last of three steps, where nothing is logged.
fn steady_step(own: &serde_json::Value) -> (Vec<String>, Vec<String>) {
    let mut settings = json!({
        "total_training_tokens": TOKENS * 9, "clip_grad_norm": 0.01, "log_frequency": 100, "exp_result_path": "unused",
    });
    for (key, value) in own.as_object().expect("settings") {
        settings[key] = value.clone();
    }
    let mut sae = dictionary(&json!({ "norm_activation": "token-wise" }));
    let mut trainer =
        Trainer::new(from_value::<TrainerConfig>(settings).expect("settings")).expect("a trainer");
    let noting = Rc::new(Noting::default());
    trainer.engines.native.set_launcher(Some(noting.clone()));
    let x = waves(&[TOKENS, WIDTH], 0.3);
    let batch = Batch {
        activations: [("in".to_string(), x)].into(),
        ..Batch::default()
    };
    let mut one = || drop(trainer.step(&mut sae, &batch).expect("a step"));
    one();
    one();
    noting.0.borrow_mut().clear();
    let ((), called) = watched(one);
    (called, noting.0.take())
}

#[test]
fn a_steady_step_waits_for_nothing_and_asks_for_little() {
    // Of libtorch's operations three are the product's where a GPU is played.
    for (own, operations, own_kernels) in [
        (json!({}), 22, 23),
        (json!({ "skip_metrics_calculation": true }), 19, 21),
        (json!({ "optimizer_class": "adamw", "weight_decay": 0.1 }), 22, 23),
        // It looks first whether there is a gradient.
        (json!({ "optimizer_class": "sparseadam" }), 22, 31),
    ] {
        let (called, kernels) = steady_step(&own);
        let waits = called.iter().filter(|name| {
            let last = name.rsplit('/').next();
            last.is_some_and(|last| WAIT.contains(&last))
        });
        // On the processor every loss is looked at; on a GPU one of 50.
        assert_eq!(waits.count(), 1, "{own}: {called:?}");
        assert!(called.len() <= operations, "{own}: {} {called:?}", called.len());
        assert!(
            kernels.len() <= own_kernels,
            "{own}: {} {kernels:?}",
            kernels.len()
        );
    }
}
