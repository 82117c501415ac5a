//! What the threads of a download tell the one that started them, which alone speaks to observers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::trouble::Trouble;
use crate::error::Error;

/// Bytes done, remarks made, and whether to stop.
#[derive(Default)]
pub struct Progress {
    bytes: AtomicU64,
    cancelled: AtomicBool,
    remarks: Mutex<Vec<String>>,
}

impl Progress {
    /// Counts bytes that are on the disk.
    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes bytes back that have to be fetched again.
    pub fn take_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Asks the threads to end.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// The threads shall end.
    pub fn check(&self) -> Result<(), Trouble> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Trouble::Local(Error::interrupted("the download was interrupted")))
        } else {
            Ok(())
        }
    }

    /// Keeps a remark that is worth telling.
    pub fn remark(&self, text: String) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        remarks.push(text);
    }

    /// Returns the remarks since the last call.
    pub fn take_remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
