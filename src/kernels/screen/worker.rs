//! What one thread does for one block of rows, and what it hands on.

use super::super::isa::Isa;
use super::super::rescore::products;
use super::super::rounded::PANEL;
use super::super::select::{keep, keep_largest};
use super::block::{Block, LEAST, Lists};
use super::full::Full;
use super::problem::{Counts, Encoder, Keep};
use super::tile_plain;
use super::weights::Weights;
#[cfg(target_arch = "x86_64")]
use super::{tile_avx2, tile_avx512};
use crate::native::parallel::threads;

/// Bytes of rounded rows in a block: they stay in the second-level cache while all weights pass by.
const BLOCK_BYTES: usize = 256 << 10;
/// Bytes that the lists of all threads have together where a block of fewer rows does that.
pub const LISTS_BYTES: usize = 16 << 20;

/// One call, as its workers see it.
pub struct Job<'a> {
    pub isa: Isa,
    /// B x d.
    pub x: &'a [f32],
    pub encoder: &'a Encoder<'a>,
    pub weights: &'a Weights,
    pub keep: Keep<'a>,
    pub lists: Lists,
    /// The guessed threshold relative to a row's norm.
    pub ratio: f32,
    /// The guessed threshold of the batch.
    pub threshold: f32,
}

impl Job<'_> {
    /// Returns the rows and the panels of a tile for this set of instructions.
    pub fn tile(isa: Isa) -> (usize, usize) {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => (tile_avx512::ROWS, tile_avx512::GROUP),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => (tile_avx2::ROWS, 1),
            _ => (tile_plain::ROWS, 1),
        }
    }

    /// Returns how many of `count` rows a block has.
    pub fn block_rows(&self, count: usize) -> usize {
        block_rows(self.isa, self.lists, (self.encoder.width, count))
    }

    /// Returns a row of the batch.
    pub fn row(&self, row: u32) -> &[f32] {
        &self.x[row as usize * self.encoder.width..][..self.encoder.width]
    }

    /// Returns the guessed threshold for a row of this norm.
    fn limit(&self, norm: f32) -> f32 {
        (self.ratio * norm).max(self.threshold).max(LEAST)
    }
}

/// Returns how many of `count` rows of this width a block has: few enough that every thread gets some, and that their lists have
/// room.
pub fn block_rows(isa: Isa, lists: Lists, (width, count): (usize, usize)) -> usize {
    let (rows, group) = Job::tile(isa);
    let cached = (BLOCK_BYTES / (2 * width)).min(512) / rows * rows;
    let listed = LISTS_BYTES / (threads() * lists.bytes(group * PANEL)) / rows * rows;
    let share = count.div_ceil(threads()).next_multiple_of(rows);
    cached.min(listed).min(share).max(rows)
}

/// What was found in one block. Each row that is done has the entries from the end of the one before to its own.
#[derive(Default)]
pub struct Found {
    pub rows: Vec<u32>,
    pub ends: Vec<usize>,
    /// The norms of these rows, and which of them have nothing left to be done.
    pub norms: Vec<f32>,
    pub is_chosen: Vec<bool>,
    /// The latents that are selected, or, in rows where something is left to be done, may be.
    pub index: Vec<u32>,
    /// The pre-activations, where they are known; for a batch first the upper bounds of scores.
    pub value: Vec<f32>,
    /// For a batch the lower bounds of scores.
    pub lower: Vec<f32>,
    /// Latents without a number, and where each row's end.
    pub bare: Vec<u32>,
    pub bare_ends: Vec<usize>,
    /// The rows whose guess was too high.
    pub redo: Vec<u32>,
    /// The least scores selected in rows relative to their norms, where that is finite.
    pub ratios: Vec<f32>,
    pub counts: Counts,
}

impl Found {
    fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
        self.norms.clear();
        self.is_chosen.clear();
        self.index.clear();
        self.value.clear();
        self.lower.clear();
        self.bare.clear();
        self.bare_ends.clear();
        self.redo.clear();
        self.ratios.clear();
        self.counts = Counts::default();
    }

    /// Returns the rows that are done, and where each one's entries are: up to its one of `ends`.
    pub fn entries<'a>(
        &'a self,
        ends: &'a [usize],
    ) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> + 'a {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ranges = starts.zip(ends).map(|(start, &end)| start..end);
        self.rows.iter().copied().zip(ranges)
    }
}

/// Screens all rows of a block against all latents: fills the lists of survivors.
pub fn survivors(isa: Isa, weights: &Weights, block: &mut Block) {
    match isa {
        // SAFETY: whoever started the job has checked that the processor has this set.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { tile_avx512::screen(weights, block) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { tile_avx2::screen(weights, block) },
        _ => tile_plain::screen(weights, block),
    }
}

/// The room that one thread works in.
#[derive(Default)]
pub struct Worker {
    block: Block,
    full: Full,
    index: Vec<u32>,
    value: Vec<f32>,
    keys: Vec<u64>,
}

impl Worker {
    /// Screens some rows of a batch: finds what may be selected in them.
    pub fn screen(&mut self, job: &Job, rows: &[u32], found: &mut Found) {
        found.clear();
        self.full.clear();
        let (tile, group) = Job::tile(job.isa);
        let spare = group * PANEL;
        let row = |at: usize| job.row(rows[at]);
        self.block
            .fill(job.isa, (rows.len(), row), (tile, spare), job.weights, job.lists);
        for slot in 0..rows.len() {
            if !self.block.is_closed(slot) {
                self.block.limit[slot] = job.limit(self.block.rounded(slot).norm);
            }
        }
        survivors(job.isa, job.weights, &mut self.block);
        for slot in 0..rows.len() {
            match job.keep {
                Keep::Largest(count) => self.largest(job, count, slot, rows, found),
                Keep::Above(_) => self.above(job, None, slot, rows, found),
                Keep::Between { spans, .. } => self.above(job, Some(spans), slot, rows, found),
                Keep::Batch(_) => self.bounds(job, slot, rows, found),
            }
        }
        found.counts.rows += rows.len();
    }

    /// Finds what may be among the largest of one row, or has it redone.
    fn largest(&mut self, job: &Job, count: usize, slot: usize, rows: &[u32], found: &mut Found) {
        let norm = self.block.rounded(slot).norm;
        let is_full = self.block.is_closed(slot);
        if is_full {
            self.full(job, slot, rows, found);
            self.choose(job, norm, found);
        } else {
            let guess = job.limit(norm);
            let lower = self.block.lower(slot, count, job.weights);
            if guess > LEAST && lower.is_none_or(|lower| lower < guess) {
                found.redo.push(rows[slot]);
                return;
            }
            self.candidates(job, slot, lower.unwrap_or(LEAST).max(LEAST));
        }
        self.hand_on(rows[slot], (norm, is_full), found);
    }

    /// Finds what may be above its bound in one row; with spans, those apart that need no number.
    fn above(&mut self, job: &Job, spans: Option<&[f32]>, slot: usize, rows: &[u32], found: &mut Found) {
        let norm = self.block.rounded(slot).norm;
        let is_full = self.block.is_closed(slot);
        if is_full {
            self.full(job, slot, rows, found);
            self.choose(job, norm, found);
        } else {
            match spans {
                Some(spans) => self.split(job, slot, spans, &mut found.bare),
                None => self.candidates(job, slot, LEAST),
            }
        }
        found.bare_ends.push(found.bare.len());
        self.hand_on(rows[slot], (norm, is_full), found);
    }

    /// Selects what stands for a row of this norm among its candidates, whose pre-activations are known.
    fn choose(&mut self, job: &Job, norm: f32, found: &mut Found) {
        let score = |latent, value| job.encoder.score(latent, value);
        match job.keep {
            Keep::Largest(count) => {
                let least = keep_largest(count, &mut self.index, &mut self.value, score, &mut self.keys);
                let ratio = least.unwrap_or(0.0) / norm;
                found.ratios.extend(ratio.is_finite().then_some(ratio));
            }
            Keep::Above(bounds) | Keep::Between { bounds, .. } => {
                keep(&mut self.index, &mut self.value, |latent, value| {
                    let (score, bound) = (score(latent, value), bounds[latent as usize]);
                    score > bound || score.is_nan() || bound.is_nan()
                });
            }
            Keep::Batch(_) => {}
        }
    }

    /// Hands on the upper and lower bounds of what may be selected in one row.
    fn bounds(&mut self, job: &Job, slot: usize, rows: &[u32], found: &mut Found) {
        if self.block.is_closed(slot) {
            self.full(job, slot, rows, found);
            for (&latent, value) in self.index.iter().zip(&mut self.value) {
                let score = job.encoder.score(latent, *value);
                *value = if score.is_nan() { f32::INFINITY } else { score };
            }
            keep(&mut self.index, &mut self.value, |_, score| {
                score >= job.threshold.max(LEAST)
            });
            found.lower.extend_from_slice(&self.value);
        } else {
            let (index, estimate) = self.block.survivors(slot);
            self.index.clear();
            self.value.clear();
            self.index.extend_from_slice(index);
            for (&latent, &estimate) in index.iter().zip(estimate) {
                let bound = self.block.bound(slot, latent, job.weights);
                found.lower.push(estimate - bound);
                self.value.push(estimate + bound);
            }
        }
        self.hand_on(rows[slot], (self.block.rounded(slot).norm, false), found);
    }

    /// Takes the survivors of a row whose upper bounds reach `floor`.
    fn candidates(&mut self, job: &Job, slot: usize, floor: f32) {
        let (index, estimate) = self.block.survivors(slot);
        self.index.clear();
        self.value.clear();
        self.index
            .extend(index.iter().zip(estimate).filter_map(|(&latent, &estimate)| {
                (estimate + self.block.bound(slot, latent, job.weights) >= floor).then_some(latent)
            }));
    }

    /// Takes the survivors of a row, those apart that need no number.
    fn split(&mut self, job: &Job, slot: usize, spans: &[f32], bare: &mut Vec<u32>) {
        let (index, estimate) = self.block.survivors(slot);
        self.index.clear();
        self.value.clear();
        for (&latent, &estimate) in index.iter().zip(estimate) {
            let bound = self.block.bound(slot, latent, job.weights);
            if estimate - bound > 0.0 && estimate + bound < spans[latent as usize] {
                bare.push(latent);
            } else if estimate + bound >= LEAST {
                self.index.push(latent);
            }
        }
    }

    /// Takes all latents of a row that cannot be screened.
    fn full(&mut self, job: &Job, slot: usize, rows: &[u32], found: &mut Found) {
        found.counts.full += 1;
        let closed = (slot..rows.len()).filter(|&slot| self.block.is_closed(slot));
        let values = self
            .full
            .values(job.isa, job.encoder, slot, closed, |slot| job.row(rows[slot]));
        let fires = (0..)
            .zip(values)
            .filter(|&(latent, _)| job.encoder.may_fire(latent));
        self.index.clear();
        self.value.clear();
        for (latent, &value) in fires {
            self.index.push(latent);
            self.value.push(value);
        }
    }

    fn hand_on(&mut self, row: u32, (norm, is_chosen): (f32, bool), found: &mut Found) {
        found.index.extend_from_slice(&self.index);
        found.value.extend_from_slice(&self.value);
        // What is not known yet.
        found.value.resize(found.index.len(), 0.0);
        found.rows.push(row);
        found.ends.push(found.index.len());
        found.norms.push(norm);
        found.is_chosen.push(is_chosen);
    }

    /// Computes the pre-activations of the candidates of a block's rows, and selects what can be selected row by row. Of a
    /// batch those are candidates whose upper bound reaches `floor`; elsewhere that is 0.
    ///
    /// Done when all rows are screened, so that it finds the encoder in the cache, and not what rounds it.
    pub fn select(&mut self, job: &Job, floor: f32, found: &mut Found) {
        let (mut start, mut kept) = (0, 0);
        for at in 0..found.rows.len() {
            let entries = start..found.ends[at];
            start = entries.end;
            let (index, value) = (&found.index[entries.clone()], &found.value[entries]);
            self.index.clear();
            self.value.clear();
            if found.is_chosen[at] {
                self.index.extend_from_slice(index);
                self.value.extend_from_slice(value);
            } else {
                let reach = index.iter().zip(value).filter(|&(_, &upper)| upper >= floor);
                self.index.extend(reach.map(|(&latent, _)| latent));
                self.value.resize(self.index.len(), 0.0);
                found.counts.candidates += self.index.len();
                let Encoder { weight, bias, .. } = job.encoder;
                let row = job.row(found.rows[at]);
                products(job.isa, row, weight, bias, &self.index, &mut self.value);
                self.choose(job, found.norms[at], found);
            }
            let end = kept + self.index.len();
            found.index[kept..end].copy_from_slice(&self.index);
            found.value[kept..end].copy_from_slice(&self.value);
            found.ends[at] = end;
            kept = end;
        }
        found.index.truncate(kept);
        found.value.truncate(kept);
    }
}
