//! What starts kernels on tensors.

use std::ffi::c_void;
use std::fmt::Debug;

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// Threads of a warp.
pub const WARP: i64 = 32;

/// One parameter of a kernel; each is 8 bytes long.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// Where the numbers of a tensor begin; null for a tensor that is left out.
    Place(*mut c_void),
    /// A whole number.
    Whole(i64),
    /// A real number.
    Real(f64),
}

impl Argument {
    /// Returns the place of the numbers of a tensor, which must be contiguous and of the dtype.
    ///
    /// # Errors
    /// It is another.
    pub fn of(tensor: &Tensor, kind: Kind) -> Result<Self> {
        if tensor.f_kind()? != kind || !tensor.is_contiguous() {
            return Err(Error::run(format!(
                "a kernel needs contiguous numbers of {kind:?}, but was given {tensor:?}"
            )));
        }
        Ok(Argument::Place(tensor.data_ptr()))
    }

    /// Returns the place of the numbers of a float32 tensor, or null without one.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn floats<'a>(tensor: impl Into<Option<&'a Tensor>>) -> Result<Self> {
        match tensor.into() {
            Some(tensor) => Self::of(tensor, Kind::Float),
            None => Ok(Argument::Place(std::ptr::null_mut())),
        }
    }

    /// Returns its 8 bytes.
    pub fn bits(self) -> u64 {
        match self {
            Argument::Place(place) => place as u64,
            Argument::Whole(number) => number.cast_unsigned(),
            Argument::Real(number) => number.to_bits(),
        }
    }
}

/// How many blocks run a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Blocks in the first direction: rows, tokens or latents.
    pub blocks: i64,
    /// Blocks in the second direction, which share the work of a row.
    pub shares: i64,
}

impl Grid {
    /// Returns one block for each of `rows` rows.
    pub fn rows(rows: i64) -> Self {
        Grid {
            blocks: rows,
            shares: 1,
        }
    }

    /// Returns `shares` blocks for each of `rows` rows.
    pub fn shared(rows: i64, shares: i64) -> Self {
        Grid {
            blocks: rows,
            shares: shares.clamp(1, 65_535),
        }
    }
}

/// A device on which kernels run, in the order in which they are started.
pub trait Launcher: Debug {
    /// Returns the device whose tensors it takes.
    fn device(&self) -> Device;

    /// Returns how many threads a block has, whole warps. One that goes over a row shares it among all of them.
    fn threads(&self) -> i64 {
        256
    }

    /// Starts a kernel. The arguments are those of its text, and the tensors among them have the sizes that it says.
    ///
    /// # Errors
    /// There is no such kernel; the device failed.
    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument]) -> Result<()>;

    /// Returns `left rightᵀ` in float32 for float16 matrices, summed in float32.
    ///
    /// # Errors
    /// Too little memory.
    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor>;
}

/// Refuses a tensor that is not of this shape.
///
/// # Errors
/// As said, with its name.
pub fn check(name: &str, tensor: &Tensor, shape: &[i64]) -> Result<()> {
    if tensor.size() == shape {
        return Ok(());
    }
    Err(Error::run(format!(
        "a kernel needs {name} of shape {shape:?}, but was given {:?}",
        tensor.size()
    )))
}
