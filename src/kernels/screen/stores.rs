//! Room that the threads of an encoder share, and what they find.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::problem::Counts;
use super::worker::{Found, Job, Worker};
use crate::native::parallel::for_ranges;

/// Room that workers take and give back, and what they found.
#[derive(Default)]
pub(super) struct Stores {
    pub(super) workers: Mutex<Vec<Worker>>,
    pub(super) found: Vec<Mutex<Found>>,
    pub(super) rows: Vec<u32>,
    pub(super) redo: Vec<u32>,
    pub(super) ranks: Vec<u32>,
    pub(super) keys: Vec<i32>,
    pub(super) ratios: Vec<f32>,
}

impl Stores {
    /// Screens some rows on all threads, and returns in how many blocks. What is found in them is stored from `first` on.
    pub(super) fn screen(&mut self, job: &Job, rows: &[u32], first: usize) -> usize {
        let size = job.block_rows(rows.len());
        let blocks = rows.len().div_ceil(size);
        if self.found.len() < first + blocks {
            self.found.resize_with(first + blocks, Mutex::default);
        }
        self.each_block(first..first + blocks, |worker, block, found| {
            let start = (block - first) * size;
            worker.screen(job, &rows[start..rows.len().min(start + size)], found);
        });
        blocks
    }

    /// Calls `work` for each of these blocks, on all threads.
    pub(super) fn each_block(
        &self,
        blocks: Range<usize>,
        work: impl Fn(&mut Worker, usize, &mut Found) + Sync,
    ) {
        for_ranges(blocks.len(), 1, |range| {
            let mut worker = lock(&self.workers).pop().unwrap_or_default();
            for block in range {
                let block = blocks.start + block;
                work(&mut worker, block, &mut lock(&self.found[block]));
            }
            lock(&self.workers).push(worker);
        });
    }

    pub(super) fn counts(&mut self, blocks: usize) -> Counts {
        let mut counts = Counts::default();
        for found in &mut self.found[..blocks] {
            counts += get(found).counts;
        }
        counts
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn get<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
