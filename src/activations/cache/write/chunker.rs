//! Cuts a stream of batches into chunks of so many rows.

use std::collections::VecDeque;

use crate::activations::Batch;
use crate::error::Result;

/// Rows that wait until there are enough of them.
pub(super) struct Chunker {
    /// Rows of a chunk; `None` makes each batch one.
    size: Option<usize>,
    waiting: VecDeque<Batch>,
    rows: usize,
}

impl Chunker {
    pub(super) fn new(size: Option<usize>) -> Self {
        Chunker {
            size,
            waiting: VecDeque::new(),
            rows: 0,
        }
    }

    pub(super) fn push(&mut self, batch: Batch) {
        self.rows += batch.rows();
        self.waiting.push_back(batch);
    }

    /// Returns the next full chunk, if there are enough rows.
    pub(super) fn full(&mut self) -> Result<Option<Batch>> {
        let Some(size) = self.size else {
            self.rows = 0;
            return Ok(self.waiting.pop_front());
        };
        if self.rows >= size {
            self.take(size).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Returns what is left, if anything.
    pub(super) fn rest(&mut self) -> Result<Option<Batch>> {
        match self.rows {
            0 => Ok(None),
            rows => self.take(rows).map(Some),
        }
    }

    /// Returns the rows that wait, which stay.
    pub(super) fn waiting(&self) -> Result<Option<Batch>> {
        let pieces: Vec<Batch> = self.waiting.iter().map(Batch::share).collect();
        if pieces.is_empty() {
            Ok(None)
        } else {
            Batch::concatenated(&pieces).map(Some)
        }
    }

    fn take(&mut self, count: usize) -> Result<Batch> {
        let mut pieces = Vec::new();
        let mut left = count;
        while left > 0 {
            let Some(batch) = self.waiting.pop_front() else {
                break;
            };
            let rows = batch.rows();
            if rows > left {
                self.waiting.push_front(batch.narrow(left, rows - left)?);
                pieces.push(batch.narrow(0, left)?);
                left = 0;
            } else {
                left -= rows;
                pieces.push(batch);
            }
        }
        self.rows -= count;
        Batch::concatenated(&pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;

    fn batch(values: std::ops::Range<i64>) -> Batch {
        Batch {
            tokens: Some(Tensor::from_slice(&values.clone().collect::<Vec<_>>())),
            meta: Some(values.map(Into::into).collect()),
            ..Batch::default()
        }
    }

    #[test]
    fn chunks_have_the_size_asked_for_and_keep_the_order() {
        let mut chunker = Chunker::new(Some(5));
        let mut chunks = Vec::new();
        for range in [0..3, 3..4, 4..17] {
            chunker.push(batch(range));
            while let Some(chunk) = chunker.full().expect("cut") {
                chunks.push(chunk);
            }
        }
        assert_eq!(
            chunker.waiting().expect("joined").map(|rows| rows.rows()),
            Some(2)
        );
        chunks.extend(chunker.rest().expect("cut"));
        let sizes: Vec<usize> = chunks.iter().map(Batch::rows).collect();
        assert_eq!(sizes, [5, 5, 5, 2]);
        let meta: Vec<i64> = chunks
            .iter()
            .flat_map(|chunk| chunk.meta.clone())
            .flatten()
            .filter_map(|v| v.as_i64())
            .collect();
        assert_eq!(meta, (0..17).collect::<Vec<_>>());
    }
}
