//! How a process that has libtorch in it ends.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_void;
    use std::sync::Once;

    use libc::c_int;

    unsafe extern "C" {
        fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }

    extern "C" fn end(status: c_int, _: *mut c_void) {
        // SAFETY: flushing all streams and ending the process may be done at any time.
        unsafe {
            libc::fflush(std::ptr::null_mut());
            libc::_exit(status)
        }
    }

    pub(super) fn skip() {
        static ONCE: Once = Once::new();
        // SAFETY: the function needs no argument and stays where it is. Where there is no room for it, all is as it was.
        ONCE.call_once(|| {
            let _ = unsafe { on_exit(end, std::ptr::null_mut()) };
        });
    }
}

/// Has the process end, when its time comes, without taking libtorch's tables of operators apart first. That takes a
/// quarter of a short command's time, and a thread that computes meanwhile would find them gone.
///
/// For programs: what other libraries registered before for the end of the process is not done either.
pub fn skip_teardown() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::skip();
}
