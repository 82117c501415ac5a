//! `Latent`: one latent of an analysis, with its samples.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

use super::analysis_handle::AnalysisHandle;
use crate::error::{Error, Result};
use crate::findings::{Latent, Near, Neighbour, Printing, Sample, TokenLogit};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;

/// Tokens on each side of a peak in the text of a sample.
const AROUND: usize = 10;

/// A latent that scripts hold.
#[derive(Clone)]
pub struct LatentHandle {
    analysis: AnalysisHandle,
    figures: Latent,
}

impl LatentHandle {
    /// Returns the latent with these figures.
    pub fn new(analysis: &AnalysisHandle, figures: Latent) -> Self {
        LatentHandle {
            analysis: analysis.clone(),
            figures,
        }
    }

    /// Returns the latent `number` of an analysis.
    ///
    /// # Errors
    /// The analysis has not come so far; a damaged store.
    pub fn read(analysis: &AnalysisHandle, number: u32) -> Result<Self> {
        let figures = analysis.store().latent(analysis.analysis().id, number)?;
        let figures = figures.ok_or_else(|| {
            Error::input(format!("the analysis has not come to latent {number} yet"))
                .hint("it was broken off: start it again to go on")
        })?;
        Ok(Self::new(analysis, figures))
    }

    /// Returns its number.
    pub fn number(&self) -> u32 {
        self.figures.latent
    }

    /// Returns its samples in the subsample `name`, or in the first.
    fn samples(&self, name: &str) -> Result<Vec<Sample>> {
        let (store, id) = (self.analysis.store(), self.analysis.analysis().id);
        let rules = store.subsamples(id)?;
        let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
            let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            return Err(Error::unknown("subsample", name, &names));
        };
        let all = store.samples(id, self.figures.latent)?.into_iter();
        let of_rule = all.filter(|one| one.subsample == rule.id);
        Ok(of_rule.flat_map(|one| one.samples).collect())
    }

    /// Returns samples as maps.
    fn described(&self, samples: Vec<Sample>) -> Result<Array> {
        let contexts = self
            .analysis
            .store()
            .contexts(samples.iter().map(|sample| sample.context))?;
        let vocabulary = self.analysis.vocabulary()?;
        let described = samples.into_iter().filter_map(|sample| {
            let context = contexts.get(&sample.context)?;
            let tokens = &context.tokens;
            let peak = usize::from(sample.peak_position);
            let around = peak.saturating_sub(AROUND)..tokens.len().min(peak + AROUND + 1);
            let text = |range: std::ops::Range<usize>| -> String {
                let pieces = vocabulary.pieces(tokens.get(range).unwrap_or_default());
                pieces.into_iter().map(|(_, text)| text).collect()
            };
            let mut activations = vec![0.0; tokens.len()];
            for (position, value) in &sample.activations {
                if let Some(at) = activations.get_mut(usize::from(*position)) {
                    *at = f64::from(*value);
                }
            }
            let token = tokens.get(peak).copied().unwrap_or_default();
            let place = &context.place;
            let optional =
                |number: Option<u64>| number.map_or(Dynamic::UNIT, |number| (number as i64).into());
            let entries: [(&str, Dynamic); 9] = [
                ("peak", f64::from(sample.peak).into()),
                ("position", (peak as i64).into()),
                ("token", vocabulary.text(token).into()),
                ("around", text(around).into()),
                ("text", text(0..tokens.len()).into()),
                (
                    "tokens",
                    tokens
                        .iter()
                        .map(|token| Dynamic::from(i64::from(*token)))
                        .collect::<Array>()
                        .into(),
                ),
                (
                    "activations",
                    activations
                        .into_iter()
                        .map(Dynamic::from)
                        .collect::<Array>()
                        .into(),
                ),
                (
                    "dataset",
                    place.dataset.clone().map_or(Dynamic::UNIT, Dynamic::from),
                ),
                ("record", optional(place.record)),
            ];
            Some(Dynamic::from(Map::from_iter(
                entries.map(|(name, value)| (name.into(), value)),
            )))
        });
        Ok(described.collect())
    }

    fn neighbours(&self, near: &str) -> Result<Array> {
        let names = Near::ALL.map(Near::name);
        let kind = Near::ALL.into_iter().find(|one| one.name() == near);
        let kind = kind.ok_or_else(|| Error::unknown("kind of neighbours", near, &names))?;
        let id = self.analysis.analysis().id;
        let found = self.analysis.store().neighbours(id, self.figures.latent, kind)?;
        Ok(found.iter().map(neighbour).collect())
    }
}

fn neighbour(one: &Neighbour) -> Dynamic {
    let entries = [
        ("latent".into(), Dynamic::from(i64::from(one.latent))),
        ("value".into(), f64::from(one.value).into()),
    ];
    Map::from_iter(entries).into()
}

/// Puts the latent object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<LatentHandle>(
        "Latent",
        &["/// One latent of an analysis: its figures, samples, tokens, logits, neighbours and label. Printed, it shows where \
           it fires."],
    );
    combine_with_exported_module!(module, "latent", methods);
    guard::protect(module, &methods::RHAI_MANIFEST);
}

fn optional(value: Option<f64>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

#[export_module(manifest)]
mod methods {
    /// Returns its number.
    #[rhai_fn(get = "index", pure)]
    pub fn index(latent: &mut LatentHandle) -> i64 {
        latent.figures.latent.into()
    }

    /// Returns on how many counted tokens it fires.
    #[rhai_fn(get = "act_times", pure)]
    pub fn act_times(latent: &mut LatentHandle) -> i64 {
        latent.figures.act_times as i64
    }

    /// Returns in how many contexts it fires.
    #[rhai_fn(get = "contexts", pure)]
    pub fn contexts(latent: &mut LatentHandle) -> i64 {
        latent.figures.contexts as i64
    }

    /// Returns its largest activation.
    #[rhai_fn(get = "max", pure)]
    pub fn max(latent: &mut LatentHandle) -> f64 {
        latent.figures.max
    }

    /// Returns its mean activation over the tokens on which it fires.
    #[rhai_fn(get = "mean", pure)]
    pub fn mean(latent: &mut LatentHandle) -> f64 {
        latent.figures.mean
    }

    /// Returns the part of the counted tokens on which it fires.
    #[rhai_fn(get = "density", pure)]
    pub fn density(latent: &mut LatentHandle) -> f64 {
        latent.figures.density
    }

    /// Returns the part of its firings that is on the first counted token of a context.
    #[rhai_fn(get = "first_share", pure)]
    pub fn first_share(latent: &mut LatentHandle) -> f64 {
        latent.figures.first_share
    }

    /// Returns the part of its firings that is on one token.
    #[rhai_fn(get = "top_token_share", pure)]
    pub fn top_token_share(latent: &mut LatentHandle) -> f64 {
        latent.figures.top_token_share
    }

    /// Returns the norm of its encoder column; `()` where it has none.
    #[rhai_fn(get = "encoder_norm", pure)]
    pub fn encoder_norm(latent: &mut LatentHandle) -> Dynamic {
        optional(latent.figures.encoder_norm)
    }

    /// Returns the norm of its decoder row; `()` where it has none.
    #[rhai_fn(get = "decoder_norm", pure)]
    pub fn decoder_norm(latent: &mut LatentHandle) -> Dynamic {
        optional(latent.figures.decoder_norm)
    }

    /// Returns the cosine of its encoder column and decoder row; `()` where it has none.
    #[rhai_fn(get = "encoder_decoder", pure)]
    pub fn encoder_decoder(latent: &mut LatentHandle) -> Dynamic {
        optional(latent.figures.encoder_decoder)
    }

    /// Returns the kurtosis of what it adds to the logits, 3 for a normal distribution; `()` where that was not computed.
    #[rhai_fn(get = "logit_kurtosis", pure)]
    pub fn logit_kurtosis(latent: &mut LatentHandle) -> Dynamic {
        optional(latent.figures.logit_kurtosis)
    }

    /// Returns the skew of what it adds to the logits; `()` where that was not computed.
    #[rhai_fn(get = "logit_skew", pure)]
    pub fn logit_skew(latent: &mut LatentHandle) -> Dynamic {
        optional(latent.figures.logit_skew)
    }

    /// Returns what stands out, e.g. `["rare", "token"]`.
    #[rhai_fn(get = "flags", pure)]
    pub fn flags(latent: &mut LatentHandle) -> Array {
        latent.figures.flags.names().map(Dynamic::from).collect()
    }

    /// Returns its label; `()` without one.
    #[rhai_fn(get = "label", return_raw, pure, volatile)]
    pub fn label(latent: &mut LatentHandle) -> RhaiResultOf<Dynamic> {
        let label = latent.analysis.store().label(latent.figures.latent).raise()?;
        Ok(label.map_or(Dynamic::UNIT, |label| label.text.into()))
    }

    /// Sets its label.
    #[rhai_fn(set = "label", return_raw, pure, volatile)]
    pub fn set_label(latent: &mut LatentHandle, text: &str) -> RhaiResultOf<()> {
        latent
            .analysis
            .store()
            .set_label(latent.figures.latent, text, "user")
            .raise()
    }

    /// Returns its `count` samples with the largest peaks, as `samples` has them.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn top(latent: &mut LatentHandle, count: i64) -> RhaiResultOf<Array> {
        let (store, id) = (latent.analysis.store(), latent.analysis.analysis().id);
        let mut samples = store.best_samples(id, latent.figures.latent).raise()?;
        samples.truncate(usize::try_from(count).unwrap_or(0));
        latent.described(samples).raise()
    }

    /// Returns the samples of a subsample, e.g. "silent", best first: maps of `peak`, `position`, `token`, `around`,
    /// `text`, `tokens`, `activations`, `dataset` and `record`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn samples(latent: &mut LatentHandle, subsample: &str) -> RhaiResultOf<Array> {
        let samples = latent.samples(subsample).raise()?;
        latent.described(samples).raise()
    }

    /// Returns the tokens on which it fires most: maps of `token`, `text`, `count` and `mean`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn tokens(latent: &mut LatentHandle) -> RhaiResultOf<Array> {
        let (store, id) = (latent.analysis.store(), latent.analysis.analysis().id);
        let vocabulary = latent.analysis.vocabulary().raise()?;
        let found = store.tokens_of(id, latent.figures.latent).raise()?.into_iter();
        let described = found.map(|one| {
            let entries: [(&str, Dynamic); 4] = [
                ("token", i64::from(one.token).into()),
                ("text", vocabulary.text(one.token).into()),
                ("count", (one.count as i64).into()),
                ("mean", one.mean.into()),
            ];
            Dynamic::from(Map::from_iter(entries.map(|(name, value)| (name.into(), value))))
        });
        Ok(described.collect())
    }

    /// Returns the tokens whose logits it raises and lowers most, `#{ top, bottom }`, lists of maps of `token`, `text` and
    /// `logit`; `()` where that was not computed.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn logits(latent: &mut LatentHandle) -> RhaiResultOf<Dynamic> {
        let Some(logits) = latent.analysis.store().logits(latent.figures.latent).raise()? else {
            return Ok(Dynamic::UNIT);
        };
        let vocabulary = latent.analysis.vocabulary().raise()?;
        let side = |tokens: &[TokenLogit]| -> Dynamic {
            let described = tokens.iter().map(|one| {
                let entries: [(&str, Dynamic); 3] = [
                    ("token", i64::from(one.token).into()),
                    ("text", vocabulary.text(one.token).into()),
                    ("logit", f64::from(one.logit).into()),
                ];
                Dynamic::from(Map::from_iter(entries.map(|(name, value)| (name.into(), value))))
            });
            described.collect::<Array>().into()
        };
        let sides = [
            ("top".into(), side(&logits.top)),
            ("bottom".into(), side(&logits.bottom)),
        ];
        Ok(Map::from_iter(sides).into())
    }

    /// Returns the latents nearest to it, maps of `latent` and `value`: by "decoder" (cosine of decoder rows), "jaccard"
    /// (overlap of firings) or "pearson" (correlation of activations).
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn neighbours(latent: &mut LatentHandle, kind: &str) -> RhaiResultOf<Array> {
        latent.neighbours(kind).raise()
    }

    /// Returns how often its activations lie in each of 64 equal bins from 0 to `max`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn histogram(latent: &mut LatentHandle) -> RhaiResultOf<Array> {
        let (store, id) = (latent.analysis.store(), latent.analysis.analysis().id);
        let histogram = store
            .histogram(id, latent.figures.latent)
            .raise()?
            .unwrap_or_default();
        Ok(histogram
            .linear
            .into_iter()
            .map(|count| Dynamic::from(i64::from(count)))
            .collect())
    }

    /// Returns the metrics that were added, by name.
    #[rhai_fn(get = "metrics", return_raw, pure, volatile)]
    pub fn metrics(latent: &mut LatentHandle) -> RhaiResultOf<Map> {
        let metrics = latent
            .analysis
            .store()
            .metrics_of(latent.figures.latent)
            .raise()?;
        Ok(metrics
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect())
    }

    /// Returns it as text: label, figures, contexts with the tokens on which it fires, logits, neighbours.
    #[rhai_fn(name = "to_string", return_raw, pure, volatile)]
    pub fn to_text(latent: &mut LatentHandle) -> RhaiResultOf<String> {
        let analysis = &latent.analysis;
        let printing = Printing::default();
        analysis
            .store()
            .printed(analysis.analysis(), latent.figures.latent, &printing)
            .raise()
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_debug", pure)]
    pub fn to_words(latent: &mut LatentHandle) -> String {
        format!("Latent({})", latent.figures.latent)
    }
}
