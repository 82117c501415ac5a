//! What starts kernels on tensors.

use std::fmt::Debug;

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// Threads of a warp.
pub const WARP: i64 = 32;

/// One parameter of a kernel; each is 8 bytes long.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// Where the numbers of a tensor begin; null for a tensor that is left out.
    Place(Option<&'a Tensor>),
    /// A whole number.
    Whole(i64),
    /// A real number.
    Real(f64),
}

impl<'a> Argument<'a> {
    /// Returns the place of the numbers of a tensor, which must be contiguous and of the dtype.
    ///
    /// # Errors
    /// It is another.
    pub fn of(tensor: &'a Tensor, kind: Kind) -> Result<Self> {
        if tensor.f_kind()? != kind || !tensor.is_contiguous() {
            return Err(Error::run(format!(
                "a kernel needs contiguous numbers of {kind:?}, but was given {tensor:?}"
            )));
        }
        Ok(Argument::Place(Some(tensor)))
    }

    /// Returns the place of the numbers of a float32 tensor, or null without one.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn floats(tensor: impl Into<Option<&'a Tensor>>) -> Result<Self> {
        match tensor.into() {
            Some(tensor) => Self::of(tensor, Kind::Float),
            None => Ok(Argument::Place(None)),
        }
    }

    /// Returns its 8 bytes.
    pub fn bits(self) -> u64 {
        match self {
            Argument::Place(tensor) => tensor.map_or(0, |tensor| tensor.data_ptr() as u64),
            Argument::Whole(number) => number.cast_unsigned(),
            Argument::Real(number) => number.to_bits(),
        }
    }
}

/// How many blocks run a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A start of a kernel that is still to come. It holds the tensors among its arguments, so that nobody else gets their memory
/// before.
#[derive(Debug)]
pub struct Launch {
    /// The kernel's name.
    pub kernel: String,
    /// How many blocks run it.
    pub grid: Grid,
    arguments: Vec<Held>,
}

/// An [`Argument`] that keeps its tensor.
#[derive(Debug)]
enum Held {
    Place(Option<Tensor>),
    Whole(i64),
    Real(f64),
}

impl Launch {
    /// Returns the start of a kernel with these arguments.
    pub fn new(kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Self {
        let held = arguments.iter().map(|argument| match *argument {
            Argument::Place(tensor) => Held::Place(tensor.map(Tensor::shallow_clone)),
            Argument::Whole(number) => Held::Whole(number),
            Argument::Real(number) => Held::Real(number),
        });
        Self {
            kernel: kernel.to_string(),
            grid,
            arguments: held.collect(),
        }
    }

    /// Returns its arguments.
    pub fn arguments(&self) -> Vec<Argument<'_>> {
        let arguments = self.arguments.iter().map(|held| match held {
            Held::Place(tensor) => Argument::Place(tensor.as_ref()),
            Held::Whole(number) => Argument::Whole(*number),
            Held::Real(number) => Argument::Real(*number),
        });
        arguments.collect()
    }

    /// Returns the tensors among its arguments.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.arguments.iter().filter_map(|held| match held {
            Held::Place(tensor) => tensor.as_ref(),
            _ => None,
        })
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
    /// There is no such kernel; the device failed, now or in what was started before.
    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()>;

    /// Starts kernels one after the other.
    ///
    /// # Errors
    /// As [`launch`](Self::launch), of the first that fails; those behind it are not started.
    fn launch_all(&self, launches: &[Launch]) -> Result<()> {
        launches
            .iter()
            .try_for_each(|launch| self.launch(&launch.kernel, launch.grid, &launch.arguments()))
    }

    /// Returns `left rightᵀ` in float32 for float16 matrices, summed in float32.
    ///
    /// # Errors
    /// Too little memory.
    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor>;

    /// Starts what it has put off, if it puts off anything. Before that, only libtorch may look at what kernels write.
    ///
    /// # Errors
    /// As [`launch`](Self::launch), of what was put off.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Returns what is to be said of how it works, once.
    fn remark(&self) -> Option<String> {
        None
    }
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
