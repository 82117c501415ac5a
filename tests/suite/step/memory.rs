//! What steps ask the system for.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use saescript::activations::StreamMemory;
use saescript::config::{checked, from_value};
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};
use saescript::tensor::{Device, Kind, Tensor, no_grad_guard, product, runtime};
use saescript::train::{Forecast, TrainerConfig};
use serde_json::{Value, json};

#[path = "../../../benches/training/allocations.rs"]
mod allocations;

use self::allocations::Asked;
use super::{Size, batch, begin, begin_with};

/// Steps after which everything has its room.
const WARM_UP: usize = 12;
const STEPS: usize = 20;
/// Steps whose blocks are counted.
const COUNTED: usize = 4;
/// How many times so many steps are looked at.
const ROUNDS: usize = 3;

/// A dictionary with two heads.
fn heads(act_fn: &str) -> Value {
    json!({ "act_fn": act_fn, "top_k": 8, "sae_type": "crosscoder", "hook_points": ["in", "out"] })
}

/// A dictionary whose encoder has a gate, which always looks at all latents.
fn glu(act_fn: &str) -> Value {
    json!({ "act_fn": act_fn, "top_k": 8, "use_glu_encoder": true })
}

/// A dictionary in which several prefixes of the latents reconstruct.
fn prefixes(act_fn: &str) -> Value {
    json!({ "act_fn": act_fn, "sae_type": "matryoshka", "matryoshka_fractions": [0.25, 0.5] })
}

fn in_float64(mut own: Value) -> Value {
    own["dtype"] = json!("float64");
    own
}

fn float64(act_fn: &str) -> Value {
    in_float64(json!({ "act_fn": act_fn, "top_k": 8 }))
}

/// Products in bfloat16, where the processor has them.
fn low_precision() -> Value {
    json!({ "sparsity_loss_type": "power", "amp_dtype": "bfloat16" })
}

/// A loss that asks for dead latents.
fn dead() -> Value {
    json!({ "auxk_coefficient": 0.03125, "k_aux": 16, "dead_threshold": 512 })
}

/// Has half of the latents be on so seldom that they are not among the largest of any token.
fn silence(sae: &mut SparseAutoEncoder, size: Size) {
    let _no_grad = no_grad_guard();
    let half = |bias: f64| Tensor::full([size.d_sae / 2], bias, (sae.kind(), Device::Cpu));
    let bias = Tensor::cat(&[half(0.0), half(-3.0)], 0);
    sae.set_parameter("b_E", &bias).expect("the shape fits");
}

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
        heads("topk"),
        heads("batchtopk"),
        heads("jumprelu"),
        heads("relu"),
        glu("topk"),
        glu("relu"),
        prefixes("relu"),
        json!({ "act_fn": "topk", "top_k": 8, "dtype": "float64" }),
        json!({ "act_fn": "relu", "dtype": "float64" }),
    ] {
        let (mut sae, mut trainer) = begin(&own, size);
        let batches: Vec<_> = (0..4).map(|_| batch(size)).collect();
        let mut steps = |count: usize| {
            for batch in batches.iter().cycle().take(count) {
                trainer.step(&mut sae, batch).expect("a step");
            }
        };
        steps(WARM_UP);
        // A heap in pieces makes room once in a while; what steps keep is asked for in every round.
        let grown = (0..ROUNDS).map(|_| {
            let before = held();
            steps(STEPS);
            held().saturating_sub(before)
        });
        let least = grown.min().unwrap_or(usize::MAX);
        // The heap grows by 128 KiB at a time. What a batch takes, kept in each step, would be as much.
        assert!(
            least < STEPS * 128 * 16 * 4,
            "{own}: {least} bytes at least in {STEPS} steps"
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
        batch: 128,
    };
    let asked = |own: &Value, penalty: &Value| {
        let (mut sae, mut trainer) = begin_with(own, penalty, size);
        if *penalty == dead() {
            silence(&mut sae, size);
        }
        let batches: Vec<_> = (0..4).map(|_| batch(size)).collect();
        let mut steps = |count: usize| {
            for batch in batches.iter().cycle().take(count) {
                trainer.step(&mut sae, batch).expect("a step");
            }
        };
        steps(WARM_UP);
        let before = Asked::now();
        steps(COUNTED);
        let asked = Asked::since(before, 1);
        if *penalty == dead() {
            let dead = trainer
                .dead()
                .expect("they are counted")
                .is_dead()
                .expect("known");
            assert_eq!(dead.sum(Kind::Int64).int64_value(&[]), size.d_sae / 2);
        }
        asked
    };
    let is_plain = !cfg!(target_arch = "x86_64")
        || std::env::var("SAESCRIPT_KERNELS").is_ok_and(|kernels| kernels == "plain");
    let has_bfloat16 = product::instead_of(Kind::BFloat16, Device::Cpu).is_none();
    for (own, penalty) in steady() {
        let asked = asked(&own, &penalty);
        // Where a library multiplies, it may pack what it reads.
        let is_by_library = is_plain || has_bfloat16 && penalty == low_precision();
        let packed = if is_by_library { 12 * COUNTED as u64 } else { 0 };
        assert!(asked.calls > 0, "calls are counted");
        assert!(
            asked.large <= packed,
            "{own}, {penalty}: {} blocks, {} bytes in {COUNTED} steps",
            asked.large,
            asked.bytes
        );
    }
}

/// Steps of all forms and in all formats, with the penalty.
fn steady() -> Vec<(Value, Value)> {
    let jumprelu = |window: f64| json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": window });
    let squares = || json!({ "sparsity_loss_type": "power", "p": 2 });
    vec![
        (json!({ "act_fn": "topk", "top_k": 8 }), Value::Null),
        (json!({ "act_fn": "topk", "top_k": 8 }), squares()),
        (json!({ "act_fn": "batchtopk", "top_k": 8 }), Value::Null),
        (jumprelu(0.1), json!("tanh-quad")),
        (heads("topk"), Value::Null),
        (heads("topk"), squares()),
        (heads("batchtopk"), Value::Null),
        (json!({ "act_fn": "relu" }), json!("power")),
        (json!({ "act_fn": "relu" }), squares()),
        (jumprelu(2.0), json!("tanh-quad")),
        (json!({ "act_fn": "topk", "top_k": 256 }), Value::Null),
        (glu("topk"), Value::Null),
        (glu("relu"), json!("power")),
        (glu("jumprelu"), json!("tanh-quad")),
        (prefixes("relu"), json!("power")),
        (heads("relu"), json!("power")),
        (heads("relu"), squares()),
        (json!({ "act_fn": "relu" }), low_precision()),
        (json!({ "act_fn": "topk", "top_k": 8 }), dead()),
        (float64("topk"), dead()),
        (float64("relu"), json!("power")),
        (float64("relu"), squares()),
        (float64("topk"), Value::Null),
        (float64("batchtopk"), Value::Null),
        (float64("jumprelu"), json!("tanh-quad")),
        (float64("relu"), json!("tanh")),
        (in_float64(heads("topk")), squares()),
        (in_float64(heads("batchtopk")), Value::Null),
        (in_float64(glu("jumprelu")), json!("tanh-quad")),
        (in_float64(prefixes("relu")), json!("power")),
    ]
}

/// Returns how many bytes of the C library are in use, those of tensors among them.
fn used() -> usize {
    // SAFETY: it only reads the library's own numbers.
    let used = unsafe { libc::mallinfo2() };
    used.uordblks + used.hblkhd
}

#[test]
fn a_step_holds_about_what_its_forecast_says() {
    if std::env::var_os("NEXTEST").is_none() {
        eprintln!("beside other tests in one process nothing can be measured: not tried");
        return;
    }
    runtime::start();
    let size = Size {
        d_model: 32,
        d_sae: 2048,
        batch: 512,
    };
    for (own, penalty) in [
        (json!({ "act_fn": "topk", "top_k": 32 }), Value::Null),
        (json!({ "act_fn": "batchtopk", "top_k": 32 }), Value::Null),
        (heads("topk"), Value::Null),
        (json!({ "act_fn": "relu" }), json!("power")),
        (
            json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": 2.0 }),
            json!("tanh-quad"),
        ),
        (json!({ "act_fn": "topk", "top_k": 1024 }), Value::Null),
        (json!({ "act_fn": "batchtopk", "top_k": 512 }), Value::Null),
        (glu("batchtopk"), Value::Null),
        (float64("relu"), json!("power")),
        (float64("batchtopk"), Value::Null),
    ] {
        let (mut sae, mut trainer) = begin_with(&own, &penalty, size);
        let batches: Vec<_> = (0..2).map(|_| batch(size)).collect();
        let before = used();
        for batch in batches.iter().cycle().take(3) {
            trainer.step(&mut sae, batch).expect("a step");
        }
        // What a step works in stays for the next.
        let held = (used() - before) as f64;
        let stream = StreamMemory::default();
        let forecast = Forecast::new(&sae.cfg, &trainer.cfg, 4, size.batch as u64, stream);
        let said = (forecast.gradients + forecast.moments + forecast.step_buffers) as f64;
        // A megabyte is what the libraries of products keep for themselves.
        assert!(
            (held - said).abs() < 0.4 * said + 1e6,
            "{own}: {held} bytes are held, {said} were said ({forecast})"
        );
    }
}

/// Returns what a training in float32 may hold: four times the parameters, the encoder in 16 bits where it is screened, three
/// batches and a block; and a hundredth more for what there is of each latent, in wide dictionaries.
fn bound(cfg: &SAEConfig, rows: u64) -> u64 {
    let (d, n) = (cfg.d_model as u64, cfg.d_sae() as u64);
    let columns = d * cfg.hooks.heads().unwrap_or(1) as u64;
    let is_screened = cfg.act_fn.selects_k() && !cfg.use_glu_encoder;
    let encoder = if is_screened { 2 * columns * n } else { 0 };
    let exact = 4 * 4 * cfg.parameter_count() + encoder + 3 * 4 * rows * columns + (256 << 20);
    exact + exact / 100
}

/// Trainings of a dictionary of this size whose steps hold different things.
fn kinds(d_sae: i64) -> Vec<(Value, Value)> {
    let auxk = || json!({ "auxk_coefficient": 0.03125 });
    let with = |mut sae: Value, key: &str, value: Value| {
        sae[key] = value;
        sae
    };
    let gate = |act_fn: &str| {
        with(
            json!({ "act_fn": act_fn, "top_k": 64 }),
            "use_glu_encoder",
            json!(true),
        )
    };
    let annealed = json!({ "initial_k": 4000.min(d_sae) });
    let many = json!({ "initial_k": 700, "auxk_coefficient": 0.03125 });
    vec![
        (json!({ "act_fn": "topk", "top_k": 64 }), json!({})),
        (json!({ "act_fn": "topk", "top_k": 64 }), annealed.clone()),
        (json!({ "act_fn": "topk", "top_k": d_sae / 5 }), auxk()),
        (
            json!({ "act_fn": "relu" }),
            json!({ "sparsity_loss_type": "power" }),
        ),
        (json!({ "act_fn": "relu" }), auxk()),
        (
            json!({ "act_fn": "jumprelu" }),
            json!({ "sparsity_loss_type": "tanh-quad" }),
        ),
        (json!({ "act_fn": "jumprelu" }), auxk()),
        (json!({ "act_fn": "batchtopk", "top_k": 64 }), auxk()),
        (json!({ "act_fn": "batchtopk", "top_k": 64 }), annealed),
        (json!({ "act_fn": "topk", "top_k": 64 }), many.clone()),
        (json!({ "act_fn": "batchtopk", "top_k": 64 }), many),
        (json!({ "act_fn": "batchtopk", "top_k": d_sae / 5 }), json!({})),
        (json!({ "act_fn": "batchtopk", "top_k": d_sae / 5 }), auxk()),
        (gate("topk"), auxk()),
        (gate("batchtopk"), json!({})),
        (gate("batchtopk"), auxk()),
        (gate("relu"), json!({ "sparsity_loss_type": "power" })),
        (gate("jumprelu"), json!({ "sparsity_loss_type": "tanh-quad" })),
        (prefixes("relu"), json!({ "sparsity_loss_type": "power" })),
        (prefixes("batchtopk"), auxk()),
        (heads("topk"), json!({})),
        (heads("batchtopk"), auxk()),
        (heads("relu"), json!({ "sparsity_loss_type": "power" })),
    ]
}

#[test]
fn trainings_of_any_size_are_planned_within_their_bound() {
    let rows = 4096;
    let sizes = [
        (768, 6144),
        (768, 8192),
        (768, 24_576),
        (768, 65_536),
        (2048, 65_536),
        (256, 262_144),
        (4096, 1_000_000),
    ];
    let mut over = Vec::new();
    for (d_model, d_sae) in sizes {
        for (own, training) in kinds(d_sae) {
            let mut sae = json!({ "d_model": d_model, "d_sae": d_sae, "dtype": "float32", "device": "cpu" });
            if own.get("hook_points").is_none() {
                (sae["hook_point_in"], sae["hook_point_out"]) = (json!("in"), json!("in"));
            }
            for (key, value) in own.as_object().expect("settings") {
                sae[key] = value.clone();
            }
            let sae: SAEConfig = from_value(sae).expect("a valid configuration");
            let mut trainer = training.clone();
            trainer["total_training_tokens"] = json!(1_000_000);
            let trainer = checked::<TrainerConfig>(trainer).expect("valid settings");
            let forecast = Forecast::new(&sae, &trainer, 4, rows, StreamMemory::default());
            let bound = bound(&sae, rows);
            if forecast.memory() > bound {
                over.push(format!(
                    "{own}, {training}, {d_model} to {d_sae}: {} of {} MiB",
                    forecast.memory() >> 20,
                    bound >> 20
                ));
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}
