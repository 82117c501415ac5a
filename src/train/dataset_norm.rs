//! The average norm of activations, by which dataset-wise normalisation scales them.

use std::collections::BTreeMap;

use crate::activations::Batch;
use crate::dictionary::counted_rows;
use crate::error::{Error, Result};
use crate::tensor::{Kind, no_grad_guard};

/// Batches over which norms are averaged.
pub const NORM_BATCHES: usize = 8;

/// Returns the mean norm of all tokens of `batches` that count, for each of the `hooks`.
///
/// # Errors
/// A batch lacks one of the hook points, or its mask does not fit; no token counts.
pub fn average_norms(batches: &[Batch], hooks: &[&str]) -> Result<BTreeMap<String, f64>> {
    let _no_grad = no_grad_guard();
    let mut norms = BTreeMap::new();
    for hook in hooks {
        let (mut sum, mut tokens) = (0.0, 0);
        for batch in batches {
            let x = batch.at(hook)?;
            if let Some(mask) = batch
                .mask
                .as_ref()
                .filter(|mask| mask.size() != x.size()[..x.dim() - 1])
            {
                return Err(Error::input(format!(
                    "the mask of a batch has shape {:?}, which does not fit its activations of shape {:?}",
                    mask.size(),
                    x.size()
                )));
            }
            let rows = counted_rows(x, batch.mask.as_ref())?;
            // Half precision overflows in the squares.
            let wide = match rows.f_kind()? {
                Kind::Double => Kind::Double,
                _ => Kind::Float,
            };
            let lengths = rows
                .f_to_kind(wide)?
                .f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), false)?;
            sum += lengths.f_sum(Kind::Double)?.f_double_value(&[])?;
            tokens += rows.size()[0];
        }
        if tokens == 0 {
            return Err(Error::input(
                "there are no tokens to measure the average activation norm on: the masks leave out every position",
            ));
        }
        norms.insert((*hook).to_string(), sum / tokens as f64);
    }
    Ok(norms)
}
