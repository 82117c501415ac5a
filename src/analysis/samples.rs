//! The second pass: which contexts are kept of the latents of a band, by rules that look at final maxima, so that the
//! order of contexts decides nothing but ties.

use std::collections::{BinaryHeap, HashSet};

use super::contexts::{Entry, Seen};
use super::kept::{Kept, bound, hash, mixed, offer, pack, peak_of, unpack};
use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;
use crate::findings::{Sample, Subsample, SubsampleKind};

/// The best contexts of the latents of a band, for each subsample.
pub(super) struct Collection<'a> {
    rules: &'a [Subsample],
    seed: u64,
    first: u32,
    /// The final maxima of the latents of the band.
    max: Vec<f32>,
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
    pub(super) fn new(rules: &'a [Subsample], seed: u64, first: u32, max: Vec<f32>, latents: usize) -> Self {
        Collection {
            rules,
            seed: mixed(seed),
            first,
            near: None,
            kept: vec![BinaryHeap::new(); max.len() * rules.len()],
            bounds: vec![u64::MAX; max.len() * rules.len()],
            max,
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
        self.add_silences(seen);
    }

    /// Looks at a context for what needs no maximum: the latents that do not fire in it.
    pub(super) fn add_silent_only(&mut self, seen: &Seen<'_>) {
        for entries in seen.by_latent() {
            self.fired[entries[0].latent as usize] = seen.ordinal + 1;
        }
        self.add_silences(seen);
    }

    fn add_silences(&mut self, seen: &Seen<'_>) {
        if seen.counted.is_empty() {
            return;
        }
        for rule in 0..self.rules.len() {
            if self.rules[rule].kind == SubsampleKind::Silent {
                self.add_silent(rule, seen.ordinal);
            }
        }
    }

    /// Sets the final maxima, where they were not known before; what never fires has no samples.
    pub(super) fn settle(&mut self, max: &[f32]) {
        self.max = max.to_vec();
        let rules = self.rules.len();
        for (at, heap) in self.kept.iter_mut().enumerate() {
            if max[at / rules] <= 0.0 {
                heap.clear();
            }
        }
    }

    /// Looks at a context in which a latent of the band fires.
    pub(super) fn add_firing(&mut self, ordinal: u32, entries: &[Entry]) {
        let latent = entries[0].latent;
        let at = (latent - self.first) as usize;
        let peak = peak_of(entries);
        for (rule, heap) in self.rules.iter().zip(&mut self.kept[at * self.rules.len()..]) {
            if !qualifies(rule, peak.value, self.max[at]) {
                continue;
            }
            let key = match rule.kind {
                SubsampleKind::Top => top_key(peak.value),
                _ => hash(self.seed, latent, ordinal),
            };
            offer(heap, rule.n_samples, (key, ordinal), || {
                Kept::firing(ordinal, entries, &peak, key)
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
            offer(kept, n_samples, (key, ordinal), || Kept::silent(ordinal, key));
            self.bounds[heap] = bound(kept, n_samples);
        }
    }

    /// Returns the contexts that are kept of anything.
    pub(super) fn ordinals(&self) -> HashSet<u32> {
        self.kept.iter().flatten().map(|kept| kept.ordinal).collect()
    }

    /// Returns the rules.
    pub(super) fn rules(&self) -> &[Subsample] {
        self.rules
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
        pack(self.kept.iter(), packed);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents or rules.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let heaps = unpack(unpacked)?;
        if heaps.len() != self.kept.len() {
            return Err(broken());
        }
        self.kept = heaps;
        for (at, heap) in self.kept.iter().enumerate() {
            self.bounds[at] = bound(heap, self.rules[at % self.rules.len()].n_samples);
        }
        Ok(())
    }
}

/// Returns the key by which contexts with larger peaks are better.
pub(super) fn top_key(peak: f32) -> u64 {
    u64::from(!peak.to_bits())
}

/// Returns whether a context with this peak qualifies, `max` being the latent's maximum.
fn qualifies(rule: &Subsample, peak: f32, max: f32) -> bool {
    // A model that is run a second time on a GPU may give a maximum that differs in its last places.
    let peak = peak.min(max);
    let part = |proportion: f64| proportion as f32 * max;
    rule.kind != SubsampleKind::Silent && peak <= part(rule.proportion) && peak > part(rule.min_proportion)
}
