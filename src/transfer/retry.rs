//! What can go wrong with one request, and how long to go on trying.

use std::thread;
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

use super::progress::Progress;
use crate::error::Error;

/// Attempts in a row without progress before it is given up.
const ATTEMPTS: u32 = 5;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The longest wait that a server may ask for and is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Why one attempt came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// The server answered with an error.
    Refused(Refusal),
    /// There was no answer, or it broke off.
    Broken(String),
    /// Whoever answered is not the kind of server that was asked.
    Foreign,
    /// What arrived is not what was announced.
    Corrupt(String),
    /// It is decided on this machine: disk full, interrupted, a redirect that is not followed.
    Local(Error),
}

/// An answer that is an error.
#[derive(Debug, Default)]
pub struct Refusal {
    /// The status, e.g. 404.
    pub status: u16,
    /// Its headers.
    pub headers: Box<HeaderMap>,
    /// The beginning of its text.
    pub body: String,
}

impl Refusal {
    /// Returns the text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns how long to wait, if the server says so: `Retry-After: 5`, or a hub's `RateLimit:
    /// "resolvers";r=0;t=143`.
    pub fn wait(&self) -> Option<Duration> {
        let seconds = self.header("retry-after").or_else(|| {
            let parts = self.header("ratelimit")?.split(';');
            parts.filter_map(|part| part.trim().strip_prefix("t=")).next()
        });
        seconds?.trim().parse().ok().map(Duration::from_secs)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Local(error)
    }
}

impl Trouble {
    /// Returns whether the same request may succeed a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Trouble::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500 | 502 | 503 | 504),
            Trouble::Broken(_) | Trouble::Corrupt(_) => true,
            Trouble::Foreign | Trouble::Local(_) => false,
        }
    }

    /// Returns whether it says nothing about the file, so that a copy in the cache may be used instead.
    pub fn is_outage(&self) -> bool {
        match self {
            Trouble::Foreign => true,
            Trouble::Corrupt(_) => false,
            trouble => trouble.may_pass(),
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Trouble::Refused(refusal) => refusal.wait(),
            _ => None,
        }
    }
}

/// Counts the attempts at one thing.
pub struct Patience {
    failures: u32,
    attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

impl Patience {
    /// Gives up after several failures in a row.
    pub fn new() -> Self {
        Self::of(ATTEMPTS)
    }

    /// Gives up after `attempts` failures in a row.
    pub fn of(attempts: u32) -> Self {
        Patience {
            failures: 0,
            attempts,
        }
    }

    /// Starts the count again, because there was progress.
    pub fn renew(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The trouble itself where another attempt makes no sense; an interruption.
    pub fn after(&mut self, trouble: Trouble, progress: &Progress) -> Result<(), Trouble> {
        self.failures += 1;
        let wait = trouble.wait();
        let too_long = wait.is_some_and(|wait| wait > LONGEST_WAIT);
        if !trouble.may_pass() || self.failures >= self.attempts || too_long {
            return Err(trouble);
        }
        let pause = wait.unwrap_or(FIRST_PAUSE * 2u32.pow(self.failures - 1));
        if wait.is_some_and(|wait| wait > Duration::ZERO) {
            progress.remark(format!(
                "the server asks to wait {} s before the next request",
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
pub fn patiently<T>(
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
