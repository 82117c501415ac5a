//! How long a script may run, and how much it may do: memory and depth have limits of their own, which are always on.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::error::{Error, counted};

/// Limits of one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Operations of the language, those in functions and closures included.
    pub operations: Option<u64>,
    /// Time by the clock on the wall.
    pub time: Option<Duration>,
}

/// So many operations lie between two looks at the clock.
const LOOK: u64 = 1 << 10;

/// What an evaluation has used of its limits.
pub(super) struct Used {
    limits: Limits,
    /// Is there any limit? Asked before every operation.
    is_limited: bool,
    operations: Cell<u64>,
    began: Cell<Instant>,
}

impl Default for Used {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Used {
    /// Returns nothing used of `limits`.
    pub(super) fn new(limits: Limits) -> Self {
        Used {
            limits,
            is_limited: limits != Limits::default(),
            operations: Cell::new(0),
            began: Cell::new(Instant::now()),
        }
    }

    /// Begins anew.
    pub(super) fn begin(&self) {
        self.operations.set(0);
        self.began.set(Instant::now());
    }

    /// Counts an operation; returns why it may not be done.
    pub(super) fn count(&self) -> Option<Error> {
        if !self.is_limited {
            return None;
        }
        let count = self.operations.get() + 1;
        self.operations.set(count);
        if self.limits.operations.is_some_and(|most| count > most) {
            return self.too_many();
        }
        if count.is_multiple_of(LOOK) {
            self.late()
        } else {
            None
        }
    }

    fn too_many(&self) -> Option<Error> {
        let most = self.limits.operations?;
        let what = format!(
            "the script did not end within {}",
            counted(most as usize, "operation")
        );
        Some(Error::run(what).hint("`--max-ops N` allows more"))
    }

    /// Returns that its time is over, if it is.
    pub(super) fn late(&self) -> Option<Error> {
        let time = self.limits.time?;
        let is_late = self.began.get().elapsed() >= time;
        is_late.then(|| {
            Error::run(format!("the script did not end within {} s", time.as_secs_f64()))
                .hint("`--timeout SECONDS` gives it more time")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_and_the_clock_looked_at() {
        let used = Used::new(Limits {
            operations: Some(3),
            time: None,
        });
        assert!((0..3).all(|_| used.count().is_none()));
        assert!(
            used.count()
                .expect("one too many")
                .to_string()
                .contains("3 operations")
        );
        used.begin();
        assert!(used.count().is_none());
        let used = Used::new(Limits {
            operations: None,
            time: Some(Duration::ZERO),
        });
        let late = (0..LOOK).filter_map(|_| used.count()).count();
        assert_eq!(late, 1);
    }
}
