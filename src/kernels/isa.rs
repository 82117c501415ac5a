//! Which instructions the kernels use: the best that this processor has, found once.

use std::env;
use std::sync::OnceLock;

use crate::error::{Error, Result};

/// Asks for less than the processor has.
const VARIABLE: &str = "SAESCRIPT_KERNELS";

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
        *CHOSEN.get_or_init(|| Isa::asked().ok().flatten().unwrap_or(Isa::best()))
    }

    /// Returns the set that `SAESCRIPT_KERNELS` names; nothing where it is empty or not set.
    ///
    /// # Errors
    /// There is none of that name, or this processor lacks it.
    pub fn asked() -> Result<Option<Isa>> {
        let Some(name) = env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        Isa::named(&name.to_string_lossy(), Isa::best()).map(Some)
    }

    /// Returns the set of that name, where `best` is the best of the processor.
    fn named(name: &str, best: Isa) -> Result<Isa> {
        let known = Isa::ALL.into_iter().find(|isa| isa.name() == name);
        let reading = format!("while reading the environment variable {VARIABLE}");
        let there = Isa::ALL.into_iter().filter(|isa| *isa <= best);
        let names: Vec<_> = there.map(|isa| format!("\"{}\"", isa.name())).collect();
        let advice = format!(
            "this processor has {}; without {VARIABLE} the last of them is used",
            names.join(", ")
        );
        match known {
            Some(isa) if isa <= best => Ok(isa),
            Some(isa) => Err(Error::input(format!(
                "this processor cannot do \"{}\"",
                isa.name()
            ))),
            None => Err(Error::input(format!(
                "there is no set of instructions \"{name}\""
            ))),
        }
        .map_err(|error| error.hint(advice).context(reading))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_set_of_instructions_of_this_processor_is_refused() {
        assert_eq!(Isa::named("plain", Isa::Avx2).expect("a set"), Isa::Plain);
        assert_eq!(Isa::named("avx2", Isa::Avx2).expect("a set"), Isa::Avx2);
        for (name, expected) in [
            ("avx512", "this processor cannot do \"avx512\""),
            ("AVX2", "there is no set of instructions \"AVX2\""),
            ("sse", "there is no set of instructions \"sse\""),
        ] {
            let error = Isa::named(name, Isa::Avx2).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
