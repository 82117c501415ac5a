//! One body of plain code, compiled for each set of instructions and chosen at run time.
//!
//! The compiler turns loops over fixed numbers of lanes into vectors of whatever the set offers, so that most kernels need
//! no intrinsics.

/// Defines a function with a leading `isa: Isa` that runs `body::<FUSED>`, a function marked `#[inline(always)]`, compiled
/// for that set. `FUSED` says whether fused multiply-add is an instruction there.
///
/// The set must be one that this processor has, as [`Isa::chosen`](super::isa::Isa::chosen) and
/// [`Isa::best`](super::isa::Isa::best) return; the entry points of the kernels check that.
macro_rules! compiled {
    ($(#[$note:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident;) => {
        $(#[$note])*
        $visibility fn $name(isa: $crate::kernels::isa::Isa, $($argument: $type),*) $(-> $result)? {
            use $crate::kernels::isa::Isa;

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                $body::<true>($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                $body::<true>($($argument),*)
            }

            match isa {
                // SAFETY: whoever passes a set has checked that the processor has it.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2($($argument),*) },
                _ => $body::<false>($($argument),*),
            }
        }
    };
}

pub(super) use compiled;
