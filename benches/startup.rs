//! From the command to the first line of a script, next to what loading libtorch alone takes on the same machine.
//!
//!     scripts/bench startup [--rounds 20]
//!
//! Rounds alternate between `saescript run` of a script that prints a number and `/bin/true` with libtorch preloaded. The
//! fastest of each are compared: what else the machine does can only make a round slower.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use saescript::{Error, Result};

use support::Options;

#[allow(clippy::print_stdout)] // a program of its own
fn main() -> Result<()> {
    let options = Options::read(&[("rounds", "20")])?;
    let mut script = tempfile::NamedTempFile::with_suffix(".rhai").map_err(failed)?;
    script.write_all(b"print(1)\n").map_err(failed)?;
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join(".libtorch/torch/lib");
    let mut ours = Command::new(env!("CARGO_BIN_EXE_saescript"));
    ours.arg("run").arg(script.path());
    let mut alone = Command::new("/bin/true");
    alone
        .env("LD_LIBRARY_PATH", &libraries)
        .env("LD_PRELOAD", libraries.join("libtorch_cpu.so"));
    let mut best = [Duration::MAX; 2];
    for _ in 0..options.number("rounds")? {
        for (command, best) in [&mut ours, &mut alone].into_iter().zip(&mut best) {
            *best = (*best).min(timed(command)?);
        }
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let [ours, alone] = best.map(milliseconds);
    println!("saescript run, ms          {ours:>8.0}");
    println!("libtorch loaded alone, ms  {alone:>8.0}");
    println!("difference, ms             {:>8.0}", ours - alone);
    Ok(())
}

fn timed(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).status().map_err(failed)?;
    if status.success() {
        return Ok(begun.elapsed());
    }
    Err(Error::run(format!("{command:?} ended with {status}")))
}

fn failed(error: std::io::Error) -> Error {
    Error::run(format!("the measurement failed: {error}"))
}
