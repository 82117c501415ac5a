//! One move of the Adam family on a device.

use super::launcher::{Argument, Grid, Launcher, check};
use crate::error::Result;
use crate::kernels::adam::{Factors, Moves, Rule};
use crate::tensor::{Kind, Tensor};

use Argument::Real;

/// Blocks that are enough to keep any GPU busy; each goes over several numbers.
const BLOCKS: i64 = 1 << 14;

/// Numbers that a thread reads at once.
const FOUR: i64 = 4;

/// A parameter, what Adam keeps of it, and its gradient: float32 tensors of one shape, contiguous.
pub struct Moving<'a> {
    /// The parameter.
    pub parameter: &'a Tensor,
    /// The running mean of its gradients.
    pub mean: &'a Tensor,
    /// The running mean of their squares.
    pub square: &'a Tensor,
    /// Its gradient.
    pub gradient: &'a Tensor,
    /// What the gradient is multiplied by besides the rule's factor, float64 0-d, if by anything.
    pub scale: Option<&'a Tensor>,
}

/// Makes one move, as [`kernels::adam`](crate::kernels::adam::adam) does. Nothing is read back.
///
/// # Errors
/// Shapes that differ; the device failed.
pub fn adam(launcher: &dyn Launcher, moving: &Moving<'_>, rule: &Rule) -> Result<()> {
    let shape = moving.parameter.size();
    for (name, other) in [
        ("a mean", moving.mean),
        ("a square", moving.square),
        ("a gradient", moving.gradient),
    ] {
        check(name, other, &shape)?;
    }
    let factors = Factors::of(rule);
    let count = moving.parameter.numel() as i64;
    let arguments = [
        Argument::floats(moving.parameter)?,
        Argument::floats(moving.mean)?,
        Argument::floats(moving.square)?,
        Argument::floats(moving.gradient)?,
        Argument::Whole(count),
        match moving.scale {
            Some(scale) => Argument::of(scale, Kind::Double)?,
            None => Argument::floats(None)?,
        },
        Real(factors.gradient.into()),
        Real(factors.keep.into()),
        Real(factors.beta1.into()),
        Real(factors.gain1.into()),
        Real(factors.beta2.into()),
        Real(factors.gain2.into()),
        Real(factors.root.into()),
        Real(factors.epsilon.into()),
        Real(factors.rate.into()),
        Argument::Whole(i64::from(rule.moves == Moves::WhereGradient)),
    ];
    let blocks = (count / (FOUR * launcher.threads()) + 1).min(BLOCKS);
    launcher.launch("adam_move", Grid::rows(blocks), &arguments)
}
