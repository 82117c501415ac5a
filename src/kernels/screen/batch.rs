//! Selection over a whole batch, where one threshold holds for all rows.

use super::super::select::{Cut, from_ordered, nth_largest, ordered, rank};
use super::block::LEAST;
use super::full::Full;
use super::guess::Guess;
use super::problem::{Counts, Rows};
use super::stores::{Stores, get};
use super::worker::Job;

/// From so many rows a threshold is estimated where none is known.
const SAMPLE: usize = 64;
/// So many times more than wanted are to pass an estimated threshold.
const SAMPLE_MARGIN: f64 = 1.5;
/// How often a threshold is guessed before everything above zero is a survivor.
const ATTEMPTS: usize = 4;

/// Selects the `count` largest scores of the batch.
pub fn select(job: &mut Job, count: usize, stores: &mut Stores, guess: &mut Guess, out: &mut Rows) -> Counts {
    let rows = std::mem::take(&mut stores.rows);
    let known = guess.threshold();
    job.threshold = known.unwrap_or_else(|| sampled(job, rows.len(), count, stores));
    let mut attempt = 0;
    let mut full = 0;
    let (blocks, floor) = loop {
        let blocks = stores.screen(job, &rows, 0);
        let lower = lower(stores, blocks, count);
        if job.threshold <= LEAST || lower.is_some_and(|lower| lower >= job.threshold) {
            break (blocks, lower.unwrap_or(LEAST).max(LEAST));
        }
        full += stores.counts(blocks).full;
        attempt += 1;
        job.threshold = match attempt {
            1 if known.is_some() => sampled(job, rows.len(), count, stores).min(0.9 * job.threshold),
            ATTEMPTS.. => LEAST,
            _ => 0.75 * job.threshold,
        };
    };
    stores.rows = rows;
    stores.each_block(0..blocks, |worker, _, found| worker.select(job, floor, found));
    let mut counts = stores.counts(blocks);
    counts.redone = attempt * counts.rows;
    counts.full += full;
    let cut = cut(job, stores, blocks, count);
    guess.learn_threshold(f32::from_bits(cut.rank));
    gather(job, stores, blocks, cut, out);
    counts
}

/// Returns the `count`-th largest lower bound in the batch, if there are so many.
fn lower(stores: &mut Stores, blocks: usize, count: usize) -> Option<f32> {
    stores.keys.clear();
    for found in &mut stores.found[..blocks] {
        stores
            .keys
            .extend(get(found).lower.iter().map(|&lower| ordered(lower)));
    }
    nth_largest(&mut stores.keys, count).map(from_ordered)
}

/// Returns a threshold that somewhat more than `count` of all scores will pass, by the scores of some rows.
fn sampled(job: &Job, rows: usize, count: usize, stores: &mut Stores) -> f32 {
    let taken = rows.min(SAMPLE);
    let slots = (0..taken).map(|at| at * rows / taken);
    let mut full = Full::default();
    stores.ranks.clear();
    for slot in slots.clone() {
        let next = slots.clone().skip_while(|&other| other < slot);
        let values = full.values(job.isa, job.encoder, slot, next, |slot| job.row(slot as u32));
        let scores = (0..)
            .zip(values)
            .filter(|&(latent, _)| job.encoder.may_fire(latent));
        stores
            .ranks
            .extend(scores.filter_map(|(latent, &value)| rank(job.encoder.score(latent, value))));
    }
    let wanted = count as f64 * taken as f64 / rows as f64 * SAMPLE_MARGIN;
    let threshold = nth_largest(&mut stores.ranks, wanted as usize + 1).map_or(LEAST, f32::from_bits);
    if threshold.is_finite() { threshold } else { LEAST }
}

/// Returns what the selection keeps of the candidates.
fn cut(job: &Job, stores: &mut Stores, blocks: usize, count: usize) -> Cut {
    stores.ranks.clear();
    for found in &mut stores.found[..blocks] {
        let found = get(found);
        let entries = found.index.iter().zip(&found.value);
        stores
            .ranks
            .extend(entries.filter_map(|(&at, &value)| rank(job.encoder.score(at, value))));
    }
    Cut::largest(&mut stores.ranks, count)
}

/// Writes what the selection keeps; the blocks are in the order of rows.
fn gather(job: &Job, stores: &mut Stores, blocks: usize, mut cut: Cut, out: &mut Rows) {
    for found in &mut stores.found[..blocks] {
        let found = get(found);
        for (row, range) in found.entries(&found.ends) {
            for entry in range {
                let (index, value) = (found.index[entry], found.value[entry]);
                if cut.takes(job.encoder.score(index, value)) {
                    out.index.push(index);
                    out.value.push(value);
                }
            }
            out.offsets[row as usize + 1] = out.index.len();
        }
    }
}
