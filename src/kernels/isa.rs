//! Which instructions the kernels use: the best that this processor has, found once.

use std::sync::OnceLock;

/// A set of instructions that kernels are written for. Later ones include earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain code, whatever the processor.
    Plain,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL) with VNNI.
    Avx512,
}

impl Isa {
    /// Every set, the plainest first.
    pub const ALL: [Isa; 3] = [Isa::Plain, Isa::Avx2, Isa::Avx512];

    /// Returns the set that kernels use: the best of this processor, or the lesser one that `SAESCRIPT_KERNELS` names.
    pub fn chosen() -> Isa {
        static CHOSEN: OnceLock<Isa> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let asked = std::env::var("SAESCRIPT_KERNELS").ok();
            let asked = asked.and_then(|name| Isa::ALL.into_iter().find(|isa| isa.name() == name));
            asked.unwrap_or(Isa::Avx512).min(Isa::best())
        })
    }

    /// Returns the best set of this processor.
    pub fn best() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 && avx512 {
                return Isa::Avx512;
            }
            if avx2 {
                return Isa::Avx2;
            }
        }
        Isa::Plain
    }

    /// Returns its name, as `SAESCRIPT_KERNELS` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Plain => "plain",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}
