//! Evaluation: how well a dictionary explains activations, and what its errors cost the model.

mod downstream;
mod reconstruction;

pub use downstream::{DownstreamLosses, downstream_losses};
pub use reconstruction::{ReconstructionSums, Rows};

use crate::activations::{Batch, BatchStream};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result, counted};
use crate::event::{Event, Metrics, RunContext};
use crate::model::LanguageModel;
use crate::tensor::no_grad_guard;

/// Evaluates `sae` on its model over the token batches of `stream`, at most `batches` of them.
///
/// Gives explained variance, L0 and mean squared error at the dictionary's hook points, and the model's cross-entropy as
/// it is, with the reconstruction put in, and with zeros put in; all of the positions that count. Changes nothing: not
/// the dictionary, and not libtorch's random numbers.
///
/// # Errors
/// A stream without tokens, hook points the model does not have, another width; a stop was asked for.
pub fn evaluate(
    sae: &SparseAutoEncoder,
    model: &LanguageModel,
    stream: &mut dyn BatchStream,
    batches: u64,
    context: &RunContext,
) -> Result<Metrics> {
    let _no_grad = no_grad_guard();
    let mut losses = DownstreamLosses::default();
    let mut sums = ReconstructionSums::default();
    context.events.emit(Event::TaskStarted {
        title: "evaluating".into(),
        unit: "batches",
        total: Some(batches),
    })?;
    for done in 0..batches {
        context.check("the evaluation")?;
        let Some(Batch { tokens, mask, .. }) = stream.next_batch()? else {
            if done > 0 {
                context.events.warn(format!(
                    "the data ended after {done} of {}: the figures are over these",
                    counted(batches, "batch")
                ))?;
            }
            break;
        };
        let tokens = tokens.ok_or_else(|| {
            Error::input("an evaluation needs tokens, but the stream's batches have none")
                .hint("use a factory with target \"tokens\" or \"activations-2d\"")
        })?;
        losses.add(&downstream_losses(sae, model, &tokens, mask.as_ref(), &mut sums)?);
        context.events.emit(Event::TaskAdvanced {
            done: done + 1,
            shown: losses
                .recovered()
                .map(|part| ("recovered", part))
                .into_iter()
                .collect(),
        })?;
    }
    context.events.emit(Event::TaskFinished)?;
    if losses.tokens == 0.0 {
        return Err(Error::input("there are no tokens to evaluate on"));
    }
    let mut metrics = sums.metrics()?;
    metrics.extend(losses.metrics());
    Ok(metrics)
}
