//! Trainers of others, in Python, in turn with ours: `scripts/peers NAME` installs one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use saescript::activations::Batch;
use saescript::tensor::safetensors;
use saescript::{Error, Result};
use serde_json::json;
use tempfile::TempDir;

use super::cases::{Case, Source};
use super::clock::Took;

/// Batches that a peer gets.
const BATCHES: usize = 4;

/// A trainer in a process of its own, that makes a step when it is told to.
pub struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Peer {
    /// Starts the trainer of `name` for a case, or says why not: nothing where `name` is empty.
    ///
    /// # Errors
    /// There is no such peer; it broke off.
    pub fn start(name: &str, case: &Case, next: &mut dyn FnMut() -> Result<Batch>) -> Result<Option<Self>> {
        if name.is_empty() {
            return Ok(None);
        }
        let drivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/training/peers");
        let driver = drivers.join(format!("{}_driver.py", name.replace('-', "_")));
        if !driver.is_file() {
            return Err(Error::unknown("peer", name, &known(&drivers)));
        }
        let Some(python) = python(name) else {
            skip(
                name,
                &case.name,
                &format!("it is not installed: scripts/peers {name}"),
            );
            return Ok(None);
        };
        if case.source != Source::Made {
            skip(name, &case.name, "peers train on batches that are there already");
            return Ok(None);
        }
        Self::run(name, case, (&python, &driver), next)
    }

    fn run(
        name: &str,
        case: &Case,
        (python, driver): (&Path, &Path),
        next: &mut dyn FnMut() -> Result<Batch>,
    ) -> Result<Option<Self>> {
        let folder = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
        let hooks: Vec<String> = (0..case.heads).map(|head| case.hook(head)).collect();
        for turn in 0..BATCHES {
            let batch = next()?;
            let rows: Result<Vec<_>> = hooks
                .iter()
                .map(|hook| Ok((hook.as_str(), batch.at(hook)?)))
                .collect();
            let path = folder.path().join(format!("{turn}.safetensors"));
            safetensors::write(path, &rows?, &Default::default())?;
        }
        let told = json!({
            "name": case.name, "batches": folder.path(), "hooks": hooks, "d_model": case.d_model, "d_sae": case.d_sae,
            "k": case.k, "batch": case.batch, "sae": case.sae, "trainer": case.trainer, "l0": case.l0,
        });
        let failed = |error: std::io::Error| Error::run(format!("the trainer of {name}: {error}"));
        let mut child = Command::new(python)
            .arg(driver)
            .arg(told.to_string())
            .env(
                "OMP_NUM_THREADS",
                saescript::tensor::get_num_threads().to_string(),
            )
            .env("CUDA_VISIBLE_DEVICES", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::run("the trainer has no pipes"));
        };
        let mut peer = Peer {
            child,
            orders,
            answers: BufReader::new(answers),
            _folder: folder,
        };
        let answer = peer.answer()?;
        match answer.strip_prefix("cannot ") {
            Some(why) => {
                skip(name, &case.name, why);
                Ok(None)
            }
            None => Ok(Some(peer)),
        }
    }

    /// Makes one step, and returns what it took by the peer's own clocks.
    ///
    /// # Errors
    /// It broke off.
    pub fn step(&mut self) -> Result<Took> {
        writeln!(self.orders, "step").map_err(|error| Error::run(error.to_string()))?;
        let answer = self.answer()?;
        serde_json::from_str(&answer).map_err(|error| Error::run(format!("`{answer}`: {error}")))
    }

    /// Returns the next line that is meant for us; what a trainer prints besides goes to its standard error.
    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        match read.map_err(|error| Error::run(error.to_string()))? {
            0 => Err(Error::run("the trainer of the peer broke off, see above")),
            _ => Ok(line.trim().to_string()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the Python that has the peer, if it is installed.
fn python(name: &str) -> Option<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    let folder = cache.join("saescript/peers").join(name);
    let python = folder.join("bin/python");
    (folder.join("stamp").is_file() && python.exists()).then_some(python)
}

fn known(drivers: &Path) -> Vec<String> {
    let files = std::fs::read_dir(drivers).into_iter().flatten().flatten();
    let names =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix("_driver.py")?.to_string()));
    let mut names: Vec<String> = names.map(|name| name.replace('_', "-")).collect();
    names.sort();
    names
}

#[allow(clippy::print_stderr)] // a message, not a measurement
fn skip(name: &str, case: &str, why: &str) {
    eprintln!("{name} is left out of {case}: {why}");
}
