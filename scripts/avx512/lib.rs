//! The kernels for the processor, with what they use of the rest, and in place of libtorch's threads those of the standard library.
#![allow(dead_code, unused_imports)]

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

// Tests name tch for `set_num_threads` alone.
extern crate self as tch;

mod error;
mod kernels;
mod native {
    pub mod parallel;
}

static THREADS: AtomicI64 = AtomicI64::new(2);

thread_local! {
    static IS_WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Sets on how many threads loops run.
pub fn set_num_threads(threads: i32) {
    THREADS.store(threads.max(1).into(), Ordering::Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn saescript_threads() -> i64 {
    if IS_WITHIN.get() {
        1
    } else {
        THREADS.load(Ordering::Relaxed)
    }
}

/// What `src/native/parallel.cpp` does: ranges of the same lengths as libtorch makes.
#[unsafe(no_mangle)]
unsafe extern "C" fn saescript_parallel_for(
    count: i64,
    grain: i64,
    work: *mut c_void,
    call: unsafe extern "C" fn(*mut c_void, i64, i64),
) {
    let parts = saescript_threads().min((count + grain - 1) / grain).max(1);
    let each = (count + parts - 1) / parts;
    let work = work as usize;
    thread::scope(|scope| {
        for begin in (0..count).step_by(each.max(1) as usize) {
            scope.spawn(move || {
                IS_WITHIN.set(true);
                // SAFETY: the caller hands in what belongs together, and waits.
                unsafe { call(work as *mut c_void, begin, (begin + each).min(count)) }
            });
        }
    });
}

#[test]
#[ignore = "for the guest"]
fn the_best_set_is_avx512() {
    assert_eq!(kernels::isa::Isa::best(), kernels::isa::Isa::Avx512);
    assert_eq!(kernels::isa::Isa::chosen(), kernels::isa::Isa::Avx512);
}
