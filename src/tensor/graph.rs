//! Whether libtorch remembers what is computed, for gradients.

/// Returns whether a graph is being built on this thread: not where a guard of [`no_grad_guard`](super::no_grad_guard)
/// lives.
pub fn builds_graph() -> bool {
    // SAFETY: it changes a setting of this thread and gives the one before; the second call sets it back.
    unsafe {
        let before = torch_sys::at_grad_set_enabled(0);
        torch_sys::at_grad_set_enabled(before);
        before != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::no_grad_guard;

    #[test]
    fn it_is_what_the_guard_says() {
        assert!(builds_graph());
        let guard = no_grad_guard();
        assert!(!builds_graph());
        drop(guard);
        assert!(builds_graph());
    }
}
