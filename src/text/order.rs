//! Which records of a data set another one consists of, and in which order.
//!
//! All of these are lazy: they keep no record, and reading may begin anywhere, so that a stream that is saved and
//! restored goes on with exactly the record it stopped before.

use std::sync::Arc;

use crate::identity;
use crate::tensor::Generator;

/// A choice among the records of another data set.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Those from this number on.
    From(u64),
    /// The first so many.
    First(u64),
    /// Every `step`th, from number `first` on.
    Every { step: u64, first: u64 },
    /// Those with these numbers, which ascend.
    Listed(Arc<[u64]>),
    /// All of them, each window of so many mixed by a permutation of its own.
    Mixed { seed: u64, window: usize },
}

impl Order {
    /// Returns the choice in a few words that tell it from every other.
    pub(super) fn described(&self) -> String {
        match self {
            Order::From(start) => format!("skip({start})"),
            Order::First(count) => format!("take({count})"),
            Order::Every { step, first } => format!("shard({step}, {first})"),
            Order::Listed(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                format!(
                    "{} records by number, {}",
                    numbers.len(),
                    identity::content(&bytes)
                )
            }
            Order::Mixed { seed, window } => format!("shuffle({seed}) in windows of {window}"),
        }
    }

    /// Returns how many of `length` records there are.
    pub(super) fn count(&self, length: u64) -> u64 {
        match self {
            Order::From(start) => length.saturating_sub(*start),
            Order::First(count) => length.min(*count),
            Order::Every { step, first } => length.saturating_sub(*first).div_ceil(*step),
            Order::Listed(numbers) => numbers.len() as u64,
            Order::Mixed { .. } => length,
        }
    }

    /// Returns the number of records where it is known without counting those that are chosen among.
    pub(super) fn known_count(&self) -> Option<u64> {
        match self {
            Order::Listed(numbers) => Some(numbers.len() as u64),
            _ => None,
        }
    }
}

/// Returns the seed of a shuffle in pass number `pass` over the records, from 0.
pub(super) fn seed_of_pass(seed: u64, pass: u64) -> u64 {
    match pass {
        0 => seed,
        pass => mix(seed ^ mix(pass).rotate_left(32)),
    }
}

/// Each window has a generator of its own, so that reading can begin with any of them.
pub(super) fn window_generator(seed: u64, window: u64) -> Generator {
    Generator::new(mix(seed ^ mix(window)))
}

/// Spreads neighbouring numbers over all 64 bits (the finaliser of SplitMix64; Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
