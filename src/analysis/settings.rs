//! What a feature analysis is asked to do.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::findings::{Flag, Flags, Latent, Subsample, SubsampleKind};
use crate::fingerprint::Identified;

/// Which contexts of each latent a subsample keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubsampleConfig {
    /// Peaks are at most this part of the latent's maximum.
    #[serde(default = "whole")]
    pub proportion: f64,
    /// The most contexts that are kept of a latent.
    pub n_samples: u32,
    /// Accepted for files written for the reference system, which does not read it either.
    #[serde(default)]
    pub max_length: Option<u64>,
    /// `"top"`: those with the largest peaks; `"uniform"`: drawn from all that qualify; `"silent"`: drawn from those in
    /// which the latent never fires.
    #[serde(default)]
    pub kind: SubsampleKind,
    /// Peaks are above this part of the latent's maximum.
    #[serde(default)]
    pub min_proportion: f64,
    /// Of silent contexts, take those first in which one of the 10 latents with the nearest decoder rows fires.
    #[serde(default)]
    pub hard: bool,
}

fn whole() -> f64 {
    1.0
}

impl SubsampleConfig {
    /// Returns one of the kind "top".
    fn top(proportion: f64, n_samples: u32) -> Self {
        SubsampleConfig {
            proportion,
            n_samples,
            max_length: None,
            kind: SubsampleKind::Top,
            min_proportion: 0.0,
            hard: false,
        }
    }

    fn validate(&self) -> Result<()> {
        if self.n_samples < 1 || self.n_samples > 100_000 {
            return Err(Error::input("must be from 1 to 100,000").under("n_samples"));
        }
        if !(self.proportion > 0.0 && self.proportion <= 1.0) {
            return Err(Error::input("must be above 0 and at most 1").under("proportion"));
        }
        if !(self.min_proportion >= 0.0 && self.min_proportion < self.proportion) {
            return Err(Error::input(format!(
                "must be at least 0 and below `proportion`, which is {}",
                self.proportion
            ))
            .under("min_proportion"));
        }
        if self.hard && self.kind != SubsampleKind::Silent {
            return Err(Error::input("only a subsample of the kind \"silent\" can be hard").under("hard"));
        }
        Ok(())
    }
}

/// From where on something stands out about a latent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlagThresholds {
    /// Rare: it fires on less than this part of the tokens, or less than 10 times.
    pub rare_density: f64,
    /// Dense: it fires on more than this part of the tokens.
    pub dense_density: f64,
    /// Duplicate: its decoder row and that of another living latent have more than this cosine.
    pub duplicate_cosine: f64,
    /// Token: at least this part of its firings is on one token.
    pub token_share: f64,
    /// Output: what it adds to the logits has more than this kurtosis (3 for a normal distribution).
    pub output_kurtosis: f64,
}

impl Default for FlagThresholds {
    fn default() -> Self {
        FlagThresholds {
            rare_density: 1e-5,
            dense_density: 0.1,
            duplicate_cosine: 0.9,
            token_share: 0.9,
            output_kurtosis: 8.0,
        }
    }
}

impl FlagThresholds {
    /// Returns those that an analysis was made with, from its settings as the store has them; the defaults where they do
    /// not say.
    pub fn of_settings(settings: &str) -> Self {
        let settings: Value = serde_json::from_str(settings).unwrap_or_default();
        serde_json::from_value(settings["analyzer"]["flags"].clone()).unwrap_or_default()
    }
}

/// A latent that fires less often than this is rare, however few the tokens.
const FEW: u64 = 10;

impl FlagThresholds {
    /// Returns what stands out about a latent, of `counted` tokens; `twin` is the cosine of its decoder row and the nearest
    /// one of a latent that lives.
    pub fn of(&self, one: &Latent, counted: u64, twin: Option<f64>) -> Flags {
        let lives = one.act_times > 0;
        let is_rare = one.act_times < FEW || (one.act_times as f64) < self.rare_density * counted as f64;
        let is_duplicate = twin.is_some_and(|cosine| cosine > self.duplicate_cosine);
        let is_output = one
            .logit_kurtosis
            .is_some_and(|kurtosis| kurtosis > self.output_kurtosis);
        Flags::default()
            .with(Flag::Dead, !lives)
            .with(Flag::Rare, lives && is_rare)
            .with(Flag::Dense, one.density > self.dense_density)
            .with(Flag::Duplicate, lives && is_duplicate)
            .with(
                Flag::Token,
                one.act_times >= FEW && one.top_token_share >= self.token_share,
            )
            .with(Flag::Output, is_output)
    }
}

/// What is found out about the latents of a dictionary, and on how many tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureAnalyzerConfig {
    /// Positions to read, BOS and padding included: the analysis ends with the context that reaches it.
    pub total_analyzing_tokens: u64,
    /// Tokens that do not count; null: those that the stream's mask leaves out.
    #[serde(default)]
    pub ignore_token_ids: Option<Vec<i64>>,
    /// The layer of a cross-layer transcoder; null for all other dictionaries.
    #[serde(default)]
    pub clt_layer: Option<u64>,
    /// Which contexts of each latent are kept, by name.
    #[serde(default = "default_subsamples")]
    pub subsamples: IndexMap<String, SubsampleConfig>,
    /// Seed of the draws of "uniform" and "silent" subsamples.
    #[serde(default)]
    pub seed: u64,
    /// Nearest latents that are kept of each kind; 0: none are looked for.
    #[serde(default = "ten")]
    pub neighbours: u32,
    /// Latents up to which all pairs are counted that fire together, which takes 12 bytes a pair; of wider dictionaries the
    /// 64 most frequent companions of each latent are followed, and the figures are estimates.
    #[serde(default = "widest_pairs")]
    pub coactivation_up_to: u32,
    /// Read the stream once, as streams need that cannot be read again: histograms, the tokens that latents fire on and
    /// samples below the largest peaks are approximate then.
    #[serde(default)]
    pub single_pass: bool,
    /// Bytes for samples; what does not fit is done in several passes. null: half of what is free.
    #[serde(default)]
    pub memory_limit: Option<u64>,
    /// Latents whose samples are collected in one pass; null: as many as `memory_limit` allows.
    #[serde(default)]
    pub latents_at_a_time: Option<u32>,
    /// How often what was done is kept, in seconds, so that an analysis that is broken off goes on from there; less often
    /// where keeping takes long.
    #[serde(default = "half_a_minute")]
    pub save_every_seconds: f64,
    /// Keep the activations of samples in float16.
    #[serde(default)]
    pub compact: bool,
    /// From where on something stands out about a latent.
    #[serde(default)]
    pub flags: FlagThresholds,
}

fn ten() -> u32 {
    10
}

fn half_a_minute() -> f64 {
    30.0
}

fn widest_pairs() -> u32 {
    16_384
}

/// Returns the reference's two subsamples, five bins of equal width, and silent contexts.
fn default_subsamples() -> IndexMap<String, SubsampleConfig> {
    let mut all = IndexMap::new();
    all.insert("top_activations".to_string(), SubsampleConfig::top(1.0, 10));
    let mut low = SubsampleConfig::top(0.3, 20);
    low.max_length = Some(50);
    all.insert("non_activating".to_string(), low);
    for bin in (0..5).rev() {
        let (from, to) = (f64::from(bin) / 5.0, f64::from(bin + 1) / 5.0);
        let name = format!("{:.0}_to_{:.0}%", 100.0 * from, 100.0 * to);
        all.insert(
            name,
            SubsampleConfig {
                kind: SubsampleKind::Uniform,
                min_proportion: from,
                ..SubsampleConfig::top(to, 5)
            },
        );
    }
    all.insert(
        "silent".to_string(),
        SubsampleConfig {
            kind: SubsampleKind::Silent,
            ..SubsampleConfig::top(1.0, 20)
        },
    );
    all
}

impl FeatureAnalyzerConfig {
    /// Returns the subsamples as the store has them, in their order.
    pub fn subsamples(&self) -> Vec<Subsample> {
        let all = self.subsamples.iter().enumerate();
        all.map(|(id, (name, one))| Subsample {
            id: id as u32,
            name: name.clone(),
            kind: one.kind,
            min_proportion: one.min_proportion,
            proportion: one.proportion,
            n_samples: one.n_samples,
            hard: one.hard,
        })
        .collect()
    }
}

impl Config for FeatureAnalyzerConfig {
    const NAME: &'static str = "FeatureAnalyzerConfig";

    fn validate(&self) -> Result<()> {
        if self.total_analyzing_tokens < 1 {
            return Err(Error::input("must be at least 1").under("total_analyzing_tokens"));
        }
        if self.clt_layer.is_some() {
            return Err(Error::input("there are no cross-layer transcoders")
                .hint("leave `clt_layer` out")
                .under("clt_layer"));
        }
        if self.single_pass && self.latents_at_a_time.is_some() {
            return Err(Error::input("a single pass looks at all latents at once")
                .hint("leave it out, or `single_pass`; `memory_limit` bounds what samples take")
                .under("latents_at_a_time"));
        }
        if self.latents_at_a_time == Some(0) {
            return Err(Error::input("must be at least 1").under("latents_at_a_time"));
        }
        if self.save_every_seconds.is_nan() || self.save_every_seconds < 0.0 {
            return Err(Error::input("must be at least 0").under("save_every_seconds"));
        }
        for (name, subsample) in &self.subsamples {
            subsample
                .validate()
                .map_err(|error| error.under(name.as_str()).under("subsamples"))?;
        }
        Ok(())
    }
}

impl FeatureAnalyzerConfig {
    /// Returns whether `key` of what decides an analysis has to stay as it was when one goes on: what was found so far
    /// has its form. Thresholds of flags decide only what is written at the end; files may have been moved or touched.
    pub(super) fn is_fixed(key: &str) -> bool {
        let of_analyzer = key.starts_with("analyzer.") && key != "analyzer.flags";
        // Several streams have their number before it: `activation_factories[0].activation_factory.context_size`.
        let of_stream = key.contains("activation_factory.") && !key.ends_with(".contents");
        key == "sae" || key.starts_with("sae.") || of_analyzer || of_stream
    }
}

impl Identified for FeatureAnalyzerConfig {
    const DECIDES: &'static [&'static str] = &[
        "total_analyzing_tokens",
        "ignore_token_ids",
        "clt_layer",
        "subsamples",
        "seed",
        "neighbours",
        "coactivation_up_to",
        "single_pass",
        "compact",
        "flags",
    ];
    const FREE: &'static [&'static str] = &["memory_limit", "latents_at_a_time", "save_every_seconds"];
}
