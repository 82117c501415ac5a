//! Long trainings by hand and by libtorch's automatic differentiation end in the same place.

use saescript::activations::Batch;
use saescript::tensor::{Device, Kind, Tensor};
use serde_json::{Value, json};

use super::{Size, batch, begin_with};

const STEPS: usize = 200;
const SIZE: Size = Size {
    d_model: 12,
    d_sae: 48,
    batch: 40,
};

/// A training: the dictionary's settings and the trainer's.
struct Case {
    sae: Value,
    trainer: Value,
    /// Some tokens do not count.
    is_masked: bool,
}

fn cases() -> Vec<Case> {
    let power = || json!({ "sparsity_loss_type": "power", "l1_coefficient": 0.02 });
    let tanh_quad =
        || json!({ "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.02, "lp_coefficient": 0.01 });
    let auxk = || json!({ "auxk_coefficient": 0.1, "k_aux": 8, "dead_threshold": 200 });
    let case = |sae: Value, trainer: Value| Case {
        sae,
        trainer,
        is_masked: false,
    };
    let jumprelu = || json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 1.0 });
    let topk = || json!({ "act_fn": "topk", "top_k": 4 });
    let with = |mut sae: Value, key: &str, value: Value| {
        sae[key] = value;
        sae
    };
    vec![
        case(json!({ "act_fn": "relu" }), power()),
        case(jumprelu(), tanh_quad()),
        case(topk(), json!({})),
        case(json!({ "act_fn": "batchtopk", "top_k": 4 }), json!({})),
        case(topk(), auxk()),
        case(
            with(json!({ "act_fn": "relu" }), "use_glu_encoder", json!(true)),
            power(),
        ),
        case(with(topk(), "hook_point_out", json!("out")), json!({})),
        Case {
            is_masked: true,
            ..case(jumprelu(), tanh_quad())
        },
        case(
            json!({ "act_fn": "batchtopk", "top_k": 4, "sae_type": "matryoshka", "matryoshka_fractions": [0.25, 0.5] }),
            json!({}),
        ),
        case(
            json!({ "act_fn": "relu", "sae_type": "crosscoder", "hook_points": ["in", "out"] }),
            power(),
        ),
    ]
}

/// Returns the parameters after many steps, by name.
fn trained(case: &Case, (dtype, lr): (&str, f64), engine: &str) -> Vec<(String, Tensor)> {
    let (mut sae, mut trainer) = (case.sae.clone(), case.trainer.clone());
    sae["dtype"] = json!(dtype);
    trainer["step_engine"] = json!(engine);
    trainer["lr"] = json!(lr);
    let (mut sae, mut trainer) = begin_with(&sae, &trainer, SIZE);
    let draw = || Batch {
        mask: case
            .is_masked
            .then(|| Tensor::rand([SIZE.batch], (Kind::Float, Device::Cpu)).gt(0.25)),
        ..batch(SIZE)
    };
    let batches: Vec<_> = (0..8).map(|_| draw()).collect();
    for batch in batches.iter().cycle().take(STEPS) {
        trainer.step(&mut sae, batch).expect("a step");
    }
    let parameters = sae.named_parameters();
    let doubles = |x: &Tensor| x.detach().to_kind(Kind::Double).copy();
    parameters
        .iter()
        .map(|(name, x)| (name.to_string(), doubles(x)))
        .collect()
}

#[test]
fn two_hundred_steps_by_hand_go_where_those_by_automatic_differentiation_go() {
    for case in cases() {
        // In float32 now and then two latents are so close that either may be selected, and long steps carry that far.
        for (dtype, lr, most) in [("float64", 1e-3, 1e-10), ("float32", 1e-4, 1e-4)] {
            let ours = trained(&case, (dtype, lr), "native");
            let theirs = trained(&case, (dtype, lr), "autograd");
            for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
                let apart = f64::try_from((ours - theirs).norm()).expect("a number");
                let size = f64::try_from(theirs.norm()).expect("a number");
                assert!(
                    apart <= most * size,
                    "{} {} {dtype}: {name} is {} apart",
                    case.sae,
                    case.trainer,
                    apart / size
                );
            }
        }
    }
}
