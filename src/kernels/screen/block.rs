//! A block of rows while it is screened: the rounded rows, their thresholds, and the list of each one's survivors.

use super::super::isa::Isa;
use super::super::rounded::{Rounded, pack};
use super::super::select::{from_ordered, nth_largest, ordered};
use super::weights::Weights;

/// The least threshold: scores above zero reach it.
pub const LEAST: f32 = f32::from_bits(1);

/// How the lists of survivors of a block are kept.
#[derive(Clone, Copy)]
pub struct Lists {
    /// How many survivors a list holds at most.
    pub capacity: usize,
    /// How many of a row's largest scores are wanted. A full list then loses what cannot be among them, and its row's
    /// threshold rises.
    pub largest: Option<usize>,
}

impl Lists {
    /// Returns the bytes of a list behind which so many more survivors fit: a latent and an estimate for each.
    pub fn bytes(self, spare: usize) -> usize {
        (self.capacity + spare) * (size_of::<u32>() + size_of::<f32>())
    }
}

/// The rows of a block, `tile` of them interleaved, and for each row a list. A row whose threshold is NaN is closed: it has
/// no survivors.
#[derive(Default)]
pub struct Block {
    tile: usize,
    packed: Vec<u32>,
    rounded: Vec<Rounded>,
    /// The scale of each row; like all of these, up to a whole number of tiles.
    pub scale: Vec<f32>,
    /// What multiplies a latent's norm in the bound for each row.
    pub residual: Vec<f32>,
    /// What multiplies a latent's residual in the bound for each row.
    pub norm: Vec<f32>,
    /// What the upper bounds of the scores of each row must reach.
    pub limit: Vec<f32>,
    lists: Option<Lists>,
    /// From one list to the next.
    stride: usize,
    length: Vec<usize>,
    index: Vec<u32>,
    estimate: Vec<f32>,
    keys: Vec<i32>,
}

impl Block {
    /// Rounds `count` rows, interleaves them `tile` at a time, and empties their lists. Entries for up to `spare`
    /// survivors fit behind a list that is not full.
    pub fn fill<'a>(
        &mut self,
        isa: Isa,
        (count, row): (usize, impl Fn(usize) -> &'a [f32]),
        (tile, spare): (usize, usize),
        weights: &Weights,
        lists: Lists,
    ) {
        let padded = count.next_multiple_of(tile);
        let size = tile * weights.pairs();
        self.tile = tile;
        self.packed.resize(padded * weights.pairs(), 0);
        self.rounded.clear();
        self.rounded.resize(count, Rounded::default());
        for (at, packed) in self.packed.chunks_exact_mut(size).enumerate() {
            let rounded = &mut self.rounded[at * tile..count.min((at + 1) * tile)];
            pack(isa, |inner| row(at * tile + inner), tile, packed, rounded);
        }
        for terms in [&mut self.scale, &mut self.residual, &mut self.norm] {
            terms.clear();
            terms.resize(padded, 0.0);
        }
        self.limit.clear();
        self.limit.resize(padded, f32::NAN);
        for (slot, rounded) in self
            .rounded
            .iter()
            .enumerate()
            .filter(|(_, rounded)| rounded.is_usable())
        {
            self.scale[slot] = rounded.scale;
            (self.residual[slot], self.norm[slot]) = weights.row_terms(rounded);
            self.limit[slot] = LEAST;
        }
        self.lists = Some(lists);
        self.stride = lists.capacity + spare;
        self.length.clear();
        self.length.resize(padded, 0);
        if self.index.len() < padded * self.stride {
            self.index.resize(padded * self.stride, 0);
            self.estimate.resize(padded * self.stride, 0.0);
        }
    }

    /// Returns the interleaved rows of each tile, a pair of entries of each row after the other.
    pub fn tile(&self, tile: usize) -> &[u32] {
        let size = self.packed.len() / self.tiles();
        &self.packed[tile * size..(tile + 1) * size]
    }

    /// Returns how many tiles there are.
    pub fn tiles(&self) -> usize {
        self.limit.len() / self.tile
    }

    /// Returns how the row in this slot was rounded.
    pub fn rounded(&self, slot: usize) -> &Rounded {
        &self.rounded[slot]
    }

    /// Returns whether all scores of this row have to be computed: it could not be rounded or had too many survivors.
    pub fn is_closed(&self, slot: usize) -> bool {
        self.limit[slot].is_nan()
    }

    /// Returns the survivors of a row and the estimates of their scores.
    pub fn survivors(&self, slot: usize) -> (&[u32], &[f32]) {
        let list = slot * self.stride..slot * self.stride + self.length[slot];
        (&self.index[list.clone()], &self.estimate[list])
    }

    /// Returns the room behind a row's list, to which [`Block::appended`] then adds what was written.
    pub fn room(&mut self, slot: usize) -> (&mut [u32], &mut [f32]) {
        let room = slot * self.stride + self.length[slot]..(slot + 1) * self.stride;
        (&mut self.index[room.clone()], &mut self.estimate[room])
    }

    /// Adds to a row's list the `count` survivors that were written to its room.
    pub fn appended(&mut self, slot: usize, count: usize, weights: &Weights) {
        self.length[slot] += count;
        if self.length[slot] > self.lists.map_or(0, |lists| lists.capacity) {
            self.make_room(slot, weights);
        }
    }

    /// Returns the bound on the error of the estimate for a row and a latent.
    pub fn bound(&self, slot: usize, latent: u32, weights: &Weights) -> f32 {
        weights.bound(latent, (self.residual[slot], self.norm[slot]))
    }

    /// Returns the `count`-th largest lower bound among the survivors of a row. `None` if there are fewer.
    pub fn lower(&mut self, slot: usize, count: usize, weights: &Weights) -> Option<f32> {
        let mut keys = std::mem::take(&mut self.keys);
        let (index, estimate) = self.survivors(slot);
        keys.clear();
        keys.extend(
            index
                .iter()
                .zip(estimate)
                .map(|(&latent, &estimate)| ordered(estimate - self.bound(slot, latent, weights))),
        );
        let lower = nth_largest(&mut keys, count).map(from_ordered);
        self.keys = keys;
        lower
    }

    /// Drops survivors that cannot be among the largest, or closes the row if most would stay.
    #[cold]
    fn make_room(&mut self, slot: usize, weights: &Weights) {
        let Some(Lists { capacity, largest }) = self.lists else {
            return;
        };
        if let Some(lower) = largest.and_then(|count| self.lower(slot, count, weights)) {
            self.limit[slot] = self.limit[slot].max(lower);
            let start = slot * self.stride;
            let mut kept = start;
            for at in start..start + self.length[slot] {
                let (latent, estimate) = (self.index[at], self.estimate[at]);
                self.index[kept] = latent;
                self.estimate[kept] = estimate;
                kept += usize::from(estimate + self.bound(slot, latent, weights) >= self.limit[slot]);
            }
            self.length[slot] = kept - start;
        }
        if self.length[slot] > capacity / 4 * 3 {
            self.length[slot] = 0;
            self.limit[slot] = f32::NAN;
        }
    }
}
