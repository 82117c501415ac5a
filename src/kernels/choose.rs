//! Exact selection among pre-activations that several heads share: each head multiplies them by factors of its own, and
//! selects for itself.

use std::sync::Mutex;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use super::screen::Rows;
use super::select::{Cut, from_ordered, keep_largest, nth_largest, ordered};
use crate::native::parallel::for_ranges;

/// How many rows are worth a thread.
const GRAIN: usize = 16;

/// What is selected of rows.
pub enum Wanted<'a> {
    /// So many of each row and head, the largest ones.
    Largest(usize),
    /// Those over the bound of their latent (heads × latents).
    Above(&'a [f32]),
    /// Those that the cut of a batch takes, whose rows come in order.
    Over(&'a mut Cut),
}

/// Selects row by row. The latents of the heads are numbered one head after the other. It keeps room to work in from one batch
/// to the next.
#[derive(Default)]
pub struct Chooser {
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

/// What is looked for in a row.
#[derive(Clone, Copy)]
enum Goal<'a> {
    /// So many of each head.
    Largest(usize),
    /// All over this.
    Over(Floor<'a>),
}

impl Chooser {
    /// Begins a batch.
    pub fn begin(&mut self, out: &mut Rows) {
        out.clear(0, 0);
    }

    /// Adds what is `wanted` of the next rows, with their pre-activations `hidden_pre` (rows × latents), of which `factor`
    /// (heads × latents) makes scores.
    ///
    /// # Panics
    /// Panics where shapes do not agree.
    pub fn add(
        &mut self,
        (hidden_pre, latents): (&[f32], usize),
        factor: &[f32],
        wanted: Wanted<'_>,
        out: &mut Rows,
    ) {
        assert!(
            hidden_pre.len().is_multiple_of(latents) && factor.len().is_multiple_of(latents),
            "rows and heads are whole"
        );
        let before = out.offsets.len();
        let goal = match &wanted {
            Wanted::Largest(count) => Goal::Largest(*count),
            Wanted::Above(bounds) => {
                assert_eq!(bounds.len(), factor.len(), "each latent has a bound");
                Goal::Over(Floor::Bounds(bounds))
            }
            Wanted::Over(cut) if cut.rank == u32::MAX => Goal::Over(Floor::Score(f32::INFINITY)),
            Wanted::Over(cut) => Goal::Over(Floor::Score(f32::from_bits(cut.rank))),
        };
        self.list((hidden_pre, latents), (factor, goal), out);
        if let Wanted::Over(cut) = wanted {
            retain(out, before, |index, value| {
                cut.takes(value * factor[index as usize])
            });
        }
    }

    /// Lists what is looked for in the next rows.
    fn list(
        &self,
        (hidden_pre, latents): (&[f32], usize),
        (factor, goal): (&[f32], Goal<'_>),
        out: &mut Rows,
    ) {
        let (isa, spare) = (Isa::chosen(), &self.spare);
        let found = Mutex::new(Vec::new());
        for_ranges(hidden_pre.len() / latents, GRAIN, |range| {
            let mut piece = lock(spare).pop().unwrap_or_default();
            piece.clear(range.start);
            for row in range {
                let row = &hidden_pre[row * latents..(row + 1) * latents];
                piece.row(isa, row, (factor, goal));
            }
            lock(&found).push(piece);
        });
        let mut found = found.into_inner().unwrap_or_default();
        found.sort_by_key(|piece| piece.first);
        for piece in found {
            let before = out.index.len();
            out.offsets.extend(piece.ends.iter().map(|end| before + end));
            out.index.extend_from_slice(&piece.index);
            out.value.extend_from_slice(&piece.value);
            lock(&self.spare).push(piece);
        }
    }
}

/// Keeps what the cut of a batch takes of its rows, all of which are there, with all that it can take.
pub fn keep_over(factor: &[f32], cut: &mut Cut, rows: &mut Rows) {
    retain(rows, 1, |index, value| cut.takes(value * factor[index as usize]));
}

/// Returns what the lock protects, also after a panic elsewhere: it is room to work in.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps the wanted pairs of some rows in their order, from the one on whose end is `offsets[first]`.
fn retain(out: &mut Rows, first: usize, mut wanted: impl FnMut(u32, f32) -> bool) {
    let mut from = out.offsets[first - 1];
    let mut kept = from;
    for end in &mut out.offsets[first..] {
        for at in from..*end {
            let (index, value) = (out.index[at], out.value[at]);
            (out.index[kept], out.value[kept]) = (index, value);
            kept += usize::from(wanted(index, value));
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
    fn row(&mut self, isa: Isa, row: &[f32], (factor, goal): (&[f32], Goal<'_>)) {
        let latents = row.len();
        for (head, factor) in factor.chunks(latents).enumerate() {
            let first = head * latents;
            match goal {
                Goal::Largest(count) => self.one.largest(isa, (row, factor), count),
                Goal::Over(Floor::Bounds(bounds)) => {
                    let bounds = &bounds[first..][..latents];
                    self.one.look(isa, (row, factor), Floor::Bounds(bounds));
                }
                Goal::Over(floor) => self.one.look(isa, (row, factor), floor),
            }
            self.index
                .extend(self.one.index.iter().map(|latent| latent + first as u32));
            self.value.extend_from_slice(&self.one.value);
        }
        self.ends.push(self.index.len());
    }
}

impl One {
    /// Lists the latents with the `count` largest scores of a head.
    fn largest(&mut self, isa: Isa, (row, factor): (&[f32], &[f32]), count: usize) {
        let highest = &mut self.highest;
        lanes::run(isa, Highest { row, factor, highest });
        let floor = self.floor(count);
        self.look(isa, (row, factor), Floor::Score(floor));
        let score = |latent: u32, value: f32| value * factor[latent as usize];
        keep_largest(count, &mut self.index, &mut self.value, score, &mut self.keys);
    }

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
pub(super) mod tests;
