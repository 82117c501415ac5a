//! Memory of tensors on the CPU that goes from one round of work to the next.
//!
//! Operations of libtorch make new tensors. In a round of a [`Pool`] these lie where tensors of the same size lay that went in this
//! round or the one before, so that rounds that do the same ask the C library for nothing large.

use std::ffi::c_void;
use std::ptr::NonNull;

unsafe extern "C" {
    fn saescript_pool_new() -> NonNull<c_void>;
    fn saescript_pool_end(pool: NonNull<c_void>);
    fn saescript_pool_begin(pool: NonNull<c_void>);
    fn saescript_pools_free_kept();
    #[cfg(test)]
    fn saescript_pool_kept(pool: NonNull<c_void>) -> usize;
    fn saescript_pool_use(pool: *mut c_void) -> *mut c_void;
}

/// Gives back to the C library what no tensor holds of any pool.
pub fn free_kept() {
    // SAFETY: it locks what it looks at.
    unsafe { saescript_pools_free_kept() };
}

/// Memory that is kept from round to round. What a tensor holds when it goes stays the tensor's.
#[derive(Debug)]
pub struct Pool(NonNull<c_void>);

impl Default for Pool {
    fn default() -> Self {
        // SAFETY: nothing is promised.
        Self(unsafe { saescript_pool_new() })
    }
}

impl Pool {
    /// Does a round of work, during which tensors that this thread makes come from the pool. What the round before did not need goes
    /// back to the C library first.
    pub fn round<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: it is a pool that has not ended.
        unsafe { saescript_pool_begin(self.0) };
        with(self.0.as_ptr(), work)
    }

    /// Returns how many bytes are kept that no tensor holds.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        // SAFETY: it is a pool that has not ended.
        unsafe { saescript_pool_kept(self.0) }
    }
}

/// Does work in which tensors that this thread makes come from no pool: such as are kept by themselves.
pub fn beside<T>(work: impl FnOnce() -> T) -> T {
    with(std::ptr::null_mut(), work)
}

/// Does work with this pool, which does not end meanwhile, or none.
fn with<T>(pool: *mut c_void, work: impl FnOnce() -> T) -> T {
    /// Has this thread use again what it used before.
    struct Before(*mut c_void);
    impl Drop for Before {
        fn drop(&mut self) {
            // SAFETY: whoever uses a pool keeps it until this work is done.
            unsafe { saescript_pool_use(self.0) };
        }
    }
    // SAFETY: the caller keeps it until this work is done.
    let _before = Before(unsafe { saescript_pool_use(pool) });
    work()
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: it is a pool that has not ended.
        unsafe { saescript_pool_end(self.0) };
    }
}
