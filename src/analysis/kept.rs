//! Contexts that are kept of latents: the best of what is offered, by a key.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::contexts::Entry;
use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;

/// One kept context of one latent. Of two, the less is the better.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) key: u64,
    pub(super) ordinal: u32,
    pub(super) peak_position: u16,
    pub(super) peak: f32,
    pub(super) activations: Box<[(u16, f32)]>,
}

impl Kept {
    /// Returns a context in which a latent fires so, and what `key` makes of its peak.
    pub(super) fn firing(ordinal: u32, entries: &[Entry], peak: &Entry, key: u64) -> Self {
        let activations = entries.iter().map(|entry| (entry.position, entry.value));
        Kept {
            key,
            ordinal,
            peak_position: peak.position,
            peak: peak.value,
            activations: activations.collect(),
        }
    }

    /// Returns what of `latent` it has.
    pub(super) fn entries(&self, latent: u32) -> impl Iterator<Item = Entry> {
        let activations = self.activations.iter();
        activations.map(move |(position, value)| Entry {
            latent,
            position: *position,
            value: *value,
        })
    }

    /// Returns a context in which a latent is silent.
    pub(super) fn silent(ordinal: u32, key: u64) -> Self {
        Kept {
            key,
            ordinal,
            peak_position: 0,
            peak: 0.0,
            activations: Box::default(),
        }
    }

    /// Returns what it is compared by.
    fn rank(&self) -> (u64, u32) {
        (self.key, self.ordinal)
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Kept {}

/// Bytes of one kept context with so many activations.
pub(super) fn bytes(activations: f64) -> f64 {
    size_of::<Kept>() as f64 + 16.0 + size_of::<(u16, f32)>() as f64 * activations
}

/// Writes heaps of contexts, one after the other.
pub(super) fn pack<'k>(heaps: impl Iterator<Item = &'k BinaryHeap<Kept>> + Clone, packed: &mut Packed) {
    let all = || heaps.clone().flatten();
    packed.u32s(&heaps.clone().map(|heap| heap.len() as u32).collect::<Vec<_>>());
    packed.u64s(&all().map(|kept| kept.key).collect::<Vec<_>>());
    packed.u32s(&all().map(|kept| kept.ordinal).collect::<Vec<_>>());
    packed.u16s(&all().map(|kept| kept.peak_position).collect::<Vec<_>>());
    packed.f32s(&all().map(|kept| kept.peak).collect::<Vec<_>>());
    let lengths = all().map(|kept| kept.activations.len() as u32);
    packed.u32s(&lengths.collect::<Vec<_>>());
    let entries = || all().flat_map(|kept| kept.activations.iter());
    packed.u16s(&entries().map(|(position, _)| *position).collect::<Vec<_>>());
    packed.f32s(&entries().map(|(_, value)| *value).collect::<Vec<_>>());
}

/// Reads the heaps that [`pack`] wrote.
///
/// # Errors
/// It did not.
pub(super) fn unpack(unpacked: &mut Unpacked<'_>) -> Result<Vec<BinaryHeap<Kept>>> {
    let lengths = unpacked.u32s()?;
    let (keys, ordinals) = (unpacked.u64s()?, unpacked.u32s()?);
    let (positions, peaks, counts) = (unpacked.u16s()?, unpacked.f32s()?, unpacked.u32s()?);
    let mut entries = unpacked.u16s()?.into_iter().zip(unpacked.f32s()?);
    let mut next = 0;
    let mut heaps = Vec::with_capacity(lengths.len());
    for length in lengths {
        let mut heap = BinaryHeap::new();
        for at in next..next + length as usize {
            let count = *counts.get(at).ok_or_else(broken)? as usize;
            heap.push(Kept {
                key: *keys.get(at).ok_or_else(broken)?,
                ordinal: *ordinals.get(at).ok_or_else(broken)?,
                peak_position: *positions.get(at).ok_or_else(broken)?,
                peak: *peaks.get(at).ok_or_else(broken)?,
                activations: entries.by_ref().take(count).collect(),
            });
        }
        next += length as usize;
        heaps.push(heap);
    }
    Ok(heaps)
}

/// Returns the entry with the largest activation of a latent in a context; of equal ones the first.
pub(super) fn peak_of(entries: &[Entry]) -> Entry {
    let rest = entries.iter().skip(1);
    rest.fold(
        entries[0],
        |best, entry| if entry.value > best.value { *entry } else { best },
    )
}

/// Returns the largest key that a heap of at most `most` still takes.
pub(super) fn bound(heap: &BinaryHeap<Kept>, most: u32) -> u64 {
    match heap.peek() {
        Some(worst) if heap.len() >= most as usize => worst.key,
        _ => u64::MAX,
    }
}

/// Keeps what `make` gives if its `rank` is among the `most` best.
pub(super) fn offer(heap: &mut BinaryHeap<Kept>, most: u32, rank: (u64, u32), make: impl FnOnce() -> Kept) {
    if heap.len() < most as usize {
        heap.push(make());
    } else if let Some(mut worst) = heap.peek_mut()
        && rank < worst.rank()
    {
        *worst = make();
    }
}

/// Returns 64 bits that are as good as random for each latent and context, whatever others there are: the smallest of
/// some are a uniform draw without replacement, and draws of parts can be merged.
pub(super) fn hash(seed: u64, latent: u32, ordinal: u32) -> u64 {
    mixed(seed ^ ((u64::from(latent) << 32) | u64::from(ordinal)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The finaliser of splitmix64 (<https://doi.org/10.1145/2714064.2660195>).
pub(super) fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of 40 contexts is to be drawn equally often over 10,000 latents: χ² with 39 degrees of freedom.
    #[test]
    fn every_context_is_drawn_equally_often() {
        let (contexts, latents, drawn) = (40u32, 10_000u32, 10u32);
        let mut counts = vec![0u32; contexts as usize];
        for latent in 0..latents {
            let mut hashes: Vec<(u64, u32)> =
                (0..contexts).map(|at| (hash(mixed(3), latent, at), at)).collect();
            hashes.sort_unstable();
            for (_, at) in &hashes[..drawn as usize] {
                counts[*at as usize] += 1;
            }
        }
        let expected = f64::from(latents * drawn) / f64::from(contexts);
        let chi: f64 = counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        // Without replacement the spread is (1 - 10/40) of that of free draws; 79.2 has p = 1e-4 with 39 degrees.
        let chi = chi / (1.0 - f64::from(drawn) / f64::from(contexts));
        assert!((12.0..79.2).contains(&chi), "χ² = {chi}");
    }

    #[test]
    fn the_best_are_kept_whatever_their_order() {
        let of = |order: &[u32]| {
            let mut heap = BinaryHeap::new();
            for ordinal in order {
                let key = u64::from(ordinal % 5);
                offer(&mut heap, 4, (key, *ordinal), || Kept::silent(*ordinal, key));
            }
            let mut found: Vec<(u64, u32)> = heap.iter().map(Kept::rank).collect();
            found.sort_unstable();
            found
        };
        let forwards: Vec<u32> = (0..20).collect();
        let backwards: Vec<u32> = forwards.iter().rev().copied().collect();
        assert_eq!(of(&forwards), [(0, 0), (0, 5), (0, 10), (0, 15)]);
        assert_eq!(of(&forwards), of(&backwards));
    }
}
