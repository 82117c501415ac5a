//! How many latents are looked at in one pass, so that their samples fit into memory.

use super::distributions::BINS;
use super::kept::bytes;
use super::settings::FeatureAnalyzerConfig;
use super::statistics::Statistics;
use crate::memory;

/// The least that is taken for samples, however little is free.
const LEAST: u64 = 64 << 20;

/// Returns the bytes that samples may take.
pub(super) fn memory_for_samples(config: &FeatureAnalyzerConfig) -> u64 {
    config.memory_limit.unwrap_or_else(|| {
        let free = memory::limit().saturating_sub(memory::used());
        (free / 2).max(LEAST)
    })
}

/// Returns how many latents are looked at in one pass over the stream.
pub(super) fn latents_at_a_time(config: &FeatureAnalyzerConfig, statistics: &Statistics) -> u32 {
    let all = statistics.act_times.len() as u32;
    let limit = memory_for_samples(config);
    let fit = (limit as f64 / bytes_of_a_latent(config, statistics)) as u64;
    let fit = u32::try_from(fit).unwrap_or(u32::MAX).clamp(1, all.max(1));
    let asked = config.latents_at_a_time.unwrap_or(u32::MAX).min(fit);
    // All passes take the same time, so that there may as well be as many latents in each.
    let passes = all.div_ceil(asked.max(1)).max(1);
    all.div_ceil(passes).max(1)
}

/// Returns the bytes that the samples and histograms of a latent take at most, as often as latents fire on average.
fn bytes_of_a_latent(config: &FeatureAnalyzerConfig, statistics: &Statistics) -> f64 {
    let times: u64 = statistics.act_times.iter().sum();
    let contexts: u64 = statistics.contexts.iter().sum();
    let activations = times as f64 / contexts.max(1) as f64;
    let samples: f64 = config
        .subsamples
        .values()
        .map(|one| f64::from(one.n_samples))
        .sum();
    samples * bytes(activations) + 4.0 * BINS as f64 + 512.0
}
