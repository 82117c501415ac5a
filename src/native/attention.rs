//! Which kernels libtorch may take for attention on a GPU.

use std::ffi::c_int;

unsafe extern "C" {
    fn saescript_without_cudnn_attention() -> c_int;
}

/// Has libtorch leave cuDNN's attention, and returns whether it does. cuDNN makes a plan for each thread and each new
/// number and length of sequences, which takes longer than the pass; libtorch's own kernels (flash attention in half
/// precision) take any shape at once, and are as fast.
pub fn without_cudnn() -> bool {
    // SAFETY: it sets a flag of libtorch's, and no exception leaves it.
    unsafe { saescript_without_cudnn_attention() == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cudnn_is_left() {
        assert!(without_cudnn());
    }
}
