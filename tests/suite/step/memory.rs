//! What steps ask the system for.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use saescript::tensor::runtime;
use serde_json::{Value, json};

#[path = "../../../benches/training/allocations.rs"]
mod allocations;

use self::allocations::Asked;
use super::{Size, batch, begin, begin_with};

/// Steps after which everything has its room.
const WARM_UP: usize = 12;
const STEPS: usize = 40;

/// Returns how many bytes the C library, from which tensors come too, has from the system.
pub fn held() -> usize {
    // SAFETY: it only reads the library's own numbers.
    let held = unsafe { libc::mallinfo2() };
    held.arena + held.hblkhd
}

#[test]
fn a_steady_step_takes_nothing_from_the_system() {
    runtime::start();
    let size = Size {
        d_model: 16,
        d_sae: 256,
        batch: 128,
    };
    for own in [
        json!({ "act_fn": "topk", "top_k": 8 }),
        json!({ "act_fn": "batchtopk", "top_k": 8 }),
        json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 0.1 }),
        json!({ "act_fn": "relu" }),
    ] {
        let (mut sae, mut trainer) = begin(&own, size);
        let batches: Vec<_> = (0..4).map(|_| batch(size)).collect();
        let mut steps = |count: usize| {
            for batch in batches.iter().cycle().take(count) {
                trainer.step(&mut sae, batch).expect("a step");
            }
        };
        steps(WARM_UP);
        let before = held();
        steps(STEPS);
        let grown = held().saturating_sub(before);
        // The heap grows by 128 KiB at a time. What a batch takes, kept in each step, would be as much.
        assert!(
            grown < STEPS * 128 * 16 * 4,
            "{own}: {grown} bytes in {STEPS} steps"
        );
    }
}

#[test]
fn a_steady_step_asks_for_no_large_block() {
    if std::env::var_os("NEXTEST").is_none() {
        eprintln!("beside other tests in one process nothing can be counted: not tried");
        return;
    }
    runtime::start();
    let size = Size {
        d_model: 16,
        d_sae: 1024,
        batch: 1024,
    };
    let asked = |own: &Value, penalty: Value| {
        let (mut sae, mut trainer) = begin_with(own, &penalty, size);
        let batches: Vec<_> = (0..4).map(|_| batch(size)).collect();
        let mut steps = |count: usize| {
            for batch in batches.iter().cycle().take(count) {
                trainer.step(&mut sae, batch).expect("a step");
            }
        };
        steps(6);
        let before = Asked::now();
        steps(8);
        Asked::since(before, 8)
    };
    for (own, penalty) in [
        (json!({ "act_fn": "topk", "top_k": 8 }), Value::Null),
        (json!({ "act_fn": "batchtopk", "top_k": 8 }), Value::Null),
        (
            json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 0.1 }),
            json!("tanh-quad"),
        ),
    ] {
        let asked = asked(&own, penalty);
        assert!(asked.calls > 0, "calls are counted");
        assert_eq!(asked.large, 0, "{own}: {} bytes", asked.bytes);
    }
    // What products pack for themselves: one block, two where a threshold asks for the derivative by all activations.
    for (own, penalty, packed) in [
        (json!({ "act_fn": "relu" }), json!("power"), 2),
        (
            json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 2.0 }),
            json!("tanh-quad"),
            2,
        ),
    ] {
        let asked = asked(&own, penalty);
        assert!(
            asked.large <= packed,
            "{own}: {}, {} bytes",
            asked.large,
            asked.bytes
        );
    }
}
