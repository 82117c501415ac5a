//! Which form steps have: over all latents, or over those that take part.

use serde_json::{Value, json};

use super::{Size, batch, begin};

const STEPS: usize = 4;

/// How many tokens were screened in the steps of a training, which only happens where latents that take part are found.
fn screened(own: &Value) -> Vec<usize> {
    let size = Size {
        d_model: 16,
        d_sae: 512,
        batch: 64,
    };
    let (mut sae, mut trainer) = begin(own, size);
    trainer.start_profile();
    let mut screened = Vec::new();
    for _ in 0..STEPS {
        trainer.step(&mut sae, &batch(size)).expect("a step");
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
