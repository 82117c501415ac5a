//! How long to go on trying.

use std::thread;
use std::time::{Duration, Instant};

use super::progress::Progress;
use super::trouble::Trouble;

/// Attempts in a row without progress before it is given up.
const ATTEMPTS: u32 = 5;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The longest wait that a server may ask for and is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

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
