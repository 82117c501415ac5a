//! Everything that dashboards show of a latent, under SAEDashboard's names.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::findings::{
    Analysis, Histogram, Latent, Logits, Near, Sample, Store, Subsample, SubsampleKind, TokenLogit,
    Vocabulary,
};

/// Rows of each of the tables that name near latents and neurons.
const ROWS: usize = 3;

/// Bins of the histogram of activations.
const BINS: f64 = 64.0;

/// A latent. Lists that say the same of something lie beside each other and have the same length.
#[derive(Debug, Serialize)]
pub(super) struct Feature {
    pub feature_index: u32,
    pub neuron_alignment_indices: Vec<u32>,
    pub neuron_alignment_values: Vec<f64>,
    pub neuron_alignment_l1: Vec<f64>,
    pub correlated_neurons_indices: Vec<u32>,
    pub correlated_neurons_l1: Vec<f64>,
    pub correlated_neurons_pearson: Vec<f64>,
    pub correlated_features_indices: Vec<u32>,
    pub correlated_features_l1: Vec<f64>,
    pub correlated_features_pearson: Vec<f64>,
    pub neg_str: Vec<String>,
    pub neg_values: Vec<f64>,
    pub pos_str: Vec<String>,
    pub pos_values: Vec<f64>,
    pub frac_nonzero: f64,
    pub freq_hist_data_bar_values: Vec<f64>,
    pub freq_hist_data_bar_heights: Vec<f64>,
    pub logits_hist_data_bar_heights: Vec<f64>,
    pub logits_hist_data_bar_values: Vec<f64>,
    pub n_prompts_total: u64,
    pub n_tokens_in_prompt: u64,
    pub dataset: String,
    pub decoder_weights_dist: Vec<f64>,
    pub vector: Vec<f64>,
    pub activations: Vec<Activation>,
}

/// A context of a latent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Activation {
    pub bin_min: f64,
    pub bin_max: f64,
    pub bin_contains: f64,
    pub tokens: Vec<String>,
    pub values: Vec<f64>,
    pub qualifying_token_index: u32,
}

/// An analysis whose latents are described.
pub struct Described<'a> {
    store: &'a Store,
    analysis: &'a Analysis,
    rules: Vec<Subsample>,
    vocabulary: Vocabulary,
    datasets: String,
    vectors: Vec<Vec<f32>>,
}

impl<'a> Described<'a> {
    /// Prepares to describe the latents of an analysis. `vectors` are the decoder's rows, by latent, or none: then what is
    /// told of them stays empty.
    ///
    /// # Errors
    /// The store does not know what tokens stand for; rows of another dictionary; a damaged store.
    pub fn new(store: &'a Store, analysis: &'a Analysis, vectors: Vec<Vec<f32>>) -> Result<Self> {
        let vocabulary = store.vocabulary()?;
        if vocabulary.is_empty() {
            return Err(Error::input(
                "the store does not know what tokens stand for, and dashboards show texts",
            )
            .hint("analyse with `model`, of which a tokenizer is enough: backend = \"tokenizer_only\""));
        }
        if !vectors.is_empty() && vectors.len() != analysis.latents as usize {
            return Err(Error::input(format!(
                "the dictionary has {} latents, but the analysis is of {}",
                vectors.len(),
                analysis.latents
            ))
            .hint("give the dictionary that was analysed"));
        }
        Ok(Described {
            rules: store.subsamples(analysis.id)?,
            datasets: store.dataset_names(analysis.id)?.join(", "),
            store,
            analysis,
            vocabulary,
            vectors,
        })
    }

    /// Returns the store.
    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// Returns how many latents there are.
    pub(super) fn latents(&self) -> u32 {
        self.analysis.latents
    }

    /// Returns the names of the data sets.
    pub(super) fn datasets(&self) -> &str {
        &self.datasets
    }

    /// Returns contexts that were read, and tokens of each.
    pub(super) fn extent(&self) -> (u64, u64) {
        let contexts = self.analysis.contexts;
        (contexts, self.analysis.tokens.checked_div(contexts).unwrap_or(0))
    }

    /// Returns the figures of a latent; those of one that never fires where the analysis has none.
    ///
    /// # Errors
    /// A damaged store.
    pub(super) fn figures(&self, latent: u32) -> Result<Latent> {
        let figures = self.store.latent(self.analysis.id, latent)?;
        Ok(figures.unwrap_or(Latent {
            latent,
            ..Latent::default()
        }))
    }

    /// Returns the latents with the nearest decoder rows, and their cosines.
    ///
    /// # Errors
    /// A damaged store.
    pub(super) fn nearest(&self, latent: u32) -> Result<(Vec<u32>, Vec<f64>)> {
        let near = self.store.neighbours(self.analysis.id, latent, Near::Decoder)?;
        let cosines = near
            .iter()
            .map(|one| rounded(f64::from(one.value), latent, "a cosine"));
        Ok((
            near.iter().map(|one| one.latent).collect(),
            cosines.collect::<Result<_>>()?,
        ))
    }

    /// Returns what dashboards show of a latent.
    ///
    /// # Errors
    /// A number that is not finite; a damaged store.
    pub(super) fn feature(&self, latent: u32) -> Result<Feature> {
        let figures = self.figures(latent)?;
        let histogram = self
            .store
            .histogram(self.analysis.id, latent)?
            .unwrap_or_default();
        let logits = self.store.logits(latent)?.unwrap_or_default();
        let list = |what: &str, values: &mut dyn Iterator<Item = f64>| -> Result<Vec<f64>> {
            values.map(|value| rounded(value, latent, what)).collect()
        };
        let of = |tokens: &[TokenLogit]| list("a logit", &mut tokens.iter().map(|one| f64::from(one.logit)));
        let text = |tokens: &[TokenLogit]| tokens.iter().map(|one| self.vocabulary.text(one.token)).collect();
        let (alignment, vector) = self.alignment(latent);
        let (correlated, correlations, cosines) = self.correlated(latent)?;
        let (contexts, tokens) = self.extent();
        let bins = histogram.linear.len();
        Ok(Feature {
            feature_index: latent,
            neuron_alignment_indices: alignment.iter().map(|one| one.0).collect(),
            neuron_alignment_values: list("a weight", &mut alignment.iter().map(|one| one.1))?,
            neuron_alignment_l1: list("a weight", &mut alignment.iter().map(|one| one.2))?,
            correlated_neurons_indices: Vec::new(),
            correlated_neurons_l1: Vec::new(),
            correlated_neurons_pearson: Vec::new(),
            correlated_features_indices: correlated,
            correlated_features_l1: list("a cosine", &mut cosines.into_iter())?,
            correlated_features_pearson: list("a correlation", &mut correlations.into_iter())?,
            neg_str: text(&logits.bottom),
            neg_values: of(&logits.bottom)?,
            pos_str: text(&logits.top),
            pos_values: of(&logits.top)?,
            // Most latents fire on fewer than one token in 100,000: this figure keeps its digits.
            frac_nonzero: finite(figures.density, latent, "the density")?,
            freq_hist_data_bar_values: list("an activation", &mut middles(bins, 0.0, figures.max))?,
            freq_hist_data_bar_heights: heights(&histogram.linear),
            logits_hist_data_bar_heights: heights(&logits.histogram),
            logits_hist_data_bar_values: list("a logit", &mut logit_middles(&logits))?,
            n_prompts_total: contexts,
            n_tokens_in_prompt: tokens,
            dataset: self.datasets.clone(),
            decoder_weights_dist: Vec::new(),
            vector: list("a weight", &mut vector.iter().map(|value| f64::from(*value)))?,
            activations: self.activations(&figures, &histogram)?,
        })
    }

    /// Returns the neurons in which a decoder row is largest, with its entry and their part of its absolute sum; and the
    /// row.
    fn alignment(&self, latent: u32) -> (Vec<(u32, f64, f64)>, &[f32]) {
        let vector = self.vectors.get(latent as usize).map_or(&[][..], Vec::as_slice);
        let sum: f64 = vector.iter().map(|value| f64::from(value.abs())).sum();
        let mut all: Vec<(u32, f64)> = (0..).zip(vector.iter().map(|value| f64::from(*value))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(ROWS);
        let parts = all.into_iter().map(|(index, value)| {
            let part = if sum > 0.0 { value.abs() / sum } else { 0.0 };
            (index, value, part)
        });
        (parts.collect(), vector)
    }

    /// Returns the latents whose activations correlate most, with correlation and decoder cosine (0 where it is not among
    /// the largest, which are all that is kept).
    fn correlated(&self, latent: u32) -> Result<(Vec<u32>, Vec<f64>, Vec<f64>)> {
        let pearson = self.store.neighbours(self.analysis.id, latent, Near::Pearson)?;
        let decoder = self.store.neighbours(self.analysis.id, latent, Near::Decoder)?;
        let cosines: BTreeMap<u32, f32> = decoder.iter().map(|one| (one.latent, one.value)).collect();
        let rows = &pearson[..pearson.len().min(ROWS)];
        let cosine = |latent: u32| f64::from(cosines.get(&latent).copied().unwrap_or(0.0));
        Ok((
            rows.iter().map(|one| one.latent).collect(),
            rows.iter().map(|one| f64::from(one.value)).collect(),
            rows.iter().map(|one| cosine(one.latent)).collect(),
        ))
    }

    /// Returns the contexts of a latent: the top ones, then those of each interval.
    ///
    /// # Errors
    /// As [`feature`](Self::feature).
    pub(super) fn activations(&self, figures: &Latent, histogram: &Histogram) -> Result<Vec<Activation>> {
        let mut all = Vec::new();
        for samples in self.store.samples(self.analysis.id, figures.latent)? {
            let Some(rule) = self.rules.iter().find(|rule| rule.id == samples.subsample) else {
                continue;
            };
            let Some(bin) = bin(rule, figures, histogram) else {
                continue;
            };
            let named = samples.samples.iter().map(|sample| sample.context);
            let contexts = self.store.contexts(named)?;
            for sample in &samples.samples {
                let tokens = &contexts[&sample.context].tokens;
                all.push(self.activation(sample, tokens, bin, figures.latent)?);
            }
        }
        Ok(all)
    }

    fn activation(&self, sample: &Sample, tokens: &[u32], bin: [f64; 3], latent: u32) -> Result<Activation> {
        let mut values = vec![0.0; tokens.len()];
        for (position, value) in &sample.activations {
            if let Some(at) = values.get_mut(usize::from(*position)) {
                *at = rounded(f64::from(*value), latent, "an activation")?;
            }
        }
        let edge = |value: f64| rounded(value, latent, "an activation");
        Ok(Activation {
            bin_min: edge(bin[0])?,
            bin_max: edge(bin[1])?,
            bin_contains: edge(bin[2])?,
            tokens: tokens.iter().map(|token| self.vocabulary.text(*token)).collect(),
            values,
            qualifying_token_index: u32::from(sample.peak_position),
        })
    }
}

/// Returns the edges of the interval of a subsample, and which part of the firings lies in it; −1, the maximum and −1 for
/// the top ones; `None` for subsamples that dashboards do not show.
fn bin(rule: &Subsample, figures: &Latent, histogram: &Histogram) -> Option<[f64; 3]> {
    match rule.kind {
        SubsampleKind::Top if rule.proportion >= 1.0 => Some([-1.0, figures.max, -1.0]),
        SubsampleKind::Uniform => {
            let edges = [rule.min_proportion, rule.proportion];
            let all: u64 = histogram.linear.iter().map(|count| u64::from(*count)).sum();
            let inside = histogram.linear.iter().enumerate().map(|(bin, count)| {
                let (low, high) = (bin as f64 / BINS, (bin + 1) as f64 / BINS);
                let shared = (high.min(edges[1]) - low.max(edges[0])).max(0.0) * BINS;
                shared * f64::from(*count)
            });
            let inside: f64 = inside.sum();
            let part = if all == 0 { 0.0 } else { inside / all as f64 };
            Some([edges[0] * figures.max, edges[1] * figures.max, part])
        }
        _ => None,
    }
}

/// Returns the middles of so many equal bins.
fn middles(bins: usize, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let width = (high - low) / bins.max(1) as f64;
    (0..bins).map(move |bin| low + (bin as f64 + 0.5) * width)
}

fn logit_middles(logits: &Logits) -> impl Iterator<Item = f64> {
    let (low, high) = logits.range;
    middles(logits.histogram.len(), f64::from(low), f64::from(high))
}

fn heights(counts: &[u32]) -> Vec<f64> {
    counts.iter().map(|count| f64::from(*count)).collect()
}

fn finite(value: f64, latent: u32, what: &str) -> Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::input(format!(
        "{what} of latent {latent} is {value}, for which dashboards have no number"
    ))
    .hint("export it as jsonl, csv or parquet, which hold such values; or analyse the dictionary again"))
}

/// Returns `value` to five places.
pub(super) fn rounded(value: f64, latent: u32, what: &str) -> Result<f64> {
    let value = finite(value, latent, what)?;
    let scaled = (value * 1e5).round();
    // What is so large has no such places.
    Ok(if scaled.abs() < 1e15 { scaled / 1e5 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_places_and_the_others_are_refused() {
        assert_eq!(rounded(0.123_456_7, 0, "x").ok(), Some(0.12346));
        assert_eq!(rounded(-3e-6, 0, "x").ok(), Some(-0.0));
        assert_eq!(rounded(1e300, 0, "x").ok(), Some(1e300));
        let error = rounded(f64::NAN, 7, "a logit").map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("a logit of latent 7 is NaN")));
    }

    #[test]
    fn intervals_say_which_part_of_the_firings_they_hold() {
        let rule = |kind, low, high| Subsample {
            id: 0,
            name: "x".into(),
            kind,
            min_proportion: low,
            proportion: high,
            n_samples: 5,
            hard: false,
        };
        let figures = Latent {
            max: 2.0,
            ..Latent::default()
        };
        let histogram = Histogram {
            linear: vec![1; 64],
            ..Histogram::default()
        };
        let told = bin(&rule(SubsampleKind::Uniform, 0.2, 0.4), &figures, &histogram).expect("shown");
        assert!(
            (told[2] - 0.2).abs() < 1e-12 && told[0] == 0.4 && told[1] == 0.8,
            "{told:?}"
        );
        let top = bin(&rule(SubsampleKind::Top, 0.0, 1.0), &figures, &histogram);
        assert_eq!(top, Some([-1.0, 2.0, -1.0]));
        assert_eq!(
            bin(&rule(SubsampleKind::Silent, 0.0, 1.0), &figures, &histogram),
            None
        );
    }
}
