//! Exact selection among pre-activations that several heads share: each head multiplies them by factors of its own, and
//! selects for itself.

use std::sync::Mutex;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use super::screen::{Keep, Rows};
use super::select::{Cut, from_ordered, keep_largest, nth_largest, ordered, rank};
use crate::native::parallel::for_ranges;

/// How many rows are worth a thread.
const GRAIN: usize = 16;

/// How many times as many pairs as a batch keeps are held before those are dropped that others have overtaken.
const SPARE: usize = 2;

/// Selects row by row. The latents of the heads are numbered one head after the other. It keeps room to work in from one batch
/// to the next.
#[derive(Default)]
pub struct Chooser {
    /// The rank below which nothing is selected any more, where a whole batch competes.
    cut: u32,
    ranks: Vec<u32>,
    spare: Mutex<Vec<Found>>,
}

/// What was found in some rows.
#[derive(Default)]
struct Found {
    first: usize,
    ends: Vec<usize>,
    index: Vec<u32>,
    value: Vec<f32>,
    one: One,
}

/// Room for a head of a row.
#[derive(Default)]
struct One {
    highest: Vec<f32>,
    order: Vec<i32>,
    index: Vec<u32>,
    value: Vec<f32>,
    keys: Vec<u64>,
}

/// What scores of a head have to be over to be looked at.
#[derive(Clone, Copy)]
enum Floor<'a> {
    /// At least this, and over 0.
    Score(f32),
    /// Over the bound of their latent.
    Bounds(&'a [f32]),
}

impl Chooser {
    /// Begins a batch.
    pub fn begin(&mut self, out: &mut Rows) {
        self.cut = 0;
        for offsets in [&mut out.offsets, &mut out.bare.offsets] {
            offsets.clear();
            offsets.push(0);
        }
        out.index.clear();
        out.value.clear();
        out.bare.index.clear();
    }

    /// Adds what is selected of the next rows, with their pre-activations `hidden_pre` (rows × latents). `factor` (heads × latents)
    /// makes scores of them; `keep` counts or bounds (heads × latents) these. What a batch keeps is only known at its
    /// [`end`](Chooser::end).
    ///
    /// # Panics
    /// Panics where shapes do not agree.
    pub fn add(
        &mut self,
        hidden_pre: &[f32],
        latents: usize,
        (factor, keep): (&[f32], Keep<'_>),
        out: &mut Rows,
    ) {
        assert!(
            hidden_pre.len().is_multiple_of(latents) && factor.len().is_multiple_of(latents),
            "rows and heads are whole"
        );
        let bounds = keep.bounds();
        assert!(
            bounds.is_none_or(|bounds| bounds.len() == factor.len()),
            "each latent has a bound"
        );
        let (isa, cut, spare) = (Isa::chosen(), self.cut, &self.spare);
        let found = Mutex::new(Vec::new());
        for_ranges(hidden_pre.len() / latents, GRAIN, |range| {
            let mut piece = lock(spare).pop().unwrap_or_default();
            piece.clear(range.start);
            for row in range {
                let row = &hidden_pre[row * latents..(row + 1) * latents];
                piece.row(isa, row, (factor, keep, cut));
            }
            lock(&found).push(piece);
        });
        let mut found = found.into_inner().unwrap_or_default();
        found.sort_by_key(|piece| piece.first);
        for piece in found {
            let before = out.index.len();
            out.offsets.extend(piece.ends.iter().map(|end| before + end));
            out.bare.offsets.resize(out.offsets.len(), 0);
            out.index.extend_from_slice(&piece.index);
            out.value.extend_from_slice(&piece.value);
            lock(&self.spare).push(piece);
        }
        if let Keep::Batch(count) = keep
            && out.index.len() > SPARE * count
        {
            self.cut = self.largest(count, factor, out).rank;
            let cut = self.cut;
            retain(factor, out, |score| rank(score) >= Some(cut));
        }
    }

    /// Ends the batch.
    pub fn end(&mut self, factor: &[f32], keep: Keep<'_>, out: &mut Rows) {
        if let Keep::Batch(count) = keep {
            let mut cut = self.largest(count, factor, out);
            retain(factor, out, |score| cut.takes(score));
        }
    }

    /// Returns what separates the `count` largest scores from the others.
    fn largest(&mut self, count: usize, factor: &[f32], out: &Rows) -> Cut {
        self.ranks.clear();
        let pairs = out.index.iter().zip(&out.value);
        self.ranks
            .extend(pairs.filter_map(|(index, value)| rank(value * factor[*index as usize])));
        Cut::largest(&mut self.ranks, count)
    }
}

/// Returns what the lock protects, also after a panic elsewhere: it is room to work in.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps the pairs whose score is wanted, in their order.
fn retain(factor: &[f32], out: &mut Rows, mut wanted: impl FnMut(f32) -> bool) {
    let (mut kept, mut from) = (0, 0);
    for end in &mut out.offsets[1..] {
        for at in from..*end {
            let (index, value) = (out.index[at], out.value[at]);
            (out.index[kept], out.value[kept]) = (index, value);
            kept += usize::from(wanted(value * factor[index as usize]));
        }
        from = std::mem::replace(end, kept);
    }
    out.index.truncate(kept);
    out.value.truncate(kept);
}

impl Found {
    fn clear(&mut self, first: usize) {
        self.first = first;
        self.ends.clear();
        self.index.clear();
        self.value.clear();
    }

    /// Selects for every head of a row.
    fn row(&mut self, isa: Isa, row: &[f32], (factor, keep, cut): (&[f32], Keep<'_>, u32)) {
        let latents = row.len();
        for (head, factor) in factor.chunks(latents).enumerate() {
            let first = head * latents;
            let floor = match keep {
                Keep::Largest(count) => {
                    lanes::run(
                        isa,
                        Highest {
                            row,
                            factor,
                            highest: &mut self.one.highest,
                        },
                    );
                    Floor::Score(self.one.floor(count))
                }
                Keep::Batch(_) => Floor::Score(if cut == u32::MAX {
                    f32::INFINITY
                } else {
                    f32::from_bits(cut)
                }),
                Keep::Above(bounds) | Keep::Between { bounds, .. } => {
                    Floor::Bounds(&bounds[first..][..latents])
                }
            };
            self.one.look(isa, (row, factor), floor);
            if let Keep::Largest(count) = keep {
                let One {
                    index, value, keys, ..
                } = &mut self.one;
                keep_largest(
                    count,
                    index,
                    value,
                    |latent, value| value * factor[latent as usize],
                    keys,
                );
            }
            self.index
                .extend(self.one.index.iter().map(|latent| latent + first as u32));
            self.value.extend_from_slice(&self.one.value);
        }
        self.ends.push(self.index.len());
    }
}

impl One {
    /// Returns a score that at least `count` scores reach, if there are that many groups.
    fn floor(&mut self, count: usize) -> f32 {
        self.order.clear();
        self.order
            .extend(self.highest.iter().map(|highest| ordered(*highest)));
        nth_largest(&mut self.order, count).map_or(0.0, from_ordered)
    }

    /// Lists the latents with a score over the floor.
    fn look(&mut self, isa: Isa, (row, factor): (&[f32], &[f32]), floor: Floor<'_>) {
        self.index.clear();
        self.value.clear();
        lanes::run(
            isa,
            Look {
                row,
                factor,
                floor,
                index: &mut self.index,
                value: &mut self.value,
            },
        );
    }
}

/// The highest score of each group of 16 latents; infinity where one is NaN.
struct Highest<'a> {
    row: &'a [f32],
    factor: &'a [f32],
    highest: &'a mut Vec<f32>,
}

impl Kernel for Highest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        self.highest.clear();
        let groups = self.row.chunks(GROUP).zip(self.factor.chunks(GROUP));
        for (row, factor) in groups {
            let mut scores = [f32::NEG_INFINITY; GROUP];
            for ((score, value), factor) in scores.iter_mut().zip(row).zip(factor) {
                let seen = value * factor;
                *score = if seen.is_nan() { f32::INFINITY } else { seen };
            }
            let highest = scores.iter().fold(
                f32::NEG_INFINITY,
                |high, score| if *score > high { *score } else { high },
            );
            self.highest.push(highest);
        }
    }
}

/// The latents with a score over a floor, group by group.
struct Look<'a> {
    row: &'a [f32],
    factor: &'a [f32],
    floor: Floor<'a>,
    index: &'a mut Vec<u32>,
    value: &'a mut Vec<f32>,
}

impl Kernel for Look<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        // NaN is looked at, and so is every score that has to be over NaN.
        match self.floor {
            Floor::Score(floor) => self.each(|_, score| (score >= floor && score > 0.0) | score.is_nan()),
            Floor::Bounds(bounds) => {
                self.each(|at, score| (score > bounds[at]) | score.is_nan() | bounds[at].is_nan());
            }
        }
    }
}

impl Look<'_> {
    #[inline(always)]
    fn each(self, lets: impl Fn(usize, f32) -> bool) {
        let groups = self.row.chunks(GROUP).zip(self.factor.chunks(GROUP));
        for (group, (row, factor)) in groups.enumerate() {
            let first = group * GROUP;
            let pairs = || row.iter().zip(factor).enumerate();
            // Without a branch for each, since hardly any group has one.
            let is_open = pairs().fold(false, |open, (place, (value, factor))| {
                open | lets(first + place, value * factor)
            });
            if !is_open {
                continue;
            }
            for (place, (value, factor)) in pairs() {
                if lets(first + place, value * factor) {
                    self.index.push((first + place) as u32);
                    self.value.push(*value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
