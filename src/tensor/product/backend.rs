//! The libraries that multiply large float32 matrices on the CPU.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use tch::{TchError, Tensor};

use super::dense;
use crate::error::Error;

/// A library that multiplies large float32 matrices on the CPU. All give the accuracy of sums in float32, and differ in
/// the order of these sums, so in last places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// The crate gemm, on libtorch's threads: AVX-512 on processors of every make.
    Gemm,
    /// oneDNN, through libtorch.
    OneDnn,
    /// What libtorch takes by itself: MKL.
    Libtorch,
}

impl Backend {
    /// All of them; of those that are equally fast the first is taken.
    pub const ALL: [Backend; 3] = [Backend::Gemm, Backend::OneDnn, Backend::Libtorch];

    /// Returns its name, as `SAESCRIPT_PRODUCT` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Gemm => "gemm",
            Backend::OneDnn => "onednn",
            Backend::Libtorch => "mkl",
        }
    }

    /// Returns whether this process has it.
    pub fn is_available(self) -> bool {
        match self {
            Backend::OneDnn => tch::utils::has_mkldnn(),
            Backend::Gemm | Backend::Libtorch => true,
        }
    }

    /// Returns `a b` of matrices for which [`dense::applies`] says yes.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn multiply(self, a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Backend::Gemm => dense::multiply(a, b),
            Backend::OneDnn => one_dnn(a, b),
            Backend::Libtorch => a.f_mm(b),
        }
    }

    /// Puts `a b` into `out`, for which [`dense::applies_to`] says yes too, whatever is there.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn put(self, out: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<(), TchError> {
        match self {
            Backend::Gemm => {
                dense::into(out, a, b, false);
                Ok(())
            }
            Backend::OneDnn => out.f_copy_(&one_dnn(a, b)?),
            Backend::Libtorch => a.f_mm_out(out, b).map(drop),
        }
    }

    /// Adds `a b` to `sum`, for which [`dense::applies_to`] says yes too.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add(self, sum: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<(), TchError> {
        match self {
            Backend::Gemm => {
                dense::into(sum, a, b, true);
                Ok(())
            }
            Backend::OneDnn => sum.f_add_(&one_dnn(a, b)?).map(drop),
            Backend::Libtorch => sum.f_addmm_(a, b).map(drop),
        }
    }
}

/// Returns `a b` by oneDNN, whose matrices are tensors of its own.
fn one_dnn(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let weight = b.f_tr()?;
    let product = a.f_to_mkldnn(None)?.f_mkldnn_linear(&weight, None::<&Tensor>)?;
    product.f_to_dense(None, false)
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for Backend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Backend::ALL.map(Backend::name);
        let found = Backend::ALL.into_iter().find(|backend| backend.name() == name);
        found.ok_or_else(|| Error::unknown("library for matrix products", name, &known))
    }
}
