//! Whether libtorch remembers what is computed, for gradients, and the way back through it.

use std::ffi::{CStr, c_int};

use tch::{TchError, Tensor};

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

/// Adds the gradient of a number, by everything that it was computed from, to what these have. The graph is kept for
/// another time with `keep`, and the gradient is recorded itself with `create`.
///
/// # Errors
/// The tensor is no number, or nothing of it was recorded; the graph was used up.
pub fn backward(tensor: &Tensor, keep: bool, create: bool) -> Result<(), TchError> {
    // SAFETY: the tensor lives through the call, which only reads the pointer; the text of an error is ours to free.
    unsafe {
        torch_sys::at_backward(tensor.as_ptr().cast_mut(), c_int::from(keep), c_int::from(create));
        let failure = torch_sys::get_and_reset_last_err();
        if failure.is_null() {
            return Ok(());
        }
        let text = CStr::from_ptr(failure).to_string_lossy().into_owned();
        libc::free(failure.cast());
        Err(TchError::Torch(text))
    }
}

/// Returns the gradients of a number with respect to `inputs`, which are left as they are; `None` where it does not
/// depend on one.
///
/// # Errors
/// As of [`backward`]; an input that keeps no gradient.
pub fn gradients(
    tensor: &Tensor,
    inputs: &[Tensor],
    keep: bool,
    create: bool,
) -> Result<Vec<Option<Tensor>>, TchError> {
    let found = Tensor::f_run_backward(&[tensor], inputs, keep || create, create)?;
    let found = found.into_iter();
    Ok(found
        .map(|gradient| gradient.defined().then_some(gradient))
        .collect())
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
