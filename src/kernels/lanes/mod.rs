//! Groups of 16 float32 numbers, and what the step kernels do with them.
//!
//! A kernel is written once, over [`Lanes`], and compiled once for every set of instructions; [`run`] picks the one
//! asked for. A group is one register of AVX-512, two of AVX2, or an array.

mod group;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::isa::Isa;

pub use group::{GROUP, Kernel, Lanes, Line, SUMS};

/// Does the work of `kernel` in the set of instructions `isa`, or in the best that this processor has if that is less.
pub fn run<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    match isa.min(Isa::best()) {
        // SAFETY: the processor has the set, or `best` would not have named it.
        Isa::Avx512 => return unsafe { x86::avx512(kernel) },
        // SAFETY: as above.
        Isa::Avx2 => return unsafe { x86::avx2(kernel) },
        Isa::Plain => {}
    }
    let _ = isa;
    kernel.run(plain::Plain)
}
