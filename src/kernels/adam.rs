//! Adam (<https://arxiv.org/abs/1412.6980>) in one pass over parameters, moments and gradient, with PyTorch's arithmetic:
//! the same operations, rounded at the same places. Only square roots may differ in the last bit, and parameters with
//! them, where PyTorch takes roots from MKL, which does not always return the nearest number.

use super::flush::FlushDenormals;
use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use crate::native::parallel::{Shared, for_ranges};

/// How many numbers are worth a thread.
const CHUNK: usize = 1 << 12;

/// Which numbers move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// All of them: Adam, and with weight decay AdamW.
    All,
    /// Those whose gradient is not 0; only there do moments gain, while they decay everywhere.
    WhereGradient,
}

/// How far numbers move in one step.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The learning rate.
    pub lr: f64,
    /// How much of the mean of gradients stays.
    pub beta1: f64,
    /// How much of the mean of squared gradients stays.
    pub beta2: f64,
    /// What is added to the root of the second moment.
    pub epsilon: f64,
    /// How much of a number is taken away before it moves, times the learning rate; 0 for none.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: i32,
    /// The factor of the gradient, as clipping asks for.
    pub gradient_scale: f32,
    /// Which numbers move.
    pub moves: Moves,
}

/// A parameter, what Adam keeps of it, and its gradient: four slices of the same length.
#[derive(Debug)]
pub struct Moving<'a> {
    /// The parameter.
    pub parameter: &'a mut [f32],
    /// The running mean of its gradients.
    pub mean: &'a mut [f32],
    /// The running mean of their squares.
    pub square: &'a mut [f32],
    /// Its gradient.
    pub gradient: &'a [f32],
}

/// Makes one move. Denormal numbers count as 0.
///
/// # Panics
/// Panics where the slices differ in length.
pub fn adam(moving: Moving, rule: &Rule) {
    adam_in(Isa::chosen(), moving, rule);
}

/// Does what [`adam`] does in a set of instructions.
pub(super) fn adam_in(isa: Isa, moving: Moving, rule: &Rule) {
    let Moving {
        parameter,
        mean,
        square,
        gradient,
    } = moving;
    let count = gradient.len();
    assert!(
        [parameter.len(), mean.len(), square.len()] == [count; 3],
        "moments and gradient belong to the parameter"
    );
    let factors = Factors::of(rule);
    let (parameter, mean, square) = (Shared::new(parameter), Shared::new(mean), Shared::new(square));
    for_ranges(count, CHUNK, |range| {
        let _flush = FlushDenormals::start();
        // SAFETY: the ranges do not overlap.
        let moving = unsafe {
            Moving {
                parameter: parameter.part(range.clone()),
                mean: mean.part(range.clone()),
                square: square.part(range.clone()),
                gradient: &gradient[range],
            }
        };
        let part = Part {
            moving,
            factors,
            moves: rule.moves,
        };
        lanes::run(isa, part);
    });
}

/// The numbers of a rule as they enter the arithmetic: computed in double precision, then rounded.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    pub(super) gradient: f32,
    pub(super) keep: f32,
    pub(super) beta1: f32,
    pub(super) gain1: f32,
    pub(super) beta2: f32,
    pub(super) gain2: f32,
    pub(super) root: f32,
    pub(super) epsilon: f32,
    pub(super) rate: f32,
}

impl Factors {
    /// Returns the numbers of a rule.
    pub(super) fn of(rule: &Rule) -> Self {
        let correction1 = 1.0 - rule.beta1.powi(rule.step);
        let correction2 = (1.0 - rule.beta2.powi(rule.step)).sqrt();
        let rate = match rule.moves {
            Moves::All => rule.lr / correction1,
            Moves::WhereGradient => rule.lr * correction2 / correction1,
        };
        Factors {
            gradient: rule.gradient_scale,
            keep: (1.0 - rule.lr * rule.weight_decay) as f32,
            beta1: rule.beta1 as f32,
            gain1: (1.0 - rule.beta1) as f32,
            beta2: rule.beta2 as f32,
            gain2: (1.0 - rule.beta2) as f32,
            root: correction2 as f32,
            epsilon: rule.epsilon as f32,
            rate: rate as f32,
        }
    }
}

/// The numbers of one thread.
struct Part<'a> {
    moving: Moving<'a>,
    factors: Factors,
    moves: Moves,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.moves {
            Moves::All => self.go::<L, true>(lanes),
            Moves::WhereGradient => self.go::<L, false>(lanes),
        }
    }
}

impl Part<'_> {
    /// Makes one move, of all numbers or only of those with a gradient.
    #[inline(always)]
    fn go<L: Lanes, const ALL: bool>(self, lanes: L) {
        let (parameters, parameter) = self.moving.parameter.as_chunks_mut::<GROUP>();
        let (means, mean) = self.moving.mean.as_chunks_mut::<GROUP>();
        let (squares, square) = self.moving.square.as_chunks_mut::<GROUP>();
        let (gradients, gradient) = self.moving.gradient.as_chunks::<GROUP>();
        let moments = means.iter_mut().zip(squares);
        for ((parameter, (mean, square)), gradient) in parameters.iter_mut().zip(moments).zip(gradients) {
            let before = [lanes.load(parameter), lanes.load(mean), lanes.load(square)];
            let after = step::<L, ALL>(lanes, &self.factors, before, lanes.load(gradient));
            lanes.store(after[0], parameter);
            lanes.store(after[1], mean);
            lanes.store(after[2], square);
        }
        if !gradient.is_empty() {
            let before = [
                lanes.load_part(parameter),
                lanes.load_part(mean),
                lanes.load_part(square),
            ];
            let after = step::<L, ALL>(lanes, &self.factors, before, lanes.load_part(gradient));
            lanes.store_part(after[0], parameter);
            lanes.store_part(after[1], mean);
            lanes.store_part(after[2], square);
        }
    }
}

/// Returns parameter, mean and square after a move.
#[inline(always)]
fn step<L: Lanes, const ALL: bool>(
    lanes: L,
    factors: &Factors,
    [parameter, mean, square]: [L::Group; 3],
    gradient: L::Group,
) -> [L::Group; 3] {
    let gradient = lanes.mul(gradient, lanes.splat(factors.gradient));
    let gain = lanes.mul(lanes.mul(gradient, gradient), lanes.splat(factors.gain2));
    let square = lanes.add(lanes.mul(square, lanes.splat(factors.beta2)), gain);
    let parameter = lanes.mul(parameter, lanes.splat(factors.keep));
    let root = lanes.sqrt(square);
    let (epsilon, rate) = (lanes.splat(factors.epsilon), lanes.splat(factors.rate));
    if ALL {
        let mean = mean_towards(lanes, factors, mean, gradient);
        let scale = lanes.add(lanes.div(root, lanes.splat(factors.root)), epsilon);
        let way = lanes.mul(lanes.div(mean, scale), rate);
        return [lanes.sub(parameter, way), mean, square];
    }
    let gain = lanes.mul(gradient, lanes.splat(factors.gain1));
    let mean = lanes.add(lanes.mul(mean, lanes.splat(factors.beta1)), gain);
    let way = lanes.mul(lanes.div(mean, lanes.add(root, epsilon)), rate);
    [
        lanes.sub(parameter, lanes.mul(way, lanes.indicator(gradient))),
        mean,
        square,
    ]
}

/// Returns the mean moved towards the gradient as `torch.lerp` does it, which starts from the nearer end.
#[inline(always)]
fn mean_towards<L: Lanes>(lanes: L, factors: &Factors, mean: L::Group, gradient: L::Group) -> L::Group {
    let way = lanes.sub(gradient, mean);
    if factors.gain1 < 0.5 {
        lanes.fma(lanes.splat(factors.gain1), way, mean)
    } else {
        lanes.fma(lanes.splat(factors.gain1 - 1.0), way, gradient)
    }
}
