//! One pass over the stream: what is counted in it, and how it goes on after it was broken off.

use std::collections::HashMap;

use super::coactivation::Coactivation;
use super::contexts::{ContextReader, Entry, Seen};
use super::distributions::Distributions;
use super::frequent::Place;
use super::pack::{Packed, Unpacked, broken};
use super::progress::{Keeper, Parts, Position, restore};
use super::samples::Collection;
use super::statistics::Statistics;
use super::tokens::TokenCounts;
use crate::activations::BatchStream;
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};
use crate::findings;

/// What a pass does with contexts.
pub(super) trait Pass {
    /// Looks at a context.
    ///
    /// # Errors
    /// It does not fit what was seen before.
    fn add(&mut self, seen: &Seen<'_>) -> Result<()>;

    /// Returns what it has, to go on from.
    fn parts(&self) -> Result<Parts>;
}

/// Reads `stream` to its end, or as far as is wanted. It begins where `kept` says.
///
/// # Errors
/// A stop was asked for: what was done is kept; what the stream says, or the store.
pub(super) fn walk(
    pass: &mut dyn Pass,
    reader: &mut ContextReader<'_>,
    (stream, kept): (&mut dyn BatchStream, &Parts),
    (keeper, position, title): (&mut Keeper<'_>, &mut Position, &str),
    (context, total): (&RunContext, u64),
) -> Result<()> {
    if restore(stream, kept)? {
        (reader.next, reader.tokens, reader.counted) = (position.contexts, position.tokens, position.counted);
    }
    context.events.emit(Event::TaskStarted {
        title: title.into(),
        unit: "tokens",
        total: Some(total),
    })?;
    while !reader.is_done() {
        let stopped = context.check("the analysis");
        if stopped.is_err() || keeper.is_due() {
            keeper.keep(position, pass.parts()?, stream)?;
        }
        stopped.map_err(|error| error.hint("start it again to go on from here"))?;
        let Some(batch) = stream.next_batch()? else {
            position.ended_early = true;
            break;
        };
        reader.read(&batch, |seen| pass.add(seen))?;
        (position.contexts, position.tokens, position.counted) = (reader.next, reader.tokens, reader.counted);
        context.events.emit(Event::TaskAdvanced {
            done: reader.tokens,
            shown: Vec::new(),
        })?;
    }
    context.events.emit(Event::TaskFinished)?;
    Ok(())
}

/// Counts, maxima, and which latents fire together.
pub(super) struct First {
    pub(super) statistics: Statistics,
    pub(super) pairs: Option<Coactivation>,
}

impl First {
    /// Returns nothing counted yet, or what `parts` have; `pairs` are to be counted.
    ///
    /// # Errors
    /// They are damaged.
    pub(super) fn new(latents: usize, pairs: Option<Coactivation>, parts: &Parts) -> Result<Self> {
        let mut first = First {
            statistics: Statistics::new(latents),
            pairs,
        };
        if let Some(bytes) = parts.get("statistics") {
            first.statistics.unpack(&mut Unpacked::new(bytes))?;
        }
        if let (Some(pairs), Some(bytes)) = (&mut first.pairs, parts.get("pairs")) {
            pairs.unpack(&mut Unpacked::new(bytes))?;
        }
        Ok(first)
    }

    /// Counts a context; `look` is told of each activation, its token and the place of that among the candidates.
    pub(super) fn count(&mut self, seen: &Seen<'_>, look: impl FnMut(&Entry, u32, Place)) {
        self.statistics.add(seen, look);
        if let Some(pairs) = &mut self.pairs {
            pairs.add(seen);
        }
    }
}

impl Pass for First {
    fn add(&mut self, seen: &Seen<'_>) -> Result<()> {
        self.count(seen, |_, _, _| {});
        Ok(())
    }

    fn parts(&self) -> Result<Parts> {
        let mut parts = Parts::new();
        let mut packed = Packed::default();
        self.statistics.pack(&mut packed);
        parts.insert("statistics".into(), packed.done());
        if let Some(pairs) = &self.pairs {
            let mut packed = Packed::default();
            pairs.pack(&mut packed);
            parts.insert("pairs".into(), packed.done());
        }
        Ok(parts)
    }
}

/// A context that may be named by a sample.
pub(super) struct KeptContext {
    pub(super) tokens: Box<[u32]>,
    pub(super) place: findings::Place,
}

impl KeptContext {
    /// Returns a copy of what is kept of a context.
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        KeptContext {
            tokens: seen.tokens.into(),
            place: seen.place.clone(),
        }
    }
}

/// Samples, exact histograms and counts of tokens of the latents of a band.
pub(super) struct Second<'a> {
    pub(super) statistics: &'a Statistics,
    pub(super) collection: Collection<'a>,
    pub(super) distributions: Distributions,
    pub(super) tokens: TokenCounts,
    pub(super) contexts: HashMap<u32, KeptContext>,
    /// Contexts after the last clearing of those that nothing names any more.
    cleared: usize,
    band: std::ops::Range<u32>,
}

impl<'a> Second<'a> {
    /// Returns an empty pass for the latents of `band`, or one with what `parts` have.
    ///
    /// # Errors
    /// They are damaged.
    pub(super) fn new(
        statistics: &'a Statistics,
        collection: Collection<'a>,
        band: std::ops::Range<u32>,
        parts: &Parts,
    ) -> Result<Self> {
        let latents = band.end - band.start;
        let mut second = Second {
            statistics,
            collection,
            distributions: Distributions::new(band.start, latents),
            tokens: TokenCounts::new(&statistics.candidates, band.start, latents),
            contexts: HashMap::new(),
            cleared: 4096,
            band,
        };
        if let Some(bytes) = parts.get("samples") {
            let mut unpacked = Unpacked::new(bytes);
            second.collection.unpack(&mut unpacked)?;
            second.tokens.unpack(&mut unpacked)?;
            let histograms = unpacked.u32s()?;
            if histograms.len() != second.distributions.counts.len() {
                return Err(broken());
            }
            second.distributions.counts = histograms;
            second.contexts = unpack_contexts(&mut unpacked)?;
        }
        Ok(second)
    }

    /// Returns a pass for all latents that is over, with what was found otherwise.
    pub(super) fn found(
        statistics: &'a Statistics,
        collection: Collection<'a>,
        distributions: Distributions,
        (tokens, contexts): (TokenCounts, HashMap<u32, KeptContext>),
    ) -> Self {
        Second {
            statistics,
            collection,
            distributions,
            tokens,
            contexts,
            cleared: 0,
            band: 0..statistics.max.len() as u32,
        }
    }

    /// Forgets the contexts that no sample names any more, where many were added.
    fn clear(&mut self) {
        if self.contexts.len() < 2 * self.cleared {
            return;
        }
        let named = self.collection.ordinals();
        self.contexts.retain(|ordinal, _| named.contains(ordinal));
        self.cleared = self.contexts.len().max(4096);
    }
}

impl Pass for Second<'_> {
    fn add(&mut self, seen: &Seen<'_>) -> Result<()> {
        for entry in seen
            .entries
            .iter()
            .filter(|entry| self.band.contains(&entry.latent))
        {
            let max = self.statistics.max[entry.latent as usize];
            if entry.value > max * 1.01 {
                return Err(Error::run(format!(
                    "latent {} has an activation of {} in the second pass, but had none above {max} in the first: the \
                     stream does not give the same activations again",
                    entry.latent, entry.value
                ))
                .hint("write the activations to a cache first, and analyse on that"));
            }
            self.distributions.add(entry.latent, entry.value, max);
            let token = seen.tokens[usize::from(entry.position)];
            self.tokens.add(entry.latent, token, entry.value);
        }
        self.collection.add(seen);
        self.contexts.insert(seen.ordinal, KeptContext::of(seen));
        self.clear();
        Ok(())
    }

    fn parts(&self) -> Result<Parts> {
        let mut packed = Packed::default();
        self.collection.pack(&mut packed);
        self.tokens.pack(&mut packed);
        packed.u32s(&self.distributions.counts);
        let named = self.collection.ordinals();
        let kept = self
            .contexts
            .iter()
            .filter(|(ordinal, _)| named.contains(ordinal));
        pack_contexts(kept, &mut packed)?;
        Ok(Parts::from([("samples".to_string(), packed.done())]))
    }
}

pub(super) fn pack_contexts<'c>(
    contexts: impl Iterator<Item = (&'c u32, &'c KeptContext)>,
    packed: &mut Packed,
) -> Result<()> {
    let (mut ordinals, mut lengths, mut tokens, mut places) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (ordinal, context) in contexts {
        ordinals.push(*ordinal);
        lengths.push(context.tokens.len() as u32);
        tokens.extend_from_slice(&context.tokens);
        places.push(&context.place);
    }
    let places =
        serde_json::to_vec(&places).map_err(|error| Error::run(format!("cannot write contexts: {error}")))?;
    packed.u32s(&ordinals);
    packed.u32s(&lengths);
    packed.u32s(&tokens);
    packed.u8s(&places);
    Ok(())
}

pub(super) fn unpack_contexts(unpacked: &mut Unpacked<'_>) -> Result<HashMap<u32, KeptContext>> {
    let (ordinals, lengths, tokens) = (unpacked.u32s()?, unpacked.u32s()?, unpacked.u32s()?);
    let places: Vec<findings::Place> = serde_json::from_slice(&unpacked.u8s()?).map_err(|_| broken())?;
    if lengths.len() != ordinals.len() || places.len() != ordinals.len() {
        return Err(broken());
    }
    let mut rest = tokens.as_slice();
    let mut contexts = HashMap::new();
    for ((ordinal, length), place) in ordinals.into_iter().zip(lengths).zip(places) {
        let (tokens, left) = rest.split_at_checked(length as usize).ok_or_else(broken)?;
        rest = left;
        contexts.insert(
            ordinal,
            KeptContext {
                tokens: tokens.into(),
                place,
            },
        );
    }
    Ok(contexts)
}
