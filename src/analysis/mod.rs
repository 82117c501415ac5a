//! Feature analysis: what the latents of a dictionary mean, over a stream of whole contexts.
//!
//! ```text
//! batches -> contexts with the latents that fire in them       contexts, active
//! pass 1: counts, maxima, candidates for tokens                statistics, frequent, coactivation
//! pass 2: samples and exact histograms, some latents at a time samples, distributions, tokens
//! at the end: geometry, neighbours, flags, texts               geometry, neighbours, finish
//! ```
//!
//! Only entries of latents that fire exist, never a number for every latent of every token of a batch. What is found does
//! not depend on how contexts are batched, nor on how many latents are looked at in one pass.

mod active;
mod analyzer;
mod bands;
mod coactivation;
mod contexts;
mod distributions;
mod finish;
mod frequent;
mod geometry;
mod kept;
mod logits;
mod neighbours;
mod pack;
mod passes;
mod progress;
mod samples;
mod settings;
mod single;
mod statistics;
mod tokens;
mod work;

pub use analyzer::{AnalysisInputs, AnalysisReport, FeatureAnalyzer};
pub use logits::{DirectLogitAttributor, DirectLogitAttributorConfig, LatentLogits, write_logits};
pub use settings::{FeatureAnalyzerConfig, FlagThresholds, SubsampleConfig};
pub use work::OpenStream;
