//! Which records of a data set another one consists of, and in which order.
//!
//! All of these are lazy: they keep no record, and reading may begin anywhere, so that a stream that is saved and
//! restored goes on with exactly the record it stopped before.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dataset::Dataset;
use super::format::Wanted;
use super::rows::PlacedRows;
use crate::identity;
use crate::tensor::Generator;

/// Gaps up to this many records are read over; larger ones are jumped, which costs opening the files again.
const READ_OVER: u64 = 4096;

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

    /// Returns the chosen records of `of` from number `start` on, numbered anew.
    pub(super) fn rows(&self, of: &Dataset, wanted: &Wanted, start: u64) -> PlacedRows {
        let rows: PlacedRows = match self {
            Order::From(first) => of.rows(wanted, start.saturating_add(*first)),
            Order::First(count) => {
                let left = usize::try_from(count.saturating_sub(start)).unwrap_or(usize::MAX);
                match left {
                    0 => Box::new(std::iter::empty()),
                    left => Box::new(of.rows(wanted, start).take(left)),
                }
            }
            Order::Every { step, first } => Box::new(Picked {
                reader: Reader::new(of.clone(), wanted.clone()),
                numbers: {
                    let (step, first) = (*step, *first);
                    Box::new((start..).map_while(move |number| number.checked_mul(step)?.checked_add(first)))
                },
            }),
            Order::Listed(numbers) => {
                let (numbers, start) = (numbers.clone(), usize::try_from(start).unwrap_or(usize::MAX));
                let numbers = (start..numbers.len()).map(move |at| numbers[at]);
                Box::new(Picked {
                    reader: Reader::new(of.clone(), wanted.clone()),
                    numbers: Box::new(numbers),
                })
            }
            Order::Mixed { seed, window } => {
                let window = *window as u64;
                Box::new(MixedRows {
                    seed: *seed,
                    window,
                    number: start / window,
                    skip: (start % window) as usize,
                    rows: of.rows(wanted, start / window * window),
                    ready: VecDeque::new(),
                    ended: false,
                })
            }
        };
        Box::new(rows.zip(start..).map(|(row, index)| {
            let (mut origin, row) = row?;
            origin.index = index;
            Ok((origin, row))
        }))
    }
}

/// Reads ascending numbers of a data set.
struct Reader {
    of: Dataset,
    wanted: Wanted,
    rows: Option<PlacedRows>,
    /// The number of the row that `rows` gives next.
    at: u64,
}

impl Reader {
    fn new(of: Dataset, wanted: Wanted) -> Self {
        Reader {
            of,
            wanted,
            rows: None,
            at: 0,
        }
    }
}

/// The rows with certain numbers.
struct Picked {
    reader: Reader,
    numbers: Box<dyn Iterator<Item = u64> + Send>,
}

impl Iterator for Picked {
    type Item = <PlacedRows as Iterator>::Item;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.numbers.next()?;
        let reader = &mut self.reader;
        if reader.rows.is_none() || number - reader.at > READ_OVER {
            reader.rows = Some(reader.of.rows(&reader.wanted, number));
            reader.at = number;
        }
        loop {
            let row = reader.rows.as_mut()?.next();
            reader.at += 1;
            match row {
                Some(Ok(_)) if reader.at <= number => {}
                Some(Ok(row)) => return Some(Ok(row)),
                last => {
                    self.numbers = Box::new(std::iter::empty());
                    return last;
                }
            }
        }
    }
}

/// Rows mixed window by window.
struct MixedRows {
    seed: u64,
    window: u64,
    number: u64,
    /// So many of the first window were handed out before.
    skip: usize,
    rows: PlacedRows,
    ready: VecDeque<<PlacedRows as Iterator>::Item>,
    ended: bool,
}

impl Iterator for MixedRows {
    type Item = <PlacedRows as Iterator>::Item;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && !self.ended {
            self.fill();
        }
        self.ready.pop_front()
    }
}

impl MixedRows {
    /// Reads the next window; an error comes after what was read before it.
    fn fill(&mut self) {
        let mut window = Vec::new();
        let mut broken = None;
        while (window.len() as u64) < self.window {
            match self.rows.next() {
                Some(Ok(row)) => window.push(Ok(row)),
                last => {
                    self.ended = true;
                    broken = last;
                    break;
                }
            }
        }
        window_generator(self.seed, self.number).shuffle(&mut window);
        self.number += 1;
        self.ready
            .extend(window.into_iter().skip(std::mem::take(&mut self.skip)));
        self.ready.extend(broken);
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
fn window_generator(seed: u64, window: u64) -> Generator {
    Generator::new(mix(seed ^ mix(window)))
}

/// Spreads neighbouring numbers over all 64 bits (the finaliser of SplitMix64; Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
