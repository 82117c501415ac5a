//! Time of the processor and on the wall.

use std::ops::Add;
use std::time::{Duration, Instant};

use saescript::Result;
use serde::{Deserialize, Serialize};

use crate::support::processor_time;

/// What something took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// Of the processor, all threads together.
    pub processor: f64,
    /// By the clock on the wall.
    pub wall: f64,
}

impl Took {
    /// Returns the part of one of `count`.
    pub fn shared(self, count: usize) -> Took {
        Took {
            processor: self.processor / count as f64,
            wall: self.wall / count as f64,
        }
    }
}

impl Add for Took {
    type Output = Took;

    fn add(self, other: Took) -> Took {
        Took {
            processor: self.processor + other.processor,
            wall: self.wall + other.wall,
        }
    }
}

/// Returns what `work` took, besides what it returns.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Took)> {
    let (processor, wall) = (processor_time(), Instant::now());
    let done = work()?;
    let took = Took {
        processor: milliseconds(processor_time().saturating_sub(processor)),
        wall: milliseconds(wall.elapsed()),
    };
    Ok((done, took))
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Many measurements of the same thing.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Took>);

impl Times {
    pub fn push(&mut self, took: Took) {
        self.0.push(took);
    }

    /// Returns the median of each clock.
    pub fn median(&self) -> Took {
        self.ranked(self.0.len() / 2)
    }

    /// Returns the least of each clock.
    pub fn least(&self) -> Took {
        self.ranked(0)
    }

    fn ranked(&self, rank: usize) -> Took {
        let of = |time: fn(&Took) -> f64| {
            let mut times: Vec<f64> = self.0.iter().map(time).collect();
            times.sort_by(f64::total_cmp);
            times.get(rank).copied().unwrap_or(f64::NAN)
        };
        Took {
            processor: of(|took| took.processor),
            wall: of(|took| took.wall),
        }
    }
}
