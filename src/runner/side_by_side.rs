//! Several streams of the same contexts, each with some of the hook points, read as one.

use crate::activations::{
    ActivationFactory, ActivationFactoryConfig, ActivationStream, Batch, BatchStream, Inputs,
};
use crate::config::Checked;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::fingerprint::Fingerprint;

/// Returns the stream of the only factory, or one of the streams of several, side by side.
///
/// # Errors
/// As [`ActivationFactory::process`].
pub(super) fn side_by_side(
    factories: &[Checked<ActivationFactoryConfig>],
    inputs: &Inputs,
    context: &RunContext,
) -> Result<Box<dyn BatchStream>> {
    let streams = factories
        .iter()
        .map(|factory| ActivationFactory::new(factory)?.process(inputs.clone(), context));
    let mut streams = streams.collect::<Result<Vec<ActivationStream>>>()?;
    match (streams.pop(), streams.is_empty()) {
        (Some(only), true) => Ok(Box::new(only)),
        (last, _) => {
            streams.extend(last);
            Ok(Box::new(SideBySide(streams)))
        }
    }
}

/// Streams of the same contexts, whose activations make one batch.
struct SideBySide(Vec<ActivationStream>);

impl BatchStream for SideBySide {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut joined: Option<Batch> = None;
        for (index, stream) in self.0.iter_mut().enumerate() {
            let batch = stream.next_batch()?;
            match (&mut joined, batch) {
                (None, batch) if index == 0 => joined = batch,
                (None, None) => {}
                (Some(joined), Some(batch)) if joined.tokens == batch.tokens => {
                    joined.activations.extend(batch.activations);
                }
                _ => {
                    return Err(Error::input(format!(
                        "stream {index} of a crosscoder gives other contexts than the first"
                    ))
                    .hint(
                        "write all hook points from the same texts, with the same batch and context sizes",
                    ));
                }
            }
        }
        Ok(joined)
    }

    fn batch_size(&self) -> Option<usize> {
        self.0.first().and_then(BatchStream::batch_size)
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut joined = Fingerprint::new();
        for (index, stream) in self.0.iter().enumerate() {
            joined.merge_under(&format!("activation_factories[{index}]"), stream.fingerprint()?);
        }
        Ok(joined)
    }
}
