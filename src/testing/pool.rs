//! As many processes at a time as there are processors and memory for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{Heard, hear};
use super::summary::Report;
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::memory;

/// The least memory that the process of a file gets, where there is more than one.
const LEAST_MEMORY: u64 = 2 << 30;

/// How much longer than it may a test goes on, in a call that nothing interrupts, before its process is ended.
const GRACE: Duration = Duration::from_secs(5);

/// Where a test may write, in the environment of its process.
const FOLDER: &str = "SAESCRIPT_TEST_FOLDER";

/// Returns the folder that was made for what the tests of this process write, if it is such a process.
pub fn own_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// How tests are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program, which is started with `test --worker FILE FILTER`.
    pub program: PathBuf,
    /// Only tests whose names contain this.
    pub filter: String,
    /// Flags for that program: what the scripts may do.
    pub flags: Vec<String>,
    /// Is to be found out which statements run?
    pub coverage: bool,
    /// How many files at a time; `None`: by processors and memory.
    pub jobs: Option<usize>,
    /// How long a test may run.
    pub timeout: Duration,
}

/// Runs the tests of `files`; `done` is told of each file in their order, as soon as those before it are told.
///
/// # Errors
/// A process cannot be started; `stop` was set.
pub fn run(
    files: &[PathBuf],
    settings: &Settings,
    stop: &StopFlag,
    mut done: impl FnMut(&Path, &Heard) + Send,
) -> Result<Report> {
    let began = Instant::now();
    let jobs = jobs(files.len(), settings);
    let budget = memory::limit() / jobs as u64;
    let next = AtomicUsize::new(0);
    let results: Mutex<Told<'_>> = Mutex::new(Told {
        heard: files.iter().map(|_| None).collect(),
        told: 0,
        done: &mut done,
    });
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, file)) = take(&next, files) {
                    let heard = test_file(file, settings, budget, jobs, stop);
                    let mut results = results.lock().unwrap_or_else(|broken| broken.into_inner());
                    results.set(index, heard, files);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(|broken| broken.into_inner());
    let heard: Result<Vec<Heard>> = results.heard.into_iter().flatten().collect();
    Ok(Report {
        files: files.iter().cloned().zip(heard?).collect(),
        took: began.elapsed(),
        coverage: None,
    })
}

/// What came of the files so far.
struct Told<'a> {
    heard: Vec<Option<Result<Heard>>>,
    /// So many files were told of.
    told: usize,
    done: &'a mut (dyn FnMut(&Path, &Heard) + Send),
}

impl Told<'_> {
    fn set(&mut self, index: usize, heard: Result<Heard>, files: &[PathBuf]) {
        self.heard[index] = Some(heard);
        while let Some(Some(Ok(heard))) = self.heard.get(self.told) {
            (self.done)(&files[self.told], heard);
            self.told += 1;
        }
    }
}

fn take<'a>(next: &AtomicUsize, files: &'a [PathBuf]) -> Option<(usize, &'a PathBuf)> {
    let index = next.fetch_add(1, Ordering::SeqCst);
    Some((index, files.get(index)?))
}

fn jobs(files: usize, settings: &Settings) -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let room = (memory::limit() / LEAST_MEMORY).max(1) as usize;
    let jobs = settings.jobs.unwrap_or(processors.min(room));
    jobs.clamp(1, files.max(1))
}

fn test_file(file: &Path, settings: &Settings, budget: u64, jobs: usize, stop: &StopFlag) -> Result<Heard> {
    if stop.is_set() {
        return Err(Error::interrupted("the tests were interrupted"));
    }
    let folder = tempfile::Builder::new()
        .prefix("saescript-test-")
        .tempdir()
        .map_err(|error| Error::io("create", std::env::temp_dir(), error))?;
    let mut command = Command::new(&settings.program);
    command
        .args(["--max-memory", &budget.to_string(), "test", "--worker"])
        .args(&settings.flags)
        .args(["--timeout", &settings.timeout.as_secs().to_string()])
        .args(settings.coverage.then_some("--coverage"))
        .arg(file)
        .arg(&settings.filter)
        .env(FOLDER, folder.path());
    if jobs > 1 && std::env::var_os("OMP_NUM_THREADS").is_none() {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        command.env("OMP_NUM_THREADS", (processors / jobs).max(1).to_string());
    }
    hear(command, file, (settings.timeout, GRACE), stop)
}
