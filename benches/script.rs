//! What exact comparisons cost: plain loops in the script host's engine, next to the language's own engine, whose operators
//! are all built in.
//!
//!     scripts/bench script [--rounds 15]
//!
//! Rounds of both alternate, and the fastest of each are compared: what else the machine does can only make a round slower.

mod support;

use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, Engine};
use saescript::event::StopFlag;
use saescript::script::Host;
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

fn main() -> Result<()> {
    let options = Options::read(&[("rounds", "15")])?;
    let mut plain = Engine::new();
    plain.set_max_expr_depths(200, 100).set_max_call_levels(100);
    let stop = StopFlag::new();
    plain.on_progress(move |_| stop.is_set().then_some(Dynamic::UNIT));
    let host = Host::builder().build()?;
    println_row("", "built in, ms", "exact, ms", "factor");
    for (name, text) in LOOPS {
        let engines = [&plain, host.engine()];
        let scripts = [parsed(&plain, text)?, parsed(host.engine(), text)?];
        let mut best = [Duration::MAX; 2];
        for _ in 0..options.number("rounds")? {
            for which in 0..2 {
                best[which] = best[which].min(timed(engines[which], &scripts[which])?);
            }
        }
        let [built_in, exact] = best.map(|time| time.as_secs_f64() * 1e3);
        let shown = |ms: f64| format!("{ms:.1}");
        println_row(
            name,
            &shown(built_in),
            &shown(exact),
            &format!("{:.2}", exact / built_in),
        );
    }
    Ok(())
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
