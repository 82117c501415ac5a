//! Several streams of the same contexts, each with some of the hook points, read as one.

use std::fs;
use std::path::{Path, PathBuf};

use super::analyze_settings::PlannedStream;
use crate::activations::{ActivationFactory, ActivationStream, Batch, BatchStream, Inputs, StreamMemory};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::fingerprint::Fingerprint;

/// Returns the stream of the only factory, or one of the streams of several, side by side.
///
/// # Errors
/// As [`ActivationFactory::process`].
pub(super) fn side_by_side(
    planned: &[PlannedStream],
    inputs: &Inputs,
    context: &RunContext,
) -> Result<Box<dyn BatchStream>> {
    let streams = planned.iter().map(|stream| {
        ActivationFactory::new(&stream.factory)
            .and_then(|factory| factory.process(inputs.clone(), context))
            .map_err(|error| stream.blamed(error))
    });
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

    fn memory(&self) -> StreamMemory {
        let each = self.0.iter().map(BatchStream::memory);
        each.fold(StreamMemory::default(), |sum, memory| sum + memory)
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut joined = Fingerprint::new();
        for (index, stream) in self.0.iter().enumerate() {
            joined.merge_under(&format!("activation_factories[{index}]"), stream.fingerprint()?);
        }
        Ok(joined)
    }

    fn is_resumable(&self) -> bool {
        self.0.iter().all(BatchStream::is_resumable)
    }

    fn save_state(&mut self, folder: &Path) -> Result<()> {
        for (index, stream) in self.0.iter_mut().enumerate() {
            let part = part(folder, index);
            fs::create_dir(&part).map_err(|error| Error::io("create", &part, error))?;
            stream.save_state(&part)?;
        }
        Ok(())
    }

    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        let mut streams = self.0.iter_mut().enumerate();
        streams.try_for_each(|(index, stream)| stream.restore_state(&part(folder, index)))
    }
}

/// Returns where the state of one stream lies in that of all.
fn part(folder: &Path, index: usize) -> PathBuf {
    folder.join(index.to_string())
}
