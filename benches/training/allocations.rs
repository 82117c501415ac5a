//! How often the process asks the C library for memory, libtorch's tensors included.
//!
//! The program's own `malloc` and what goes with it stand before those of the C library, and count what they pass on.
//! Elsewhere than with glibc nothing is counted.

use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LARGE: AtomicU64 = AtomicU64::new(0);

/// From so many bytes on a block counts as large.
pub const LARGE_FROM: usize = 4096;

/// What was asked for.
#[derive(Clone, Copy, Default)]
pub struct Asked {
    /// How often.
    pub calls: u64,
    /// Of these, for how many blocks of at least [`LARGE_FROM`] bytes.
    pub large: u64,
    /// The bytes of all.
    pub bytes: u64,
}

impl Asked {
    /// Returns what was asked for so far.
    pub fn now() -> Self {
        Self {
            calls: CALLS.load(Ordering::Relaxed),
            large: LARGE.load(Ordering::Relaxed),
            bytes: BYTES.load(Ordering::Relaxed),
        }
    }

    /// Returns what was asked for since `before` on the average of `steps`.
    pub fn since(before: Self, steps: u64) -> Self {
        let now = Self::now();
        Self {
            calls: (now.calls - before.calls) / steps,
            large: (now.large - before.large) / steps,
            bytes: (now.bytes - before.bytes) / steps,
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod counted {
    use std::ffi::{c_int, c_void};
    use std::sync::atomic::Ordering;

    use super::{BYTES, CALLS, LARGE, LARGE_FROM};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    }

    fn count(size: usize) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
        LARGE.fetch_add(u64::from(size >= LARGE_FROM), Ordering::Relaxed);
    }

    /// # Safety
    /// As the C library's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        count(size);
        // SAFETY: what is promised is passed on.
        unsafe { __libc_malloc(size) }
    }

    /// # Safety
    /// As the C library's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(entries: usize, size: usize) -> *mut c_void {
        count(entries.saturating_mul(size));
        // SAFETY: as above.
        unsafe { __libc_calloc(entries, size) }
    }

    /// # Safety
    /// As the C library's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
        count(size);
        // SAFETY: as above.
        unsafe { __libc_realloc(block, size) }
    }

    /// # Safety
    /// As the C library's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        count(size);
        // SAFETY: as above.
        let block = unsafe { __libc_memalign(alignment, size) };
        if block.is_null() {
            return libc::ENOMEM;
        }
        // SAFETY: the caller has a place for the block.
        unsafe { *place = block };
        0
    }
}
