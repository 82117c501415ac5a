//! What waits to be sent to a device until something else is to happen there.
//!
//! libtorch tells before each of its operations on this thread that looks at the numbers of tensors, whoever calls it, and the
//! functions of [`stream`](super::stream) tell as well. So nothing that works on the device comes before what was to come
//! first.

use std::cell::{Cell, RefCell};
use std::rc::Weak;

unsafe extern "C" {
    fn saescript_tell_before(told: unsafe extern "C" fn()) -> u64;
    fn saescript_tell_no_more(handle: u64);
}

/// Something that waits to be sent.
pub trait Pending {
    /// Sends it. What fails is kept, to be told to whoever comes next.
    fn send(&self);
}

thread_local! {
    /// What waits on this thread.
    static WAITS: RefCell<Option<Weak<dyn Pending>>> = const { RefCell::new(None) };
    /// What ends libtorch's telling; 0 where it does not tell.
    static TOLD: Cell<u64> = const { Cell::new(0) };
}

unsafe extern "C" fn told() {
    send();
}

/// Has `pending` wait until something is to happen on a device that this thread works on. What waited before is sent now.
/// Returns whether it may wait: not where libtorch does not tell.
pub fn wait(pending: &Weak<dyn Pending>) -> bool {
    let same = |waits: &Option<Weak<dyn Pending>>| waits.as_ref().is_some_and(|waits| waits.ptr_eq(pending));
    if WAITS.with_borrow(same) {
        return true;
    }
    send();
    if TOLD.get() == 0 {
        // SAFETY: the function keeps to its type, and is called on this thread only.
        TOLD.set(unsafe { saescript_tell_before(told) });
    }
    if TOLD.get() == 0 {
        return false;
    }
    WAITS.set(Some(pending.clone()));
    true
}

/// Sends what waits on this thread.
pub fn send() {
    // At the end of a thread nothing waits any more.
    let waits = WAITS.try_with(RefCell::take).ok().flatten();
    if let Some(pending) = waits.and_then(|waits| waits.upgrade()) {
        pending.send();
    }
}

/// Sends what waits on this thread, and has libtorch tell no more until something waits again.
pub fn finish() {
    send();
    let handle = TOLD.replace(0);
    if handle != 0 {
        // SAFETY: the handle is the one that libtorch gave.
        unsafe { saescript_tell_no_more(handle) };
    }
}
