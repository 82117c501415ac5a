//! What forward passes ask the system for.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use saescript::model::Backend;
use saescript::tensor::runtime;

use super::{load, own, some_tokens};
use crate::step::memory::held;

#[test]
fn passes_work_in_the_memory_of_those_before() {
    runtime::start();
    let model = load(&own("gpt2"), Backend::Auto);
    let plan = model
        .plan(&["blocks.1.hook_resid_post".to_string()])
        .expect("a hook point");
    let shapes = [(16, 24), (48, 8), (4, 32), (30, 13)].map(|(batch, seq)| some_tokens(batch, seq));
    let passes = |rounds: usize| {
        for tokens in shapes.iter().cycle().take(rounds * shapes.len()) {
            model.capture_planned(tokens, &plan).expect("activations");
        }
    };
    passes(4);
    let before = held();
    passes(20);
    let grown = held().saturating_sub(before);
    // The heap grows by 128 KiB at a time. What the residual stream of each pass takes would be more than ten times as much.
    assert!(grown <= 512 << 10, "{grown} bytes in 20 rounds");
}
