//! Converting a trained top-k dictionary to jumprelu on a stream of activations.

use super::input::{Prepared, Room, counts_nothing};
use crate::activations::BatchStream;
use crate::dictionary::{SparseAutoEncoder, ThresholdEstimate};
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};

/// Returns `sae` as jumprelu, with the threshold averaged over at most `batches` batches of `stream`.
///
/// # Errors
/// `sae` is not of the top-k family; batches that do not fit it; nothing is ever on; somebody asked to stop.
pub fn convert_to_jumprelu(
    sae: &SparseAutoEncoder,
    stream: &mut dyn BatchStream,
    batches: u64,
    context: &RunContext,
) -> Result<SparseAutoEncoder> {
    // A dictionary that cannot be converted is refused before any data is read.
    sae.to_jumprelu(1.0)?;
    let mut estimate = ThresholdEstimate::default();
    let mut room = Room::default();
    context.events.emit(Event::TaskStarted {
        title: "measuring the threshold".into(),
        unit: "batches",
        total: Some(batches),
    })?;
    for done in 0..batches {
        context.check("the conversion")?;
        let Some(batch) = stream.next_batch()? else {
            break;
        };
        if !counts_nothing(&batch)? {
            estimate.add(sae, &Prepared::new(sae, &batch, None, &mut room)?.x)?;
        }
        context.events.emit(Event::TaskAdvanced {
            done: done + 1,
            shown: estimate
                .threshold()
                .map(|threshold| ("threshold", threshold))
                .into_iter()
                .collect(),
        })?;
    }
    context.events.emit(Event::TaskFinished)?;
    let threshold = estimate.threshold().ok_or_else(|| {
        Error::input("no latent is on in any batch, so there is no threshold to measure")
            .hint("give activations like those the dictionary was trained on")
    })?;
    sae.to_jumprelu(threshold)
}
