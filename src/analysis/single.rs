//! A single pass over a stream that cannot be read again: what two passes find, as nearly as one can without knowing the
//! final maxima.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::contexts::{Entry, Seen};
use super::distributions::{Distributions, Spread};
use super::frequent::Place;
use super::kept::{self, Kept, hash, mixed, offer, peak_of};
use super::pack::{Packed, Unpacked, broken};
use super::passes::{First, KeptContext, Pass, Second, pack_contexts, unpack_contexts};
use super::progress::Parts;
use super::samples::{Collection, top_key};
use super::statistics::Statistics;
use super::tokens::TokenCounts;
use crate::error::Result;
use crate::findings::{Subsample, SubsampleKind};

/// Buckets of peaks below that of the largest that are kept apart; the others are one.
const BUCKETS: i32 = 24;

/// Contexts after which what is kept is looked at.
const OFTEN: u32 = 1024;

/// Contexts that may turn out to be samples of one latent.
#[derive(Default)]
struct Reservoir {
    /// Those with the largest peaks.
    top: BinaryHeap<Kept>,
    /// Drawn from those with peaks in each bucket of ratio 2^¼. The smallest hashes of some buckets together are a draw
    /// from all of them.
    buckets: BTreeMap<i32, BinaryHeap<Kept>>,
}

/// How much is kept of each latent.
#[derive(Clone, Copy)]
struct Room {
    /// Contexts with the largest peaks.
    top: u32,
    /// Contexts of each bucket.
    each: u32,
}

/// Counts, and contexts that may turn out to be samples.
pub(super) struct Single<'a> {
    pub(super) first: First,
    collection: Collection<'a>,
    reservoirs: Vec<Reservoir>,
    room: Room,
    seed: u64,
    spread: Spread,
    tokens: TokenCounts,
    contexts: HashMap<u32, KeptContext>,
    /// Bytes that contexts may take.
    limit: u64,
}

impl<'a> Single<'a> {
    /// Returns a pass that `first` counts in, for the samples of all latents by the rules of `collection`, or one with what
    /// `parts` have. Contexts take `limit` bytes at most, as long as one of each bucket fits.
    ///
    /// # Errors
    /// The parts are damaged.
    pub(super) fn new(
        first: First,
        (collection, rules): (Collection<'a>, &[Subsample]),
        (seed, limit): (u64, u64),
        parts: &Parts,
    ) -> Result<Self> {
        let latents = first.statistics.max.len();
        let most = |wanted: &dyn Fn(&Subsample) -> bool| {
            let wanted = rules.iter().filter(|rule| wanted(rule));
            wanted.map(|rule| rule.n_samples).max().unwrap_or(0)
        };
        let is_top = |rule: &Subsample| rule.kind == SubsampleKind::Top && rule.proportion >= 1.0;
        let mut single = Single {
            collection,
            reservoirs: (0..latents).map(|_| Reservoir::default()).collect(),
            room: Room {
                top: most(&is_top),
                each: most(&|rule| rule.kind != SubsampleKind::Silent && !is_top(rule)),
            },
            seed: mixed(seed),
            spread: Spread::new(latents),
            tokens: TokenCounts::new(&first.statistics.candidates, 0, latents as u32),
            contexts: HashMap::new(),
            limit,
            first,
        };
        if let Some(bytes) = parts.get("single") {
            single.unpack(&mut Unpacked::new(bytes))?;
        }
        Ok(single)
    }

    /// Returns what was counted, and what a second pass would have found.
    pub(super) fn done(self) -> (First, impl FnOnce(&'a Statistics) -> Second<'a>) {
        let Single {
            first,
            mut collection,
            reservoirs,
            spread,
            tokens,
            contexts,
            ..
        } = self;
        let settle = move |statistics: &'a Statistics| {
            collection.settle(&statistics.max);
            for (latent, reservoir) in (0..).zip(&reservoirs) {
                for (ordinal, kept) in reservoir.by_context() {
                    let entries: Vec<Entry> = kept.entries(latent).collect();
                    collection.add_firing(ordinal, &entries);
                }
            }
            let distributions = Distributions::of_spread(&spread, &statistics.max);
            Second::found(statistics, collection, distributions, (tokens, contexts))
        };
        (first, settle)
    }

    /// Forgets the contexts that nothing names any more, and keeps fewer where they take too much.
    fn tidy(&mut self) {
        loop {
            let all = || self.reservoirs.iter().flat_map(Reservoir::heaps).flatten();
            let bytes: f64 = all().map(|kept| kept::bytes(kept.activations.len() as f64)).sum();
            if bytes as u64 <= self.limit || self.room.each <= 1 {
                break;
            }
            self.room.each /= 2;
            let most = self.room.each as usize;
            let buckets = self
                .reservoirs
                .iter_mut()
                .flat_map(|one| one.buckets.values_mut());
            for heap in buckets {
                while heap.len() > most {
                    heap.pop();
                }
            }
        }
        let mut named = self.collection.ordinals();
        named.extend(
            self.reservoirs
                .iter()
                .flat_map(Reservoir::heaps)
                .flatten()
                .map(|kept| kept.ordinal),
        );
        self.contexts.retain(|ordinal, _| named.contains(ordinal));
    }

    fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        self.collection.unpack(unpacked)?;
        self.spread.unpack(unpacked)?;
        self.tokens.unpack(unpacked)?;
        let room = unpacked.u32s()?;
        self.room.each = *room.first().ok_or_else(broken)?;
        let (lengths, numbers) = (unpacked.u32s()?, unpacked.u32s()?);
        let mut numbers = numbers.into_iter().map(u32::cast_signed);
        let mut heaps = kept::unpack(unpacked)?.into_iter();
        if lengths.len() != self.reservoirs.len() {
            return Err(broken());
        }
        for (reservoir, length) in self.reservoirs.iter_mut().zip(lengths) {
            reservoir.top = heaps.next().ok_or_else(broken)?;
            for _ in 0..length {
                let bucket = numbers.next().zip(heaps.next()).ok_or_else(broken)?;
                reservoir.buckets.extend([bucket]);
            }
        }
        self.contexts = unpack_contexts(unpacked)?;
        Ok(())
    }
}

impl Pass for Single<'_> {
    fn add(&mut self, seen: &Seen<'_>) -> Result<()> {
        let (spread, tokens) = (&mut self.spread, &mut self.tokens);
        self.first.count(seen, |entry: &Entry, token, place: Place| {
            spread.add(entry.latent, entry.value);
            tokens.note_at(place.at, place.is_new.then_some(token), entry.value);
        });
        self.collection.add_silent_only(seen);
        for entries in seen.by_latent() {
            let latent = entries[0].latent;
            let hash = hash(self.seed, latent, seen.ordinal);
            self.reservoirs[latent as usize].add(self.room, (seen.ordinal, hash), entries);
        }
        self.contexts.insert(seen.ordinal, KeptContext::of(seen));
        if seen.ordinal % OFTEN == OFTEN - 1 {
            self.tidy();
        }
        Ok(())
    }

    fn parts(&self) -> Result<Parts> {
        let mut parts = self.first.parts()?;
        let mut packed = Packed::default();
        self.collection.pack(&mut packed);
        self.spread.pack(&mut packed);
        self.tokens.pack(&mut packed);
        packed.u32s(&[self.room.each]);
        let reservoirs = self.reservoirs.iter();
        packed.u32s(
            &reservoirs
                .clone()
                .map(|one| one.buckets.len() as u32)
                .collect::<Vec<_>>(),
        );
        let numbers = reservoirs.clone().flat_map(|one| one.buckets.keys());
        packed.u32s(&numbers.map(|number| number.cast_unsigned()).collect::<Vec<_>>());
        kept::pack(reservoirs.flat_map(Reservoir::heaps), &mut packed);
        pack_contexts(self.contexts.iter(), &mut packed)?;
        parts.insert("single".into(), packed.done());
        Ok(parts)
    }
}

impl Reservoir {
    /// Looks at a context in which the latent fires.
    fn add(&mut self, room: Room, (ordinal, hash): (u32, u64), entries: &[Entry]) {
        let peak = peak_of(entries);
        if room.top > 0 {
            let key = top_key(peak.value);
            offer(&mut self.top, room.top, (key, ordinal), || {
                Kept::firing(ordinal, entries, &peak, key)
            });
        }
        if room.each == 0 {
            return;
        }
        let bucket = bucket(peak.value);
        let highest = self
            .buckets
            .last_key_value()
            .map_or(bucket, |(highest, _)| bucket.max(*highest));
        let lowest = highest - BUCKETS;
        let heap = self.buckets.entry(bucket.max(lowest)).or_default();
        offer(heap, room.each, (hash, ordinal), || {
            Kept::firing(ordinal, entries, &peak, hash)
        });
        while let Some(entry) = self.buckets.first_entry()
            && *entry.key() < lowest
        {
            let below = entry.remove();
            let heap = self.buckets.entry(lowest).or_default();
            for kept in below {
                offer(heap, room.each, (kept.key, kept.ordinal), || kept);
            }
        }
    }

    fn heaps(&self) -> impl Iterator<Item = &BinaryHeap<Kept>> + Clone {
        std::iter::once(&self.top).chain(self.buckets.values())
    }

    /// Returns what is kept, each context once.
    fn by_context(&self) -> BTreeMap<u32, &Kept> {
        self.heaps().flatten().map(|kept| (kept.ordinal, kept)).collect()
    }
}

/// Returns the bucket of a peak: four to an octave.
fn bucket(peak: f32) -> i32 {
    (4.0 * peak.log2()).floor() as i32
}
