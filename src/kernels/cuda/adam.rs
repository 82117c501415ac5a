//! One move of the Adam family on a device.

use super::launcher::{Argument, Grid, Launcher, check};
use super::norms::{measure, parts_of};
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
    /// Whether it is a move at all, and how far, in place of what the rule says by its step; see [`due`].
    pub due: Option<&'a Tensor>,
}

/// Counts a move of [`Moves::WhereGradient`] in `moves`, int64 `(1)`, if the gradient is not 0 throughout. Returns what
/// [`Moving::due`] is, float64 `(2)`; the step of the rule does not matter. Nothing is read back.
///
/// # Errors
/// Too little memory; the device failed.
pub fn due(launcher: &dyn Launcher, gradient: &Tensor, moves: &Tensor, rule: &Rule) -> Result<Tensor> {
    let gradient = [gradient.shallow_clone()];
    let parts = parts_of(&gradient);
    let empty = |count: i64, kind: Kind| Tensor::f_empty([count], (kind, launcher.device()));
    let (squares, nonzeros) = (empty(parts, Kind::Double)?, empty(parts, Kind::Int64)?);
    measure(launcher, &gradient, (&squares, &nonzeros))?;
    let due = empty(2, Kind::Double)?;
    let arguments = [
        Argument::of(&squares, Kind::Double)?,
        Argument::of(&nonzeros, Kind::Int64)?,
        Argument::Whole(parts),
        Real(rule.lr),
        Real(rule.beta1),
        Real(rule.beta2),
        Argument::of(moves, Kind::Int64)?,
        Argument::of(&due, Kind::Double)?,
    ];
    launcher.launch("count_move", Grid::rows(1), &arguments)?;
    Ok(due)
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
        match moving.due {
            Some(due) => Argument::of(due, Kind::Double)?,
            None => Argument::floats(None)?,
        },
    ];
    let blocks = (count / (FOUR * launcher.threads()) + 1).min(BLOCKS);
    launcher.launch("adam_move", Grid::rows(blocks), &arguments)
}
