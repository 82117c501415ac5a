//! How firing frequencies and weights are spread over the latents: what single numbers cannot show, such as a few
//! latents that fire all the time beside thousands that never do.

use super::metrics::MetricSums;
use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::event::Histogram;
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

/// Ranges of a histogram; W&B's own number.
const RANGES: usize = 64;
/// Added to frequencies before the logarithm, so that latents which never fired lie at −10.
const NEVER: f64 = 1e-10;

/// Returns histograms by name: log10 of the firing frequencies over the last `feature_sampling_window` steps, decoder
/// norms, encoder biases and thresholds, as far as there are any.
///
/// # Errors
/// Too little memory.
pub(super) fn distributions(
    sae: &SparseAutoEncoder,
    sums: &MetricSums,
) -> Result<Vec<(&'static str, Histogram)>> {
    let _no_grad = no_grad_guard();
    let mut named = vec![(
        "sparsity/log10_firing_frequency",
        sums.firing_frequency()?.f_add_scalar(NEVER)?.f_log10()?,
    )];
    named.extend(sae.weight_distributions()?);
    let mut histograms = Vec::new();
    for (name, values) in named {
        histograms.extend(Histogram::even(&read(&values)?, RANGES).map(|histogram| (name, histogram)));
    }
    Ok(histograms)
}

fn read(values: &Tensor) -> Result<Vec<f64>> {
    let values = values.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?;
    let mut read = vec![0.0; values.numel()];
    values.f_copy_data(&mut read, values.numel())?;
    Ok(read)
}
