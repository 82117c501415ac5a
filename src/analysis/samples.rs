//! The second pass: which contexts are kept of the latents of a band, by rules that look at final maxima, so that the
//! order of contexts decides nothing but ties.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use super::contexts::{Entry, Seen};
use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;
use crate::findings::{Sample, Subsample, SubsampleKind};

/// One kept context of one latent. Of two, the less is the better.
#[derive(Clone, Debug)]
struct Kept {
    key: u64,
    ordinal: u32,
    peak_position: u16,
    peak: f32,
    activations: Box<[(u16, f32)]>,
}

impl Kept {
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

/// The best contexts of the latents of a band, for each subsample.
pub(super) struct Collection<'a> {
    rules: &'a [Subsample],
    seed: u64,
    first: u32,
    /// The final maxima of the latents of the band.
    max: &'a [f32],
    /// Nearest latents of each latent of the band, so many each, where a rule asks.
    near: Option<(usize, &'a [u32])>,
    /// For each latent of the band and each rule.
    kept: Vec<BinaryHeap<Kept>>,
    /// The largest key that is still wanted of each heap, which spares a look at it.
    bounds: Vec<u64>,
    /// The context in which each latent of the dictionary fired last, counted from 1.
    fired: Vec<u32>,
}

impl<'a> Collection<'a> {
    /// Returns an empty collection for the latents from `first` on, as many as `max` has numbers, of a dictionary of
    /// `latents`.
    pub(super) fn new(rules: &'a [Subsample], seed: u64, first: u32, max: &'a [f32], latents: usize) -> Self {
        Collection {
            rules,
            seed: mixed(seed),
            first,
            max,
            near: None,
            kept: vec![BinaryHeap::new(); max.len() * rules.len()],
            bounds: vec![u64::MAX; max.len() * rules.len()],
            fired: vec![0; latents],
        }
    }

    /// Has "hard" silent contexts be those in which one of `near` fires, `count` latents for each of the band's.
    pub(super) fn set_near(&mut self, count: usize, near: &'a [u32]) {
        self.near = Some((count, near));
    }

    fn is_in_band(&self, latent: u32) -> bool {
        latent >= self.first && ((latent - self.first) as usize) < self.max.len()
    }

    /// Looks at a context.
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        for entries in seen.by_latent() {
            let latent = entries[0].latent;
            self.fired[latent as usize] = seen.ordinal + 1;
            if self.is_in_band(latent) {
                self.add_firing(seen.ordinal, entries);
            }
        }
        if seen.counted.is_empty() {
            return;
        }
        for rule in 0..self.rules.len() {
            if self.rules[rule].kind == SubsampleKind::Silent {
                self.add_silent(rule, seen.ordinal);
            }
        }
    }

    /// Looks at a context in which a latent of the band fires.
    fn add_firing(&mut self, ordinal: u32, entries: &[Entry]) {
        let latent = entries[0].latent;
        let at = (latent - self.first) as usize;
        let first = entries[0];
        let peak = entries.iter().skip(1).fold(
            first,
            |best, entry| {
                if entry.value > best.value { *entry } else { best }
            },
        );
        for (rule, heap) in self.rules.iter().zip(&mut self.kept[at * self.rules.len()..]) {
            if !qualifies(rule, peak.value, self.max[at]) {
                continue;
            }
            let key = match rule.kind {
                SubsampleKind::Top => u64::from(!peak.value.to_bits()),
                _ => hash(self.seed, latent, ordinal),
            };
            offer(heap, rule.n_samples, (key, ordinal), || Kept {
                key,
                ordinal,
                peak_position: peak.position,
                peak: peak.value,
                activations: entries
                    .iter()
                    .map(|entry| (entry.position, entry.value))
                    .collect(),
            });
        }
    }

    /// Looks at a context for the latents of the band that do not fire in it.
    fn add_silent(&mut self, rule: usize, ordinal: u32) {
        let Subsample { n_samples, hard, .. } = self.rules[rule];
        for at in 0..self.max.len() {
            let latent = self.first + at as u32;
            let heap = at * self.rules.len() + rule;
            let hash = hash(self.seed, latent, ordinal);
            let key = match self.near.filter(|_| hard) {
                None => hash,
                Some((count, near)) => {
                    let near = &near[at * count..][..count];
                    let is_hard = near.iter().any(|near| self.fired[*near as usize] == ordinal + 1);
                    (hash >> 1) | (u64::from(!is_hard) << 63)
                }
            };
            // Of a latent that never fires, every context is silent, and none says anything.
            let fires = self.max[at] <= 0.0 || self.fired[latent as usize] == ordinal + 1;
            if key > self.bounds[heap] || fires {
                continue;
            }
            let kept = &mut self.kept[heap];
            offer(kept, n_samples, (key, ordinal), || Kept {
                key,
                ordinal,
                peak_position: 0,
                peak: 0.0,
                activations: Box::default(),
            });
            self.bounds[heap] = bound(kept, n_samples);
        }
    }

    /// Returns the contexts that are kept of anything.
    pub(super) fn ordinals(&self) -> HashSet<u32> {
        self.kept.iter().flatten().map(|kept| kept.ordinal).collect()
    }

    /// Returns the samples of a latent of the band under a rule, best first; contexts have the numbers from
    /// `first_context` on.
    pub(super) fn samples(&self, latent: u32, rule: usize, first_context: u32) -> Vec<Sample> {
        let heap = &self.kept[(latent - self.first) as usize * self.rules.len() + rule];
        let mut all: Vec<&Kept> = heap.iter().collect();
        all.sort();
        let sample = |kept: &Kept| Sample {
            context: first_context + kept.ordinal,
            peak_position: kept.peak_position,
            peak: kept.peak,
            activations: kept.activations.to_vec(),
        };
        all.into_iter().map(sample).collect()
    }

    /// Writes what is kept.
    pub(super) fn pack(&self, packed: &mut Packed) {
        let all = || self.kept.iter().flatten();
        let lengths: Vec<u32> = self.kept.iter().map(|heap| heap.len() as u32).collect();
        packed.u32s(&lengths);
        packed.u64s(&all().map(|kept| kept.key).collect::<Vec<_>>());
        packed.u32s(&all().map(|kept| kept.ordinal).collect::<Vec<_>>());
        packed.u16s(&all().map(|kept| kept.peak_position).collect::<Vec<_>>());
        packed.f32s(&all().map(|kept| kept.peak).collect::<Vec<_>>());
        packed.u32s(
            &all()
                .map(|kept| kept.activations.len() as u32)
                .collect::<Vec<_>>(),
        );
        let entries = || all().flat_map(|kept| kept.activations.iter());
        packed.u16s(&entries().map(|(position, _)| *position).collect::<Vec<_>>());
        packed.f32s(&entries().map(|(_, value)| *value).collect::<Vec<_>>());
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents or rules.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let lengths = unpacked.u32s()?;
        let (keys, ordinals) = (unpacked.u64s()?, unpacked.u32s()?);
        let (positions, peaks, counts) = (unpacked.u16s()?, unpacked.f32s()?, unpacked.u32s()?);
        let mut entries = unpacked.u16s()?.into_iter().zip(unpacked.f32s()?);
        let mut next = 0;
        if lengths.len() != self.kept.len() {
            return Err(broken());
        }
        for (heap, length) in self.kept.iter_mut().zip(lengths) {
            heap.clear();
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
        }
        for (at, heap) in self.kept.iter().enumerate() {
            self.bounds[at] = bound(heap, self.rules[at % self.rules.len()].n_samples);
        }
        Ok(())
    }
}

/// Returns whether a context with this peak qualifies, `max` being the latent's maximum.
fn qualifies(rule: &Subsample, peak: f32, max: f32) -> bool {
    // A model that is run a second time on a GPU may give a maximum that differs in its last places.
    let peak = peak.min(max);
    let part = |proportion: f64| proportion as f32 * max;
    rule.kind != SubsampleKind::Silent && peak <= part(rule.proportion) && peak > part(rule.min_proportion)
}

/// Returns the largest key that a heap of at most `most` still takes.
fn bound(heap: &BinaryHeap<Kept>, most: u32) -> u64 {
    match heap.peek() {
        Some(worst) if heap.len() >= most as usize => worst.key,
        _ => u64::MAX,
    }
}

/// Keeps what `make` gives if its `rank` is among the `most` best.
fn offer(heap: &mut BinaryHeap<Kept>, most: u32, rank: (u64, u32), make: impl FnOnce() -> Kept) {
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
fn hash(seed: u64, latent: u32, ordinal: u32) -> u64 {
    mixed(seed ^ ((u64::from(latent) << 32) | u64::from(ordinal)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The finaliser of splitmix64 (<https://doi.org/10.1145/2714064.2660195>).
fn mixed(mut bits: u64) -> u64 {
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
        let kept = |ordinal: u32, key: u64| Kept {
            key,
            ordinal,
            peak_position: 0,
            peak: 0.0,
            activations: Box::default(),
        };
        let of = |order: &[u32]| {
            let mut heap = BinaryHeap::new();
            for ordinal in order {
                let key = u64::from(ordinal % 5);
                offer(&mut heap, 4, (key, *ordinal), || kept(*ordinal, key));
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
