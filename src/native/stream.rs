//! The stream on which libtorch works on a GPU.

use std::ffi::{c_int, c_void};

unsafe extern "C" {
    fn saescript_current_stream(index: c_int, stream: *mut *mut c_void) -> c_int;
}

/// Returns the driver's handle of the stream that libtorch uses on the GPU `index` for this thread; null stands for the
/// first one of all. `None` where libtorch has no CUDA, or the GPU fails.
pub fn current(index: usize) -> Option<*mut c_void> {
    let mut stream = std::ptr::null_mut();
    // SAFETY: it writes one pointer, and no exception leaves it.
    let code = unsafe { saescript_current_stream(c_int::try_from(index).ok()?, &raw mut stream) };
    (code == 0).then_some(stream)
}
