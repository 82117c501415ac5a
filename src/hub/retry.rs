//! What can go wrong with one request, and how long to go on trying.

use std::thread;
use std::time::{Duration, Instant};

use super::progress::Progress;
use crate::error::Error;

/// Attempts in a row without progress before it is given up.
const ATTEMPTS: u32 = 5;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The longest wait that the hub may ask for and is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Why one attempt came to nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The hub answered with an error.
    Refused(Refusal),
    /// There was no answer, or it broke off.
    Broken(String),
    /// Whoever answered is no hub: the headers that tell commit and ETag are missing.
    NoHub,
    /// What arrived is not what the hub announced.
    Corrupt(String),
    /// It is a matter of this machine: disk full, interrupted.
    Local(Error),
}

/// An answer that is an error.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub status: u16,
    /// `X-Error-Code`: `RepoNotFound`, `EntryNotFound`, `RevisionNotFound`, `GatedRepo`.
    pub code: Option<String>,
    /// `X-Error-Message`.
    pub message: Option<String>,
    /// How long to wait, if the hub says so.
    pub wait: Option<Duration>,
    /// `X-Repo-Commit`: the commit in which a missing file is missing.
    pub commit: Option<String>,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Local(error)
    }
}

impl Trouble {
    /// Could the same request succeed a little later?
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Trouble::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500 | 502 | 503 | 504),
            Trouble::Broken(_) | Trouble::Corrupt(_) => true,
            Trouble::NoHub | Trouble::Local(_) => false,
        }
    }

    /// Does it say nothing about the file, so that a copy in the cache may be used instead?
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Trouble::NoHub => true,
            Trouble::Corrupt(_) => false,
            trouble => trouble.may_pass(),
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Trouble::Refused(refusal) => refusal.wait,
            _ => None,
        }
    }
}

/// Counts the attempts at one thing.
pub(super) struct Patience {
    failures: u32,
    attempts: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self::of(ATTEMPTS)
    }

    /// Gives up after `attempts` failures in a row.
    pub(super) fn of(attempts: u32) -> Self {
        Patience {
            failures: 0,
            attempts,
        }
    }

    /// There was progress: the count starts again.
    pub(super) fn renew(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The trouble itself where another attempt makes no sense; an interruption.
    pub(super) fn after(&mut self, trouble: Trouble, progress: &Progress) -> Result<(), Trouble> {
        self.failures += 1;
        let wait = trouble.wait();
        let too_long = wait.is_some_and(|wait| wait > LONGEST_WAIT);
        if !trouble.may_pass() || self.failures >= self.attempts || too_long {
            return Err(trouble);
        }
        let pause = wait.unwrap_or(FIRST_PAUSE * 2u32.pow(self.failures - 1));
        if wait.is_some_and(|wait| wait > Duration::ZERO) {
            progress.remark(format!(
                "the hub asks to wait {} s before the next request",
                pause.as_secs()
            ));
        }
        let until = Instant::now() + pause;
        while let left = until.saturating_duration_since(Instant::now())
            && left > Duration::ZERO
        {
            progress.check()?;
            thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }
}

/// Repeats `work` until it succeeds, makes no sense, or has failed too often.
pub(super) fn patiently<T>(
    mut patience: Patience,
    progress: &Progress,
    mut work: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    loop {
        progress.check()?;
        match work() {
            Ok(value) => return Ok(value),
            Err(trouble) => patience.after(trouble, progress)?,
        }
    }
}
