//! Batches as a dictionary sees them: the right hook points, the right width, normalised, and only what counts.

use crate::activations::Batch;
use crate::dictionary::{LossInput, LossSettings, LossTerms, Pass, SparseAutoEncoder, counted_rows};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Normalised activations of one batch, on the dictionary's device and in its dtype.
pub(super) struct Prepared {
    pub(super) x: Tensor,
    pub(super) label: Tensor,
}

impl Prepared {
    /// The activations of `batch` at the hook points of `sae`, normalised. Positions that the batch's mask leaves out
    /// (BOS, padding, ignored tokens) are dropped, so that nothing which is done with the rest can count them: what
    /// remains of such a batch is `(n, d_model)`, whatever its shape was.
    ///
    /// # Errors
    /// A hook point is missing; shapes do not fit the dictionary or each other; no position counts.
    pub(super) fn new(sae: &SparseAutoEncoder, batch: &Batch) -> Result<Self> {
        let _no_grad = tch::no_grad_guard();
        let (x, label) = activations_of(sae, batch)?;
        if counts_nothing(batch)? {
            return Err(
                Error::input("no position of this batch counts: its mask is 0 everywhere")
                    .hint("leave such batches out"),
            );
        }
        let pass = Pass::counting(batch.mask.as_ref());
        let prepare = |x: &Tensor, hook: &str| -> Result<Tensor> {
            let normalised = sae.normalize_with(x, hook, &pass)?;
            match pass.counted {
                None => Ok(normalised),
                counted => counted_rows(&normalised, counted),
            }
        };
        let x = prepare(x, &sae.cfg.hook_point_in)?;
        let label = if sae.cfg.is_transcoder() {
            prepare(label, &sae.cfg.hook_point_out)?
        } else {
            x.shallow_clone()
        };
        Ok(Self { x, label })
    }

    /// As the loss takes it.
    pub(super) fn as_input(&self) -> LossInput<'_> {
        LossInput {
            x: &self.x,
            label: &self.label,
        }
    }
}

/// Does the mask of `batch` leave out every position?
///
/// # Errors
/// The device failed.
pub(super) fn counts_nothing(batch: &Batch) -> Result<bool> {
    match &batch.mask {
        Some(mask) => Ok(mask.f_ne(0.0)?.f_any()?.f_int64_value(&[])? == 0),
        None => Ok(false),
    }
}

/// The activations of `batch` at the two hook points of `sae`, as they are.
///
/// # Errors
/// A hook point is missing, or shapes do not fit the dictionary or each other.
fn activations_of<'b>(sae: &SparseAutoEncoder, batch: &'b Batch) -> Result<(&'b Tensor, &'b Tensor)> {
    let (point_in, point_out) = (&sae.cfg.hook_point_in, &sae.cfg.hook_point_out);
    let (x, label) = (
        activations(batch, sae, point_in)?,
        activations(batch, sae, point_out)?,
    );
    if label.size() != x.size() {
        return Err(Error::input(format!(
            "the activations at `{point_in}` and `{point_out}` have different shapes: {:?} and {:?}",
            x.size(),
            label.size()
        )));
    }
    let leading = &x.size()[..x.dim() - 1];
    if let Some(mask) = batch.mask.as_ref().filter(|mask| mask.size() != leading) {
        return Err(Error::input(format!(
            "the mask of a batch has shape {:?}, but its activations have {leading:?} positions",
            mask.size()
        )));
    }
    Ok((x, label))
}

/// The loss of a batch whose activations are normalised already, as a differentiable graph. What the batch's mask leaves
/// out has values, but no part in the loss. `is_dead`, bool `(d_sae)`, says which latents Aux-K may use; without it
/// none.
///
/// # Errors
/// A hook point is missing, or shapes do not fit the dictionary or each other.
pub fn batch_loss(
    sae: &SparseAutoEncoder,
    batch: &Batch,
    settings: &LossSettings,
    pass: &Pass<'_>,
    is_dead: Option<&Tensor>,
) -> Result<LossTerms> {
    let (x, label) = activations_of(sae, batch)?;
    let here = |x: &Tensor| x.f_to_device_(sae.device(), sae.kind(), false, false);
    let (x, label) = (here(x)?, here(label)?);
    let input = LossInput { x: &x, label: &label };
    let pass = Pass {
        counted: batch.mask.as_ref(),
        ..*pass
    };
    let Some(is_dead) = is_dead else {
        return sae.compute_loss(&input, settings, &pass, None);
    };
    if is_dead.size() != [sae.cfg.d_sae()] {
        return Err(Error::input(format!(
            "the dictionary has {} latents, but what says which are dead has shape {:?}",
            sae.cfg.d_sae(),
            is_dead.size()
        ))
        .under("is_dead"));
    }
    let mut dead = |_: &Tensor| Ok(is_dead.f_to_device(sae.device())?);
    sae.compute_loss(&input, settings, &pass, Some(&mut dead))
}

/// Rows of a batch: tokens in 1D, sequences times positions in 2D.
pub(super) fn rows_of(batch: &Batch, sae: &SparseAutoEncoder) -> Result<u64> {
    let size = activations(batch, sae, &sae.cfg.hook_point_in)?.size();
    Ok(size[..size.len() - 1].iter().product::<i64>() as u64)
}

/// The activations at `hook`, which have rows and the dictionary's width.
fn activations<'b>(batch: &'b Batch, sae: &SparseAutoEncoder, hook: &str) -> Result<&'b Tensor> {
    let x = batch.at(hook)?;
    let size = x.size();
    if size.len() < 2 || x.numel() == 0 {
        return Err(Error::input(format!(
            "a batch of shape {size:?} at `{hook}` holds no activations to train on"
        ))
        .hint("activations have the shape (batch, d_model) or (batch, seq, d_model)"));
    }
    let width = size[size.len() - 1];
    if width != sae.cfg.d_model {
        return Err(Error::input(format!(
            "the activations at `{hook}` are {width} wide, but the dictionary's d_model is {}",
            sae.cfg.d_model
        ))
        .hint(format!("set `d_model` to {width}"))
        .under("d_model"));
    }
    Ok(x)
}
