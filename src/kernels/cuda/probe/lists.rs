//! Pairs that lie one after the other: how they are chosen, and what follows from them.

use super::given::{Given, K, LATENTS, agree, spread};
use crate::error::{Error, Result};
use crate::kernels::cuda::above::{Bounds, above};
use crate::kernels::cuda::batch::largest_of_batch;
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::decode::{Batch, decode, residual, slopes};
use crate::kernels::cuda::estimate::{Counted, Encoder};
use crate::kernels::cuda::gate::{Gate, gate};
use crate::kernels::cuda::launcher::Launcher;
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::cuda::prefixes::Prefixes;
use crate::tensor::{Device, Kind, Tensor};

/// What activations have to be above, how far below it a pre-activation is near, and how far below pairs need no number.
const THRESHOLD: f64 = 1.0;
const REACH: f64 = 0.25;
const BARE: f64 = 0.5;

/// Compares with libtorch on the processor what is selected of a batch and above bounds.
///
/// # Errors
/// Something differs, or the device failed.
pub(super) fn compare(launcher: &dyn Launcher, given: &Given) -> Result<()> {
    let there = |x: &Tensor| x.f_to_device(launcher.device());
    let (x, weight, bias) = (there(&given.x)?, there(&given.weight)?, there(&given.bias)?);
    let encoder = Encoder {
        weight: &weight,
        bias: &bias,
        factor: None,
    };
    let tokens = x.size()[0];
    let counted = &mut Counted::new(launcher.device())?;
    let pairs = largest_of_batch(launcher, &x, &encoder, K, counted)?;
    let all = given.pre()?.f_relu()?.f_view([-1])?;
    let (value, index) = all.f_topk(K * tokens, 0, true, true)?;
    let acts = all
        .f_zeros_like()?
        .f_scatter(0, &index, &value)?
        .f_view([tokens, LATENTS])?;
    agree("the selection of a batch", &spread(&pairs)?, &acts)?;
    let reached = acts.f_gt(0.0)?;
    follow(launcher, given, (&pairs, &pairs.index), (&acts, &reached))?;

    let row = |number: f64| Tensor::f_full([LATENTS], number, (Kind::Float, launcher.device()));
    let bounds = Bounds {
        bounds: &row(THRESHOLD - BARE)?,
        spans: Some(&row(BARE - REACH)?),
    };
    let (_, found) = above(launcher, &x, &encoder, &bounds, tokens * LATENTS, counted)?;
    let found = found.ok_or_else(|| Error::run("our kernels found more pairs than there are"))?;
    let compared = Gate {
        factor: None,
        threshold: Some(&row(THRESHOLD)?),
        reach: REACH,
    };
    let gated = gate(launcher, &found.pairs, LATENTS, &compared)?;
    let pre = given.pre()?;
    let acts = pre.f_mul(&pre.f_gt(THRESHOLD)?)?;
    let on = found.pairs.with_values(&gated.activation)?;
    agree("what is above its threshold", &spread(&on)?, &acts)?;
    let is_near = pre.f_gt(THRESHOLD - REACH)?;
    follow(launcher, given, (&on, &gated.reached), (&acts, &is_near))?;
    // Those between the bounds, with a number or without.
    let between = pre
        .f_gt(THRESHOLD - BARE)?
        .f_sum(Kind::Int64)?
        .f_int64_value(&[])?;
    let seen = spread(&found.pairs)?.f_gt(THRESHOLD - BARE)?.f_sum(Kind::Int64)?;
    let bare = found.bare.map_or(Ok(0), |bare| -> Result<i64> {
        Ok(bare.listed.f_sum(Kind::Int64)?.f_int64_value(&[])?)
    });
    let apart = between - seen.f_int64_value(&[])? - bare?;
    if apart != 0 {
        return Err(Error::run(format!(
            "our kernels do not compute what libtorch computes on this GPU: of {between} pairs above a bound {apart} are missing"
        )));
    }
    Ok(())
}

/// Compares what follows from pairs with the activations `acts (T, S)`: errors, derivatives where `reached` says, sums.
fn follow(
    launcher: &dyn Launcher,
    given: &Given,
    (pairs, latents): (&Pairs, &Tensor),
    (acts, reached): (&Tensor, &Tensor),
) -> Result<()> {
    let there = |x: &Tensor| x.f_to_device(launcher.device());
    let prefixes = Prefixes::new(&[(LATENTS / 3, 0.5), (LATENTS, 1.0)], launcher.device())?;
    let batch = Batch {
        pairs,
        reached: latents,
        decoder: &there(&given.weight)?,
        bias: None,
        label: &there(&given.x)?,
        prefixes: &prefixes,
        scale: 2.0,
    };
    let (errors, _) = residual(launcher, &batch)?;
    let short = acts
        .f_narrow(1, 0, LATENTS / 3)?
        .f_matmul(&given.weight.f_narrow(0, 0, LATENTS / 3)?)?;
    let long = acts.f_matmul(&given.weight)?.f_sub(&given.x)?.f_mul_scalar(2.0)?;
    let both = short.f_sub(&given.x)?.f_add(&long)?;
    agree(
        "the errors of prefixes",
        &errors,
        &Tensor::f_stack(&[&both, &long], 0)?,
    )?;
    let by_group = [
        both.f_matmul(&given.weight.f_tr()?)?,
        long.f_matmul(&given.weight.f_tr()?)?,
    ];
    let is_first = Tensor::f_arange(LATENTS, (Kind::Int64, Device::Cpu))?.f_lt(LATENTS / 3)?;
    let all = by_group[0]
        .f_where_self(&is_first, &by_group[1])?
        .f_mul(reached)?;
    let slopes = pairs.with_values(&slopes(launcher, &batch, &errors)?)?;
    agree("the derivatives by prefixes", &spread(&slopes)?, &all)?;
    let whole = Prefixes::new(&[(LATENTS, 1.0)], launcher.device())?;
    let batch = Batch {
        prefixes: &whole,
        ..batch
    };
    if let Some(decoded) = decode(launcher, &batch)? {
        agree("the errors of lists", &decoded.residual.f_get(0)?, &long)?;
        let slopes = pairs.with_values(&decoded.slopes)?;
        agree(
            "the derivatives of lists",
            &spread(&slopes)?,
            &by_group[1].f_mul(reached)?,
        )?;
    }
    add_up(launcher, given, (pairs, acts))
}

/// Compares the sums over pairs with the activations `acts (T, S)`.
fn add_up(launcher: &dyn Launcher, given: &Given, (pairs, acts): (&Pairs, &Tensor)) -> Result<()> {
    let by_latent = ByLatent::new(launcher, pairs, LATENTS)?;
    let sums = |dim: i64| acts.f_sum_dim_intlist([dim].as_slice(), false, None::<Kind>);
    agree(
        "sums by latent",
        &by_latent.number_sums(launcher, &pairs.value)?,
        &sums(0)?,
    )?;
    agree(
        "sums by token",
        &pairs.sums_by_token(launcher, &pairs.value)?,
        &sums(1)?,
    )?;
    let (rows, _) = by_latent.sums(
        launcher,
        &given.x.f_to_device(launcher.device())?,
        &pairs.value,
        None,
    )?;
    agree("the gradients by lists", &rows, &acts.f_tr()?.f_matmul(&given.x)?)
}
