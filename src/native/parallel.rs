//! Work divided over the threads of libtorch's own pool, so that no second pool fights over the cores.

use std::any::Any;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

unsafe extern "C" {
    fn saescript_parallel_for(
        count: i64,
        grain: i64,
        work: *mut c_void,
        call: unsafe extern "C" fn(*mut c_void, i64, i64),
    );
    fn saescript_threads() -> i64;
}

/// A loop's body and the first panic in it, which must not pass through C++.
struct Body<F> {
    work: F,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Calls `work` for ranges that together are `0..count`, each at least `grain` long where there are so many, on several
/// threads at once. Which ranges these are depends on the number of threads, so results must not.
pub fn for_ranges<F: Fn(Range<usize>) + Sync>(count: usize, grain: usize, work: F) {
    let grain = grain.max(1);
    if count <= grain || threads() == 1 {
        return work(0..count);
    }
    let body = Body {
        work,
        panic: Mutex::new(None),
    };
    let pointer = std::ptr::from_ref(&body).cast_mut().cast();
    // SAFETY: `call::<F>` reads the body as what it is, and the body outlives the loop, which ends before this returns.
    unsafe { saescript_parallel_for(count as i64, grain as i64, pointer, call::<F>) };
    if let Some(panic) = body.panic.into_inner().ok().flatten() {
        resume_unwind(panic);
    }
}

unsafe extern "C" fn call<F: Fn(Range<usize>) + Sync>(body: *mut c_void, begin: i64, end: i64) {
    // SAFETY: `for_ranges` passes a pointer to its own `Body<F>`, which only shared references are made of.
    let body = unsafe { &*body.cast::<Body<F>>() };
    let called = catch_unwind(AssertUnwindSafe(|| (body.work)(begin as usize..end as usize)));
    if let (Err(panic), Ok(mut first)) = (called, body.panic.lock()) {
        first.get_or_insert(panic);
    }
}

/// Returns on how many threads a loop that starts here would run: 1 within another one.
pub fn threads() -> usize {
    // SAFETY: it only reads libtorch's own setting.
    unsafe { saescript_threads() }.max(1) as usize
}

/// A slice that several threads write at once, each its own part.
pub struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: parts are handed out by `part`, whose callers promise that no two of them overlap.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Shares `slice`, which nobody else can use as long as this lives.
    pub fn new(slice: &'a mut [T]) -> Self {
        Shared {
            start: slice.as_mut_ptr(),
            length: slice.len(),
            slice: PhantomData,
        }
    }

    /// Returns a part of the slice to write.
    ///
    /// # Panics
    /// The part does not lie within the slice.
    ///
    /// # Safety
    /// No two parts that are in use at once may overlap.
    #[expect(clippy::mut_from_ref)]
    pub unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.length,
            "a part lies within its slice"
        );
        // SAFETY: the range lies within the slice, which lives as long as `self`; that nothing overlaps is promised.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.end - range.start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_visited_once() {
        for count in [0, 1, 7, 1000] {
            let mut seen = vec![0u8; count];
            let shared = Shared::new(&mut seen);
            for_ranges(count, 3, |range| {
                // SAFETY: the ranges of a loop do not overlap.
                for seen in unsafe { shared.part(range) } {
                    *seen += 1;
                }
            });
            assert!(seen.iter().all(|times| *times == 1), "{count}");
        }
    }

    #[test]
    fn a_panic_comes_out_of_the_loop() {
        let caught = catch_unwind(|| for_ranges(100, 1, |range| assert!(!range.contains(&99), "found")));
        assert!(caught.is_err());
    }
}
