//! A cache as a sequence of chunks that can be opened in any order.

use std::sync::Arc;

use super::chunk::{Chunk, Rows};
use super::chunk_list::ChunkList;
use super::fetching::Fetching;
use super::listed::local;
use crate::activations::CachePath;
use crate::activations::cache::tensor_names::ACTIVATION;
use crate::error::Result;
use crate::event::RunContext;
use crate::transfer::{Progress, pool};

/// A cache that is open for reading.
pub(in crate::activations) struct CacheReader {
    list: Arc<ChunkList>,
    /// Fetches chunks, if some folder lies elsewhere.
    fetching: Option<Fetching>,
}

impl CacheReader {
    /// Lists the chunks and reads the indices. `workers` threads fetch what lies elsewhere.
    ///
    /// # Errors
    /// Missing or empty folders, a cache that is still being written, chunks that are missing or that the index does
    /// not know, unequal numbers of chunks at different hook points.
    pub(super) fn open(
        path: &CachePath,
        hook_points: &[String],
        rows: Rows,
        workers: usize,
        context: &RunContext,
    ) -> Result<Self> {
        let opened = pool::one(context, |progress| {
            Ok(ChunkList::list(path, hook_points, rows.clone(), progress)?)
        });
        let list = Arc::new(opened.map_err(local)?);
        let is_remote = list.folders.iter().any(|folder| folder.folder.is_remote());
        let fetching = is_remote.then(|| Fetching::start(&list, workers, context.clone()));
        Ok(CacheReader {
            fetching: fetching.transpose()?,
            list,
        })
    }

    /// The number of chunks.
    pub(super) fn len(&self) -> usize {
        self.list.chunks.len()
    }

    /// Chunk number `number` of the sequence, mapped; waits if it has to be fetched.
    pub(super) fn chunk(&self, number: usize) -> Result<Arc<Chunk>> {
        match &self.fetching {
            Some(fetching) => fetching.take(number),
            None => self.list.open(number, &Progress::default()).map(Arc::new),
        }
    }

    /// Has a chunk fetched that will be asked for soon, if it lies elsewhere.
    pub(super) fn order(&self, number: usize) {
        if let Some(fetching) = &self.fetching {
            fetching.order(number);
        }
    }

    /// Has the first of `numbers` fetched, so that at most `limit` chunks are under way.
    pub(super) fn order_ahead(&self, numbers: impl IntoIterator<Item = usize>, limit: usize) {
        if let Some(fetching) = &self.fetching {
            for number in numbers {
                if fetching.under_way() >= limit {
                    return;
                }
                fetching.order(number);
            }
        }
    }

    /// Do chunks have to be fetched?
    pub(super) fn is_remote(&self) -> bool {
        self.fetching.is_some()
    }

    /// Rows of a chunk that can be had without waiting; `None` for one that is still on its way, or not ordered.
    pub(super) fn arrived_rows(&self, number: usize) -> Option<usize> {
        self.fetching.as_ref()?.arrived_rows(number)
    }

    /// Length of the stored sequences, in 2D, by the first chunk.
    pub(super) fn length(&self, context: &RunContext) -> Result<Option<i64>> {
        if self.fetching.is_none() {
            return Ok(self.chunk(0)?.length());
        }
        let shape = pool::one(context, |progress| {
            let (folder, chunk) = (&self.list.folders[0].folder, self.list.chunks[0]);
            Ok(folder.shape(chunk, ACTIVATION, progress)?)
        });
        match shape.map_err(local)?.as_deref() {
            Some([_, length, _]) => Ok(Some(*length)),
            Some([_, _]) => Ok(None),
            // Opening it tells what is wrong with it, or fetches it whole where one end of it lies here.
            _ => Ok(self.chunk(0)?.length()),
        }
    }

    /// Where the first hook point's chunks lie, for messages.
    pub(super) fn folder(&self) -> String {
        let first = self.list.folders.first();
        first.map(|folder| folder.folder.to_string()).unwrap_or_default()
    }
}
