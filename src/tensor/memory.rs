//! What becomes of the memory of freed tensors.

/// Tensors up to this many bytes are taken from memory that was freed before.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 1 << 30;

/// Tells the C library, from which libtorch takes the CPU's memory, to keep what is freed for the next tensor.
///
/// By default it hands large blocks back to the system and gets them again, empty, a moment later: the same few tensors
/// of every training step and forward pass are then made of pages that the kernel first has to clear. Kept, they make
/// a forward pass about 10% faster (`scripts/bench models`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn keep_freed() {
    // SAFETY: the settings are plain numbers, and may be changed at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}

/// Other C libraries decide by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn keep_freed() {}
