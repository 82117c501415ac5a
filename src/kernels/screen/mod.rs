//! Exact encoding of a batch where only few latents are selected, at about the cost of an int16 product.
//!
//! All pre-activations are first estimated from rows and weights rounded to int16. Each estimate has a bound on its error
//! (`weights.rs` has the formula); what cannot be selected within its bound is dropped, and the few latents that are left
//! are computed in float32. Latents and values are those that a full product with the same sums (`rescore.rs`) would
//! select, bit for bit, whatever was estimated or guessed and however many threads there are.
//!
//! Where there is no bound, everything is computed: rows that hold NaN or infinity, or whose norm is above 2^40, and rows
//! with very many survivors; latents like that are candidates in every row.

mod batch;
mod block;
mod full;
mod guess;
mod problem;
mod stores;
#[cfg(target_arch = "x86_64")]
mod tile_avx2;
#[cfg(target_arch = "x86_64")]
mod tile_avx512;
mod tile_plain;
mod weights;
mod worker;

use std::ops::Range;
use std::sync::Mutex;

use super::isa::Isa;
use super::rounded::PANEL;
use crate::native::parallel::threads;
use block::{LEAST, Lists};
use guess::Guess;
pub use problem::{Counts, Encoder, Keep, Rows};
use stores::{Stores, get};
use weights::Weights;
pub use worker::LISTS_BYTES;
use worker::{Found, Job, block_rows};

/// How many blocks of rows a thread has at a time, where each row stands for itself.
const BLOCKS: usize = 2;

/// Encodes batches. It keeps room to work in and what it learnt about thresholds from one batch to the next.
#[derive(Default)]
pub struct Screen {
    weights: Weights,
    guess: Guess,
    /// What was learnt where something else was selected.
    guess_of_others: Guess,
    stores: Stores,
}

impl Screen {
    /// Selects latents for the rows `x` (B x d), and returns how that went.
    ///
    /// # Panics
    /// If the slices do not have the lengths that [`Encoder`] and [`Keep`] tell.
    pub fn encode(&mut self, x: &[f32], encoder: &Encoder, keep: Keep, out: &mut Rows) -> Counts {
        self.encode_with(Isa::chosen(), x, encoder, keep, out)
    }

    /// Selects as [`Screen::encode`] does, once more of the same rows, other latents or as many as another number says.
    ///
    /// # Panics
    /// As [`Screen::encode`].
    pub fn encode_others(&mut self, x: &[f32], encoder: &Encoder, keep: Keep, out: &mut Rows) -> Counts {
        std::mem::swap(&mut self.guess, &mut self.guess_of_others);
        let counts = self.encode(x, encoder, keep, out);
        std::mem::swap(&mut self.guess, &mut self.guess_of_others);
        counts
    }

    /// Selects as [`Screen::encode`] does, with a given set of instructions.
    ///
    /// # Panics
    /// Also if the processor does not have the set.
    pub fn encode_with(
        &mut self,
        isa: Isa,
        x: &[f32],
        encoder: &Encoder,
        keep: Keep,
        out: &mut Rows,
    ) -> Counts {
        check(isa, x, encoder, keep);
        let rows = x.len() / encoder.width;
        let bare = match keep {
            Keep::Between { .. } => encoder.latents(),
            _ => 0,
        };
        out.clear(rows, bare);
        if rows == 0 || encoder.latents() == 0 || matches!(keep, Keep::Largest(0) | Keep::Batch(0)) {
            return Counts {
                rows,
                ..Counts::default()
            };
        }
        self.guess.prepare(keep);
        self.weights.fill(isa, encoder, keep, Job::tile(isa).1);
        let lists = lists(keep, encoder.latents(), rows);
        let weights = &self.weights;
        let mut job = Job {
            isa,
            x,
            encoder,
            weights,
            keep,
            lists,
            ratio: 0.0,
            threshold: LEAST,
        };
        self.stores.rows.clear();
        self.stores.rows.extend(0..rows as u32);
        match keep {
            Keep::Batch(count) => batch::select(&mut job, count, &mut self.stores, &mut self.guess, out),
            _ => by_row(&mut job, &mut self.stores, &mut self.guess, out),
        }
    }
}

fn check(isa: Isa, x: &[f32], encoder: &Encoder, keep: Keep) {
    let latents = encoder.latents();
    assert!(isa <= Isa::best(), "the processor has the instructions");
    assert!(encoder.width > 0 && encoder.width < 1 << 24, "rows have a length");
    assert!(x.len().is_multiple_of(encoder.width), "x has whole rows");
    assert!(
        x.len() / encoder.width < u32::MAX as usize && latents < i32::MAX as usize,
        "numbers of rows fit"
    );
    assert_eq!(
        encoder.weight.len(),
        latents * encoder.width,
        "each latent has a row of weights"
    );
    assert!(
        encoder.factor.is_none_or(|factor| factor.len() == latents),
        "each latent has a factor"
    );
    if let Some(bounds) = keep.bounds() {
        assert_eq!(bounds.len(), latents, "each latent has a bound");
    }
    if let Keep::Between { spans, .. } = keep {
        assert_eq!(spans.len(), latents, "each latent has a span");
    }
}

/// Returns how long lists are: long enough for common rows, short enough that a row beyond is better computed in full.
fn lists(keep: Keep, latents: usize, rows: usize) -> Lists {
    let padded = latents.next_multiple_of(PANEL);
    let common = (latents / 8).clamp(1024, 4096);
    match keep {
        Keep::Largest(count) => {
            let capacity = count.saturating_mul(4).saturating_add(256).min(padded * 2);
            Lists {
                capacity,
                largest: Some(count),
            }
        }
        Keep::Batch(count) => {
            let capacity = common.max(count.saturating_mul(4) / rows).min(padded * 2);
            Lists {
                capacity,
                largest: None,
            }
        }
        Keep::Above(_) | Keep::Between { .. } => Lists {
            capacity: common.min(padded * 2),
            largest: None,
        },
    }
}

/// Returns the bytes of the lists that all threads have while they screen, for rows of so many numbers, latents and rows.
pub fn lists_bytes(keep: Keep, [width, latents, rows]: [usize; 3]) -> usize {
    if rows == 0 || width == 0 {
        return 0;
    }
    let (isa, lists) = (Isa::chosen(), lists(keep, latents, rows));
    let spare = Job::tile(isa).1 * PANEL;
    threads() * block_rows(isa, lists, (width, rows)) * lists.bytes(spare)
}

/// Selects where each row stands for itself, some rows at a time.
fn by_row(job: &mut Job, stores: &mut Stores, guess: &mut Guess, out: &mut Rows) -> Counts {
    let rows = std::mem::take(&mut stores.rows);
    let mut counts = Counts::default();
    // What threads find of so many takes little beside all that is selected.
    let at_a_time = BLOCKS * threads() * job.block_rows(rows.len());
    for rows in rows.chunks(at_a_time) {
        counts += some_rows(job, rows, (stores, guess), out);
    }
    stores.rows = rows;
    counts
}

/// Selects for rows that follow on those before: those whose guess was too high a second time, without one.
fn some_rows(
    job: &mut Job,
    rows: &[u32],
    (stores, guess): (&mut Stores, &mut Guess),
    out: &mut Rows,
) -> Counts {
    job.ratio = guess.ratio();
    let blocks = stores.screen(job, rows, 0);
    let mut redo = std::mem::take(&mut stores.redo);
    redo.clear();
    for found in &mut stores.found[..blocks] {
        redo.append(&mut get(found).redo);
    }
    job.ratio = 0.0;
    let blocks = blocks + stores.screen(job, &redo, blocks);
    stores.each_block(0..blocks, |worker, _, found| worker.select(job, 0.0, found));
    let mut counts = stores.counts(blocks);
    counts.redone = redo.len();
    counts.rows = rows.len();
    stores.redo = redo;
    if matches!(job.keep, Keep::Largest(_)) {
        stores.ratios.clear();
        for found in &mut stores.found[..blocks] {
            stores.ratios.append(&mut get(found).ratios);
        }
        guess.learn_ratios(&mut stores.ratios);
    }
    if let Some(first) = rows.first() {
        let first = *first as usize;
        gather(&mut stores.found[..blocks], first..first + rows.len(), out);
    }
    counts
}

/// Brings what was found of some rows in their order, after that of the rows before.
fn gather(found: &mut [Mutex<Found>], rows: Range<usize>, out: &mut Rows) {
    for found in found.iter_mut() {
        let found = get(found);
        for (row, range) in found.entries(&found.ends) {
            out.offsets[row as usize + 1] = range.len();
        }
        for (row, range) in found.entries(&found.bare_ends) {
            out.bare.mark(row as usize, &found.bare[range]);
        }
    }
    let total = add_up(&mut out.offsets[rows.start..=rows.end]);
    out.index.resize(total, 0);
    out.value.resize(total, 0.0);
    for found in found.iter_mut() {
        let found = get(found);
        for (row, range) in found.entries(&found.ends) {
            let place = out.offsets[row as usize]..out.offsets[row as usize + 1];
            out.index[place.clone()].copy_from_slice(&found.index[range.clone()]);
            out.value[place].copy_from_slice(&found.value[range]);
        }
    }
}

/// Turns the lengths of rows, after where the one before ends, into where they end, and returns where the last one does.
fn add_up(offsets: &mut [usize]) -> usize {
    for row in 1..offsets.len() {
        offsets[row] += offsets[row - 1];
    }
    offsets.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
