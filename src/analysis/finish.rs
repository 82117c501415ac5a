//! What is written: the latents of a band, and at the end what needs all of them.

use std::ops::Range;

use super::geometry::{Geometry, heads, nearest_decoders, nearest_living};
use super::neighbours::firing_together;
use super::passes::{First, Second};
use super::settings::FeatureAnalyzerConfig;
use super::statistics::{LOWEST, OCTAVES, Statistics};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::findings::{
    Context, Heads, Histogram, Latent, LatentText, Near, Neighbour, Samples, Store, Subsample, TokenFiring,
    Vocabulary,
};

/// Tokens that are kept of each latent.
const TOKENS: usize = 10;

/// What the dictionary's weights say of its latents.
pub(super) struct Weights {
    geometry: Geometry,
    nearest: Vec<Vec<Neighbour>>,
    heads: Vec<Heads>,
    /// Whether a subsample asks for near latents.
    is_hard: bool,
}

impl Weights {
    /// Computes it.
    ///
    /// # Errors
    /// Too little memory; a stop was asked for.
    pub(super) fn of(
        sae: &SparseAutoEncoder,
        config: &FeatureAnalyzerConfig,
        context: &RunContext,
    ) -> Result<Self> {
        let is_hard = config.subsamples.values().any(|one| one.hard);
        let count = (config.neighbours as usize).max(if is_hard { TOKENS } else { 1 });
        Ok(Weights {
            geometry: Geometry::of(sae)?,
            nearest: nearest_decoders(sae, count, || context.check("the analysis"))?,
            heads: heads(sae)?,
            is_hard,
        })
    }

    /// Returns the 10 nearest latents of each latent of a band, where a subsample asks for them.
    pub(super) fn near_of(&self, band: &Range<u32>) -> Option<(usize, Vec<u32>)> {
        let rows = &self.nearest[band.start as usize..band.end as usize];
        let count = rows.first().map_or(0, |row| row.len().min(TOKENS));
        let near = || {
            rows.iter()
                .flat_map(|row| row[..count].iter().map(|near| near.latent))
        };
        self.is_hard.then(|| (count, near().collect()))
    }
}

/// Writes the latents of a band: figures, histograms, tokens, texts to search in, samples and their contexts.
///
/// # Errors
/// The store cannot be written.
pub(super) fn write_band(
    (store, analysis): (&Store, i64),
    second: &Second<'_>,
    weights: &Weights,
    (config, band): (&FeatureAnalyzerConfig, Range<u32>),
) -> Result<()> {
    let first_context = store.first_context(analysis)?;
    let counted = store.analyses()?.into_iter().find(|one| one.id == analysis);
    let counted = counted.map_or(0, |one| one.counted);
    let words = store.vocabulary()?;
    for latent in band {
        let tokens = second.tokens.of(latent, TOKENS);
        let figures = figures(second.statistics, weights, (latent, counted), tokens.first());
        store.put_latent(analysis, &figures)?;
        if figures.act_times == 0 {
            continue;
        }
        store.put_histogram(analysis, latent, &histogram(second, latent))?;
        if !config.subsamples.is_empty() {
            store.put_text(analysis, latent, &text(second, latent, &tokens, &words))?;
        }
        for (token, count, mean) in tokens {
            let count = u64::from(count);
            store.put_token(
                analysis,
                &TokenFiring {
                    token,
                    latent,
                    count,
                    mean,
                },
            )?;
        }
        for rule in 0..config.subsamples.len() {
            let samples = Samples {
                subsample: rule as u32,
                samples: second.collection.samples(latent, rule, first_context),
            };
            if !samples.samples.is_empty() {
                store.put_samples(analysis, latent, &samples, config.compact)?;
            }
        }
    }
    write_contexts((store, analysis), second, first_context)
}

/// Writes the contexts that samples of a band name, and no band before.
fn write_contexts((store, analysis): (&Store, i64), second: &Second<'_>, first: u32) -> Result<()> {
    let known = store.context_ordinals(analysis)?;
    let mut named: Vec<u32> = second.collection.ordinals().into_iter().collect();
    named.retain(|ordinal| !known.contains(&u64::from(*ordinal)));
    named.sort_unstable();
    let contexts = named.into_iter().map(|ordinal| {
        let kept = second.contexts.get(&ordinal);
        let kept = kept.ok_or_else(|| Error::run(format!("context {ordinal} was not kept")))?;
        Ok(Context {
            id: first + ordinal,
            ordinal: u64::from(ordinal),
            place: kept.place.clone(),
            tokens: kept.tokens.to_vec(),
        })
    });
    store.put_contexts(analysis, &contexts.collect::<Result<Vec<_>>>()?)
}

/// Returns the figures of a latent, all but those that need other latents or the model.
fn figures(
    statistics: &Statistics,
    weights: &Weights,
    (latent, counted): (u32, u64),
    top: Option<&(u32, u32, f64)>,
) -> Latent {
    let at = latent as usize;
    let times = statistics.act_times[at];
    let share = |count: u64| {
        if times == 0 {
            0.0
        } else {
            count as f64 / times as f64
        }
    };
    let nearest = weights.nearest.get(at).and_then(|row| row.first());
    Latent {
        latent,
        act_times: times,
        contexts: statistics.contexts[at],
        max: f64::from(statistics.max[at]),
        mean: if times == 0 {
            0.0
        } else {
            statistics.sum[at] / times as f64
        },
        sum_squares: statistics.sum_squares[at],
        density: times as f64 / counted.max(1) as f64,
        first_share: statistics.first_share(at),
        top_token: top.map(|(token, _, _)| *token),
        top_token_share: share(top.map_or(0, |(_, count, _)| u64::from(*count))),
        encoder_norm: weights.geometry.encoder_norm.get(at).copied(),
        decoder_norm: weights.geometry.decoder_norm.get(at).copied(),
        encoder_decoder: weights.geometry.encoder_decoder.get(at).copied(),
        nearest: nearest.map(|near| near.latent),
        nearest_cosine: nearest.map(|near| f64::from(near.value)),
        ..Latent::default()
    }
}

fn histogram(second: &Second<'_>, latent: u32) -> Histogram {
    let octaves = &second.statistics.octaves[latent as usize * OCTAVES..][..OCTAVES];
    let from = octaves.iter().position(|count| *count > 0).unwrap_or(0);
    let to = octaves
        .iter()
        .rposition(|count| *count > 0)
        .map_or(from, |last| last + 1);
    Histogram {
        linear: second.distributions.of(latent).to_vec(),
        exponent: LOWEST + from as i32,
        octaves: octaves[from..to].to_vec(),
    }
}

/// Writes, within a transaction, what needs all latents: neighbours and flags.
///
/// # Errors
/// The store cannot be written; a stop was asked for.
pub(super) fn finish(
    (store, analysis): (&Store, i64),
    first: &First,
    weights: &Weights,
    (sae, config): (&SparseAutoEncoder, &FeatureAnalyzerConfig),
    check: impl Fn() -> Result<()>,
) -> Result<()> {
    let counted = store.analyses()?.into_iter().find(|one| one.id == analysis);
    let counted = counted.map_or(0, |one| one.counted);
    let count = config.neighbours as usize;
    let scalars = store.scalars(analysis)?;
    let lives: Vec<bool> = scalars.iter().map(|one| one.act_times > 0).collect();
    let twins = nearest_living(sae, &weights.nearest, &lives, check)?;
    for one in scalars {
        let at = one.latent as usize;
        let nearest = &weights.nearest[at];
        if count > 0 {
            let nearest = &nearest[..nearest.len().min(count)];
            store.put_neighbours(analysis, one.latent, Near::Decoder, nearest)?;
        }
        if let Some(heads) = weights.heads.get(at) {
            store.put_heads(one.latent, heads)?;
        }
        if let Some(pairs) = first.pairs.as_ref().filter(|_| one.act_times > 0) {
            let (jaccard, pearson) = firing_together(pairs, &first.statistics, counted, at, count);
            store.put_neighbours(analysis, one.latent, Near::Jaccard, &jaccard)?;
            store.put_neighbours(analysis, one.latent, Near::Pearson, &pearson)?;
        }
        let flags = config.flags.of(&one, counted, twins[at].map(f64::from));
        store.put_latent(analysis, &Latent { flags, ..one })?;
    }
    Ok(())
}

/// Returns the texts by which a latent is found.
fn text(second: &Second<'_>, latent: u32, tokens: &[(u32, u32, f64)], words: &Vocabulary) -> LatentText {
    let rules = Subsample::strongest_first(second.collection.rules()).into_iter();
    let mut samples = rules.map(|rule| second.collection.samples(latent, rule as usize, 0));
    let best = samples.find(|samples| !samples.is_empty()).unwrap_or_default();
    let best = best.iter().filter_map(|sample| {
        let context = second.contexts.get(&sample.context)?;
        Some((&*context.tokens, sample.peak_position))
    });
    LatentText::new(words, tokens.iter().map(|(token, _, _)| *token), best)
}
