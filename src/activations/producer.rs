//! What drives a stream: the model, or the threads that read a cache.

use std::path::Path;

use super::stats::StreamStats;
use super::stream::Batch;
use crate::error::Result;

/// Makes the batches of an activation stream.
pub(super) trait Producer {
    /// The next batch; short only at the end, `None` after it.
    fn next(&mut self) -> Result<Option<Batch>>;

    /// Writes into `folder` all that is needed to go on exactly here.
    fn save(&mut self, folder: &Path) -> Result<()>;

    /// Goes to the place that was saved in `folder`; called before the first batch.
    fn restore(&mut self, folder: &Path) -> Result<()>;

    /// Adds what the producer knows.
    fn add_stats(&self, stats: &mut StreamStats);
}
