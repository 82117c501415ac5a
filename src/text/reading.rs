//! The records of a data set, wherever they are.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::dataset::{Dataset, Source};
use super::format::{Entry, Wanted};
use super::order::{Order, window_generator};
use super::rows::{self, Origin, PlacedRows};
use crate::error::Result;

/// Gaps up to this many records are read over; larger ones are jumped, which costs opening the files again.
const READ_OVER: u64 = 4096;

impl Dataset {
    /// Is there no record at all?
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool> {
        let first = self.rows(&Wanted::default(), 0).next();
        first.transpose().map(|first| first.is_none())
    }

    /// What stands in the place of each record from number `start` on, with its origin.
    pub(super) fn rows(&self, wanted: &Wanted, start: u64) -> PlacedRows {
        match self.source() {
            Source::Files(files) => rows::read(files.clone(), wanted.clone(), start),
            Source::Memory(kept) => {
                let file: Arc<Path> = Path::new(self.name()).into();
                let kept = kept.clone();
                let row = move |index: u64| {
                    let origin = Origin {
                        file: file.clone(),
                        row: index,
                        index,
                    };
                    let row: Entry = Ok(kept.get(usize::try_from(index).ok()?)?.clone());
                    Some(Ok((origin, row)))
                };
                Box::new((start..).map_while(row))
            }
            Source::Chosen(of, order) => order.rows(of, wanted, start),
        }
    }
}

impl Order {
    /// The chosen records of `of` from number `start` on, numbered anew.
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
