//! The average norm of activations, by which dataset-wise normalisation scales them.

use std::collections::BTreeMap;

use crate::activations::Batch;
use crate::error::Result;
use crate::tensor::Kind;

/// Batches over which norms are averaged.
pub const NORM_BATCHES: usize = 8;

/// The mean over `batches` of the mean token norm, for each of the `hooks`. Every position counts.
///
/// # Errors
/// A batch lacks one of the hook points.
pub fn average_norms(batches: &[Batch], hooks: &[&str]) -> Result<BTreeMap<String, f64>> {
    let _no_grad = tch::no_grad_guard();
    let mut norms = BTreeMap::new();
    for hook in hooks {
        let mut sum = 0.0;
        for batch in batches {
            let x = batch.at(hook)?;
            // Half precision overflows in the squares.
            let wide = match x.f_kind()? {
                Kind::Double => Kind::Double,
                _ => Kind::Float,
            };
            let lengths = x
                .f_to_kind(wide)?
                .f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), false)?;
            sum += lengths.f_mean(wide)?.f_double_value(&[])?;
        }
        norms.insert((*hook).to_string(), sum / batches.len().max(1) as f64);
    }
    Ok(norms)
}
