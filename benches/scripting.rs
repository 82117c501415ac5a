//! What scripting costs: plain loops in the script host's engine, next to the language's own engine, whose operators are
//! all built in; calls of bound functions, those that ask the policy among them; and a training whose loop a script writes,
//! next to `fit`.
//!
//!     scripts/bench scripting [--rounds 15] [--part loops|calls|training]
//!
//! Rounds of what is compared alternate, and the fastest of each count: what else the machine does can only make a round
//! slower.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, Engine};
use saescript::event::StopFlag;
use saescript::script::{Host, RunPermissions};
use saescript::{Error, Result};

use support::Options;

const LOOPS: &[(&str, &str)] = &[
    ("counting ints", "let n = 0; while n < 300_000 { n += 1; } n"),
    (
        "adding floats",
        "let s = 0.0; for i in 0..200_000 { s += 0.5 * i; if s > 1e300 { s = 0.0; } } s",
    ),
    (
        "indexing arrays",
        "let a = []; for i in 0..1000 { a.push(i * 1.5); }
         let s = 0.0; for r in 0..100 { for i in 0..1000 { if a[i] > s { s = a[i]; } } } s",
    ),
    (
        "calling functions",
        "fn f(x, y) { x * 2 + y } let s = 0; for i in 0..100_000 { s = f(s, i) % 1000; } s",
    ),
    (
        "calling closures",
        "let k = 3; let f = |x| x * 2 + k; let s = 0; for i in 0..100_000 { s = f.call(s) % 1000; } s",
    ),
    (
        "recursion",
        "fn fib(n) { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } } fib(21)",
    ),
];

/// Calls of bound functions, with what the policy is asked for them.
const CALLS: &[(&str, &str)] = &[
    ("a number as text", "fmt(2.5, \".1f\")"),
    ("size of a tensor", "x.numel()"),
    ("a variable", "env(\"RANK\")"),
    (
        "a file that is not there",
        "try { read_text(\"below/none\"); } catch { }",
    ),
    ("a small file", "read_text(\"Cargo.toml\")"),
];

/// Calls in a round.
const REPEATS: usize = 2000;

fn main() -> Result<()> {
    let options = Options::read(&[("rounds", "15"), ("part", "all")])?;
    let rounds = options.number("rounds")?;
    let part = options.text("part");
    let wants = |name: &str| part == "all" || part == name;
    if wants("loops") {
        loops(rounds)?;
    }
    if wants("calls") {
        calls(rounds)?;
    }
    if wants("training") {
        training(rounds)?;
    }
    Ok(())
}

/// A host whose scripts may do what those of `saescript run` may.
fn limited() -> Result<Host> {
    let policy = RunPermissions::default().policy(Path::new("bench.rhai"))?;
    Host::builder().policy(policy).build()
}

fn loops(rounds: i64) -> Result<()> {
    let mut plain = Engine::new();
    plain.set_max_expr_depths(200, 100).set_max_call_levels(100);
    let stop = StopFlag::new();
    plain.on_progress(move |_| stop.is_set().then_some(Dynamic::UNIT));
    let mut host = limited()?;
    println_row("", "built in, ms", "here, ms", "factor");
    for (name, text) in LOOPS {
        // Also readies the host for what the script has.
        let _ = host.eval("bench.rhai", text)?;
        let engines = [&plain, host.engine()];
        let scripts = [parsed(&plain, text)?, parsed(host.engine(), text)?];
        let mut best = [Duration::MAX; 2];
        for _ in 0..rounds {
            for which in 0..2 {
                best[which] = best[which].min(timed(engines[which], &scripts[which])?);
            }
        }
        let [built_in, here] = best.map(|time| time.as_secs_f64() * 1e3);
        let shown = |ms: f64| format!("{ms:.1}");
        println_row(
            name,
            &shown(built_in),
            &shown(here),
            &format!("{:.2}", here / built_in),
        );
    }
    Ok(())
}

/// What a call costs beside the loop around it: where everything is allowed, and where the policy has to look.
fn calls(rounds: i64) -> Result<()> {
    let mut hosts = [Host::builder().build()?, limited()?];
    println_row("", "all, \u{b5}s", "limited, \u{b5}s", "factor");
    for (name, call) in CALLS {
        let script = |body: &str| {
            format!(
                "let x = torch::ones([2]); let t = time(); for i in 0..{REPEATS} {{ {body}; }} time() - t"
            )
        };
        let mut best = [f64::INFINITY; 2];
        for _ in 0..rounds {
            for (which, host) in hosts.iter_mut().enumerate() {
                let around = seconds(host, &script("()"))?;
                let with = seconds(host, &script(call))?;
                best[which] = best[which].min((with - around) / REPEATS as f64);
            }
        }
        let [all, limited] = best.map(|seconds| seconds * 1e6);
        let shown = |number: f64| format!("{number:.2}");
        println_row(name, &shown(all), &shown(limited), &shown(limited / all));
    }
    Ok(())
}

/// The steps of a training by `fit`, and by a loop in the script.
fn training(rounds: i64) -> Result<()> {
    const STEPS: usize = 20;
    let mut host = limited()?;
    let script = |way: &str| {
        format!(
            "let sae = SparseAutoEncoder(SAEConfig(#{{ hook_point_in: \"h\", hook_point_out: \"h\", d_model: 256, \
             expansion_factor: 8, act_fn: \"topk\", top_k: 32, \
             norm_activation: \"token-wise\", dtype: torch::float32, device: \"cpu\" }}));
             let trainer = Trainer(TrainerConfig(#{{ amp_dtype: torch::float32, lr_warm_up_steps: 1, n_checkpoints: 0, \
             log_frequency: 1000, total_training_tokens: ({STEPS} + 2) * 2048, exp_result_path: temporary_folder() + \"/run\" }}));
             let batch = #{{ h: torch::randn([2048, 256]) }};
             let batches = []; for i in 0..{STEPS} {{ batches.push(batch); }}
             trainer.step(sae, batch); trainer.step(sae, batch);
             let t = time(); {way} (time() - t) / {STEPS}"
        )
    };
    let ways = [
        "trainer.fit(sae, ActivationStream(batches));",
        "for batch in batches { trainer.step(sae, batch); }",
    ];
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (which, way) in ways.iter().enumerate() {
            best[which] = best[which].min(seconds(&mut host, &script(way))?);
        }
    }
    let [fit, own] = best.map(|seconds| seconds * 1e3);
    println_row("", "fit, ms", "own loop, ms", "factor");
    println_row(
        "a step",
        &format!("{fit:.2}"),
        &format!("{own:.2}"),
        &format!("{:.3}", own / fit),
    );
    Ok(())
}

/// Runs a script whose value is a time.
fn seconds(host: &mut Host, script: &str) -> Result<f64> {
    let value = host.eval("bench.rhai", script)?;
    value
        .as_float()
        .map_err(|kind| Error::run(format!("no time, but {kind}")))
}

fn parsed(engine: &Engine, text: &str) -> Result<AST> {
    engine
        .compile(text)
        .map_err(|error| Error::input(error.to_string()))
}

fn timed(engine: &Engine, script: &AST) -> Result<Duration> {
    let start = Instant::now();
    let result = engine.eval_ast::<Dynamic>(script);
    let _ = result.map_err(|error| Error::run(error.to_string()))?;
    Ok(start.elapsed())
}

#[allow(clippy::print_stdout)] // a program of its own
fn println_row(name: &str, built_in: &str, exact: &str, factor: &str) {
    println!("{name:20} {built_in:>12} {exact:>12} {factor:>8}");
}
