//! The streams on which libtorch works on a GPU. Whatever is told to one here comes after what waits to be sent there.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use super::pending;

unsafe extern "C" {
    fn saescript_current_stream(index: c_int, stream: *mut *mut c_void) -> c_int;
    fn saescript_own_stream(index: c_int) -> c_int;
    fn saescript_finish_stream(index: c_int) -> c_int;
    fn saescript_mark(index: c_int, event: *mut *mut c_void) -> c_int;
    fn saescript_after_mark(index: c_int, event: *const c_void) -> c_int;
    fn saescript_forget_mark(event: *mut c_void);
    fn saescript_used_here(tensor: *const c_void) -> c_int;
}

/// What has no CUDA, or a GPU that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

fn done(code: c_int) -> Result<(), Failed> {
    if code == 0 { Ok(()) } else { Err(Failed) }
}

fn number(index: usize) -> Result<c_int, Failed> {
    c_int::try_from(index).map_err(|_| Failed)
}

/// Returns the driver's handle of the stream that libtorch uses on the GPU `index` for this thread; null stands for the
/// first one of all. `None` where libtorch has no CUDA, or the GPU fails.
pub fn current(index: usize) -> Option<*mut c_void> {
    let mut stream = std::ptr::null_mut();
    // SAFETY: it writes one pointer, and no exception leaves it.
    let code = unsafe { saescript_current_stream(c_int::try_from(index).ok()?, &raw mut stream) };
    (code == 0).then_some(stream)
}

/// Has libtorch use another stream on the GPU `index` for this thread than for those that have not asked.
///
/// # Errors
/// libtorch has no CUDA, or the GPU fails; so it is with all below.
pub fn own(index: usize) -> Result<(), Failed> {
    pending::send();
    // SAFETY: it changes a setting of this thread, and no exception leaves it.
    done(unsafe { saescript_own_stream(number(index)?) })
}

/// Waits until the GPU `index` has done what this thread told it.
pub fn finish(index: usize) -> Result<(), Failed> {
    pending::send();
    // SAFETY: it waits, and no exception leaves it.
    done(unsafe { saescript_finish_stream(number(index)?) })
}

/// A point in the work of a GPU.
#[derive(Debug)]
pub struct Mark {
    event: NonNull<c_void>,
    index: usize,
}

// SAFETY: an event may be waited for and freed by any thread; only one has it at a time.
unsafe impl Send for Mark {}

impl Mark {
    /// Returns the point after all that this thread has told the GPU `index`.
    pub fn here(index: usize) -> Result<Self, Failed> {
        pending::send();
        let mut event = std::ptr::null_mut();
        // SAFETY: it writes one pointer, and no exception leaves it.
        done(unsafe { saescript_mark(number(index)?, &raw mut event) })?;
        let event = NonNull::new(event).ok_or(Failed)?;
        Ok(Mark { event, index })
    }

    /// Has the GPU do what this thread tells it from now on only after this point.
    pub fn wait(&self) -> Result<(), Failed> {
        pending::send();
        // SAFETY: the event is there as long as `self`, and no exception leaves it.
        done(unsafe { saescript_after_mark(number(self.index)?, self.event.as_ptr()) })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: it was made by `saescript_mark`, and nobody else has it.
        unsafe { saescript_forget_mark(self.event.as_ptr()) };
    }
}

/// Has libtorch give the memory of a tensor of a GPU, once it is freed, to others only after what this thread has told
/// the GPU until then.
///
/// # Safety
/// `tensor` points to a tensor of libtorch's that is there until this returns.
pub unsafe fn used_here(tensor: *const c_void) -> Result<(), Failed> {
    pending::send();
    // SAFETY: as promised, and no exception leaves it.
    done(unsafe { saescript_used_here(tensor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_everything_says_so() {
        if current(0).is_some() {
            return;
        }
        assert_eq!(own(0), Err(Failed));
        assert_eq!(finish(0), Err(Failed));
        assert!(Mark::here(0).is_err());
    }
}
