//! The program's allocator: the system's, with a count of what is taken and an eye on how deep the stack goes.
//!
//! Scripts' values lie on this heap, tensors do not (libtorch asks the C library itself). The count tells the two apart.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

/// Bytes that a thread may take or return before it says so.
const BATCH: i64 = 64 << 10;

/// Stack, in bytes, that one operation of the interpreter may use. Copying a value takes some 250 for each level of
/// nesting, a call of a script's function begins operations of its own.
const STACK_OF_ONE_OPERATION: usize = 1 << 20;

static TAKEN: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static UNTOLD: Cell<i64> = const { Cell::new(0) };
    /// Below this address the stack of this thread is used deeper than one operation needs. 0: nobody asked.
    static FLOOR: Cell<usize> = const { Cell::new(0) };
    static DEEP: Cell<bool> = const { Cell::new(false) };
}

/// The allocator, for `#[global_allocator]` of a program.
pub struct Heap;

// SAFETY: every call is passed on to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are the ones that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn count(bytes: i64) {
    let untold = UNTOLD.get() + bytes;
    if untold.abs() < BATCH {
        UNTOLD.set(untold)
    } else {
        UNTOLD.set(0);
        TAKEN.fetch_add(untold, Ordering::Relaxed);
    }
    if bytes > 0 && here() < FLOOR.get() {
        DEEP.set(true);
    }
}

/// Returns the bytes on the heap, to about 64 KiB a thread. 0 in programs with another allocator.
pub fn taken() -> u64 {
    TAKEN.load(Ordering::Relaxed).max(0) as u64
}

/// Begins the next operation of a script; true if the one before went through values nested so deeply that copying
/// them took more of the stack than any operation needs.
pub fn was_deep() -> bool {
    FLOOR.set(here().saturating_sub(STACK_OF_ONE_OPERATION));
    DEEP.replace(false)
}

/// Runs `work`, which is no operation of the interpreter, and may use the stack as it needs.
pub fn at_any_depth<T>(work: impl FnOnce() -> T) -> T {
    struct Restored(usize);
    impl Drop for Restored {
        fn drop(&mut self) {
            FLOOR.set(self.0);
        }
    }
    let _restored = Restored(FLOOR.replace(0));
    work()
}

/// Looks at no depth any more, where no script runs.
pub fn forget_depth() {
    FLOOR.set(0);
    DEEP.set(false);
}

/// An address of the stack's used end.
#[inline(always)]
fn here() -> usize {
    let here = 0u8;
    std::hint::black_box(&here) as *const u8 as usize
}
