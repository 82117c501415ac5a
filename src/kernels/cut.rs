//! What separates the largest scores of a batch from the others, found without listing them: rows are looked at some at a time
//! and counted by their ranks, and looked at again where the place of the cut has not been guessed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use super::select::{Cut, rank};
use crate::native::parallel::for_ranges;

/// How many rows are worth a thread.
const GRAIN: usize = 16;

/// How many counters there are. As many ranks are 2 to 3% to either side of what is guessed.
const COUNTERS: usize = 1 << 19;

/// Their bytes.
pub const COUNTER_BYTES: u64 = (COUNTERS * size_of::<AtomicU64>()) as u64;

/// The highest rank of a number; only NaN comes before it.
const HIGHEST: u32 = f32::INFINITY.to_bits();

/// Finds the [`Cut`] of a batch that comes some rows at a time. It keeps its counters from one batch to the next.
#[derive(Default)]
pub struct CutSearch {
    /// How many scores are kept, and out of how many rows.
    count: usize,
    rows: usize,
    /// The ranks that are counted; not known before the first rows.
    span: Option<Span>,
    counters: Vec<AtomicU64>,
    /// How many ranks are higher than those, and how many scores are NaN.
    over: AtomicU64,
    nan: AtomicU64,
}

/// Ranks that are counted: `1 << shift` with each counter, from `first` on.
#[derive(Clone, Copy)]
struct Span {
    first: u32,
    shift: u32,
}

impl Span {
    /// All ranks.
    const ALL: Span = Span {
        first: 1,
        shift: (u32::BITS - 1) - COUNTERS.ilog2(),
    };

    /// Returns as many ranks as can be counted one by one, `rank` in their midst.
    fn around(rank: u32) -> Span {
        let first = rank.saturating_sub(COUNTERS as u32 / 2).max(1);
        Span { first, shift: 0 }
    }

    /// Returns the last rank.
    fn last(self) -> u32 {
        let ranks = (COUNTERS as u64) << self.shift;
        (u64::from(self.first) + ranks - 1).min(u64::from(HIGHEST)) as u32
    }
}

/// What the counters tell of the rows that were looked at.
enum Told {
    /// This is it, or there are fewer scores than are kept.
    Cut(Cut),
    /// The cut is in here.
    Within(Span),
}

impl CutSearch {
    /// Begins a batch of `rows` rows, the `count` largest scores of which are kept.
    pub fn begin(&mut self, count: usize, rows: usize) {
        (self.count, self.rows) = (count, rows);
        self.span = None;
        self.counters.resize_with(COUNTERS, AtomicU64::default);
    }

    /// Looks at the next rows, with their pre-activations `hidden_pre` (rows × latents), of which `factor` (heads × latents) makes
    /// scores.
    ///
    /// # Panics
    /// Panics where shapes do not agree.
    pub fn look(&mut self, hidden_pre: &[f32], latents: usize, factor: &[f32]) {
        assert!(
            hidden_pre.len().is_multiple_of(latents) && factor.len().is_multiple_of(latents),
            "rows and heads are whole"
        );
        if self.count == 0 {
            return;
        }
        if let Some(span) = self.span {
            return self.tally(span, (hidden_pre, latents), factor);
        }
        // The first rows stand for all.
        let part = (hidden_pre.len() / latents) as f64 / self.rows.max(1) as f64;
        let share = ((self.count as f64 * part) as usize).max(1);
        let mut span = Span::ALL;
        let guessed = loop {
            self.forget();
            self.tally(span, (hidden_pre, latents), factor);
            match self.told(span, share) {
                Told::Cut(cut) => break cut,
                Told::Within(narrower) => span = narrower,
            }
        };
        let span = Span::around(guessed.rank);
        self.span = Some(span);
        self.forget();
        self.tally(span, (hidden_pre, latents), factor);
    }

    /// Returns a cut that takes all that the one of the batch takes, and a little more, provided that [`end`](Self::end) finds that one
    /// after this round; `None` where ranks are not counted one by one yet.
    pub fn least(&self) -> Option<Cut> {
        let span = self.span.filter(|span| span.shift == 0)?;
        Some(Cut {
            rank: span.first,
            ties: usize::MAX,
        })
    }

    /// Returns the cut, after all rows; `None` where all have to be looked at again.
    pub fn end(&mut self) -> Option<Cut> {
        if self.count == 0 {
            return Some(Cut::NOTHING);
        }
        let Some(span) = self.span else {
            return Some(Cut { rank: 0, ties: 0 });
        };
        match self.told(span, self.count) {
            Told::Cut(cut) => Some(cut),
            Told::Within(span) => {
                self.span = Some(span);
                self.forget();
                None
            }
        }
    }

    /// Sets all counters to 0.
    fn forget(&mut self) {
        let others = [&mut self.over, &mut self.nan];
        for counter in self.counters.iter_mut().chain(others) {
            *counter.get_mut() = 0;
        }
    }

    /// Counts the ranks of the scores of some rows.
    fn tally(&self, span: Span, (hidden_pre, latents): (&[f32], usize), factor: &[f32]) {
        let isa = Isa::chosen();
        for_ranges(hidden_pre.len() / latents, GRAIN, |range| {
            let (mut over, mut nan) = (0, 0);
            for row in hidden_pre[range.start * latents..range.end * latents].chunks(latents) {
                for factor in factor.chunks(latents) {
                    let tally = Tally {
                        row,
                        factor,
                        span,
                        counters: &self.counters,
                    };
                    let (more_over, more_nan) = lanes::run(isa, tally);
                    over += more_over;
                    nan += more_nan;
                }
            }
            self.over.fetch_add(over, Ordering::Relaxed);
            self.nan.fetch_add(nan, Ordering::Relaxed);
        });
    }

    /// Returns what the counters tell of the `count` largest scores.
    fn told(&self, span: Span, count: usize) -> Told {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as usize;
        let nan = read(&self.nan);
        if nan >= count {
            return Told::Cut(Cut {
                rank: u32::MAX,
                ties: count,
            });
        }
        let mut before = nan + read(&self.over);
        if before >= count {
            let first = span.last() + 1;
            return Told::Within(Span { first, ..Span::ALL });
        }
        for (number, counter) in self.counters.iter().enumerate().rev() {
            let here = read(counter);
            if before + here >= count {
                let first = span.first + ((number as u32) << span.shift);
                return match span.shift {
                    0 => Told::Cut(Cut {
                        rank: first,
                        ties: count - before,
                    }),
                    _ => Told::Within(Span { first, shift: 0 }),
                };
            }
            before += here;
        }
        if span.first > 1 {
            // Too few are in the span or over it.
            return Told::Within(Span::ALL);
        }
        Told::Cut(Cut { rank: 0, ties: 0 })
    }
}

/// Counts the ranks of a span among the scores of a row. Returns how many are over it, and how many scores are NaN.
struct Tally<'a> {
    row: &'a [f32],
    factor: &'a [f32],
    span: Span,
    counters: &'a [AtomicU64],
}

impl Kernel for Tally<'_> {
    type Output = (u64, u64);

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> (u64, u64) {
        let Span { first, shift } = self.span;
        let (low, high) = (f32::from_bits(first), f32::from_bits(self.span.last()));
        let (mut over, mut nan) = (0, 0);
        for (row, factor) in self.row.chunks(GROUP).zip(self.factor.chunks(GROUP)) {
            let mut scores = [0.0; GROUP];
            for ((score, value), factor) in scores.iter_mut().zip(row).zip(factor) {
                *score = value * factor;
            }
            // Without a branch for each, since few groups have one that is counted by itself.
            let exceed = count(&scores, |score| score > high);
            let reach = count(&scores, |score| score >= low);
            over += exceed;
            nan += count(&scores, f32::is_nan);
            if reach == exceed {
                continue;
            }
            let counted = scores.into_iter().filter(|score| *score <= high);
            for from_first in counted
                .filter_map(rank)
                .filter_map(|rank| rank.checked_sub(first))
            {
                self.counters[(from_first >> shift) as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        (over, nan)
    }
}

/// Returns how many of these scores are so.
#[inline(always)]
fn count(scores: &[f32; GROUP], is_so: impl Fn(f32) -> bool) -> u64 {
    let ones = scores.iter().map(|score| u32::from(is_so(*score)));
    u64::from(ones.sum::<u32>())
}

#[cfg(test)]
mod tests;
