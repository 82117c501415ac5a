//! Denormal numbers taken as 0 for a while, since arithmetic with them is slow.
//!
//! The moments of weights that no longer get gradients fade into denormal numbers. The setting belongs to a thread, and
//! threads are shared with others, so it is put back.

use std::marker::PhantomData;

/// While this lives, its thread takes denormal numbers as 0, where the processor can.
pub(super) struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    before: u32,
    /// Keeps it in its thread.
    thread: PhantomData<*const ()>,
}

#[cfg(target_arch = "x86_64")]
mod control {
    use std::arch::asm;

    /// The bits of MXCSR that make denormal results (FTZ) and arguments (DAZ) 0.
    pub(super) const FLUSH: u32 = 1 << 15 | 1 << 6;

    /// Returns the thread's MXCSR.
    pub(super) fn get() -> u32 {
        let mut control = 0_u32;
        // SAFETY: the instruction writes 32 bits to the address of a local number.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags)) };
        control
    }

    /// Sets the thread's MXCSR to what [`get`] returned, with [`FLUSH`] or without.
    pub(super) fn set(control: u32) {
        // SAFETY: the instruction reads 32 bits from the address of a local number. They change no more than how
        // denormal numbers are taken, which no code here relies on.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags)) };
    }
}

impl FlushDenormals {
    /// Starts to take denormal numbers as 0.
    pub(super) fn start() -> Self {
        #[cfg(target_arch = "x86_64")]
        let before = control::get();
        #[cfg(target_arch = "x86_64")]
        control::set(before | control::FLUSH);
        FlushDenormals {
            #[cfg(target_arch = "x86_64")]
            before,
            thread: PhantomData,
        }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        control::set(self.before);
        let _ = self.thread;
    }
}
