//! A comparison of the kernels with libtorch before they are used: a few tokens and latents, at every start.

mod given;
mod lists;

use self::given::{Given, K, LATENTS, agree, spread};
use crate::error::Result;
use crate::kernels::adam::{Moves, Rule};
use crate::kernels::cuda::adam::{Moving, adam};
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::decode::{Batch, decode, residual, slopes};
use crate::kernels::cuda::encode::largest;
use crate::kernels::cuda::estimate::{Counted, Encoder};
use crate::kernels::cuda::figures::{Measured, figures};
use crate::kernels::cuda::launcher::Launcher;
use crate::kernels::cuda::norms::norms;
use crate::kernels::cuda::prefixes::Prefixes;
use crate::kernels::cuda::rows::{lengths, scaled};
use crate::tensor::{Kind, Tensor};

/// Numbers of tokens that are no multiples of anything.
pub const TOKENS: i64 = 37;
/// As [`TOKENS`], and others.
pub const MORE_TOKENS: i64 = 53;

/// Compares a step's kernels with libtorch on the processor, on `tokens` tokens.
///
/// # Errors
/// Something differs, or the device failed.
pub fn compare(launcher: &dyn Launcher, tokens: i64) -> Result<()> {
    let given = Given::new(tokens)?;
    compare_rows(launcher, &given)?;
    let there = |x: &Tensor| x.f_to_device(launcher.device());
    let (x, weight, bias) = (there(&given.x)?, there(&given.weight)?, there(&given.bias)?);
    let encoder = Encoder {
        weight: &weight,
        bias: &bias,
        factor: None,
    };
    let pairs = largest(launcher, &x, &encoder, K, &mut Counted::new(launcher.device())?)?;
    let acts = given.activations()?;
    agree("the selection", &spread(&pairs)?, &acts)?;
    let prefixes = Prefixes::new(&[(LATENTS, 1.0)], launcher.device())?;
    let batch = Batch {
        pairs: &pairs,
        reached: &pairs.index,
        decoder: &weight,
        bias: None,
        label: &x,
        prefixes: &prefixes,
        scale: 2.0,
    };
    let (error, squared) = residual(launcher, &batch)?;
    let expected = acts.f_matmul(&given.weight)?.f_sub(&given.x)?;
    let squares = expected
        .f_square()?
        .f_sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)?;
    agree("the squared errors", &squared.f_get(0)?, &squares)?;
    let expected = expected.f_mul_scalar(2.0)?;
    agree("the reconstruction", &error.f_get(0)?, &expected)?;
    let by_acts = pairs.with_values(&slopes(launcher, &batch, &error)?)?;
    let is_on = acts.f_gt(0.0)?;
    let all = expected.f_matmul(&given.weight.f_tr()?)?.f_mul(&is_on)?;
    agree("the derivatives", &spread(&by_acts)?, &all)?;
    if let Some(decoded) = decode(launcher, &batch)? {
        agree("the errors in one pass", &decoded.squared.f_get(0)?, &squares)?;
        agree(
            "the reconstruction in one pass",
            &decoded.residual.f_get(0)?,
            &expected,
        )?;
        let by_acts = pairs.with_values(&decoded.slopes)?;
        agree("the derivatives in one pass", &spread(&by_acts)?, &all)?;
    }
    let by_latent = ByLatent::new(launcher, &pairs, LATENTS)?;
    let (sums, _) = by_latent.sums(launcher, &error.f_get(0)?, &pairs.value, None)?;
    let gradient = acts.f_tr()?.f_matmul(&expected)?;
    agree("the gradients", &sums, &gradient)?;
    lists::compare(launcher, &given)?;
    compare_moves(launcher, &given.weight, &gradient)
}

/// Compares the norm of a gradient, and the first move of an optimiser by it.
fn compare_moves(launcher: &dyn Launcher, weight: &Tensor, gradient: &Tensor) -> Result<()> {
    let there = |x: &Tensor| x.f_to_device(launcher.device());
    let on_it = there(gradient)?;
    let nonzeros = gradient.f_ne(0.0)?.f_sum(Kind::Float)?.f_clamp_min(1)?;
    let norm = gradient.f_norm()?.f_div(&nonzeros.f_sqrt()?)?;
    let found = norms(launcher, &[on_it.shallow_clone()], &[], 0.0)?;
    agree("the norm of the gradients", &found.after, &norm)?;
    let moved = there(weight)?.f_mul_scalar(1.0)?;
    let (mean, square) = (moved.f_zeros_like()?, moved.f_zeros_like()?);
    let moving = Moving {
        parameter: &moved,
        mean: &mean,
        square: &square,
        gradient: &on_it,
        scale: None,
        due: None,
    };
    adam(launcher, &moving, &RULE)?;
    // The first move of Adam goes by the learning rate, in the direction of the gradient.
    let far = gradient.f_abs()?.f_add_scalar(RULE.epsilon)?;
    let way = gradient.f_div(&far)?.f_mul_scalar(RULE.lr)?;
    agree("the optimiser's move", &moved, &weight.f_sub(&way)?)
}

/// Compares what is made of rows, and the figures for logs.
fn compare_rows(launcher: &dyn Launcher, given: &Given) -> Result<()> {
    let there = |x: &Tensor| x.f_to_device(launcher.device());
    let norms = given.x.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)?;
    let (found, _) = lengths(launcher, &there(&given.x)?, 0.0, false)?;
    agree("the lengths of rows", &found, &norms.f_view([-1])?)?;
    let scaled = scaled(launcher, &there(&given.x)?, 1e-12, 1.0)?;
    agree("rows of one length", &scaled, &given.x.f_div(&norms)?)?;
    let error = norms.f_view([-1])?;
    let measured = Measured {
        error: &there(&error)?,
        label: &there(&given.x)?,
        activation: &there(&Tensor::from(3.0f32))?,
        active: &there(&Tensor::from(2i64))?,
        rounding: 0.0,
    };
    let figures = figures(launcher, &measured, &there(&Tensor::from(0.0f64))?)?;
    let centre = given.x.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?;
    let spread = given.x.f_sub(&centre)?.f_square()?.f_sum(None::<Kind>)?;
    let expected = error
        .f_sum(None::<Kind>)?
        .f_div(&spread)?
        .f_neg()?
        .f_add_scalar(1.0)?;
    agree("the explained variance", &figures.reconstruction[0], &expected)?;
    agree("the mean activation", &figures.activation, &Tensor::from(1.5f32))
}

const RULE: Rule = Rule {
    lr: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.0,
    step: 1,
    gradient_scale: 1.0,
    moves: Moves::All,
};
