//! Steps whose products are asked for in a format of fewer digits.

use saescript::tensor::{Device, Kind, manual_seed, product};
use serde_json::{Value, json};

use super::{Size, batch, begin_with};

/// Returns the parameters after a few steps.
fn trained(own: &Value, settings: &Value, amp: &str) -> Vec<Vec<f32>> {
    let size = Size {
        d_model: 16,
        d_sae: 64,
        batch: 48,
    };
    let mut settings = settings.clone();
    settings["amp_dtype"] = json!(amp);
    let (mut sae, mut trainer) = begin_with(own, &settings, size);
    manual_seed(5);
    for _ in 0..4 {
        trainer.step(&mut sae, &batch(size)).expect("a step");
    }
    let parameters = sae.parameters().iter();
    parameters
        .map(|parameter| Vec::try_from(&parameter.tensor.detach().flatten(0, -1)).expect("numbers"))
        .collect()
}

#[test]
fn steps_by_hand_do_not_round_where_that_is_in_vain() {
    let heads = |act: &str| json!({ "act_fn": act, "top_k": 4, "sae_type": "crosscoder", "hook_points": ["in", "out"] });
    let power = json!({ "sparsity_loss_type": "power" });
    // Latents that are off on one batch count as dead on the next.
    let dead = json!({ "auxk_coefficient": 0.5, "k_aux": 8, "dead_threshold": 48 });
    // Over active latents alone they never do.
    let mut cases = vec![
        (json!({ "act_fn": "topk", "top_k": 4 }), json!({})),
        (json!({ "act_fn": "batchtopk", "top_k": 4 }), json!({})),
        (heads("topk"), json!({})),
    ];
    if product::instead_of(Kind::BFloat16, Device::Cpu).is_some() {
        cases.extend([
            (json!({ "act_fn": "relu" }), power.clone()),
            (
                json!({ "act_fn": "relu", "use_glu_encoder": true }),
                power.clone(),
            ),
            (heads("relu"), power),
            (json!({ "act_fn": "topk", "top_k": 4 }), dead.clone()),
            (heads("topk"), dead),
        ]);
    }
    for (own, settings) in cases {
        let [rounded, exact] = ["bfloat16", "float32"].map(|amp| trained(&own, &settings, amp));
        assert!(rounded == exact, "{own} {settings}");
    }
}
