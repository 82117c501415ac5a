//! Batches as a dictionary sees them: the right hook points, the right width, normalised.

use crate::activations::Batch;
use crate::dictionary::{LossInput, LossSettings, LossTerms, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Normalised activations of one batch, on the dictionary's device and in its dtype.
pub(super) struct Prepared {
    pub(super) x: Tensor,
    pub(super) label: Tensor,
    pub(super) mask: Option<Tensor>,
}

impl Prepared {
    /// The activations of `batch` at the hook points of `sae`, normalised.
    ///
    /// # Errors
    /// A hook point is missing, or shapes do not fit the dictionary or each other.
    pub(super) fn new(sae: &SparseAutoEncoder, batch: &Batch) -> Result<Self> {
        let _no_grad = tch::no_grad_guard();
        Prepared::with(sae, batch, |x, hook| sae.normalize(x, hook))
    }

    /// The same without normalising them.
    fn as_given(sae: &SparseAutoEncoder, batch: &Batch) -> Result<Self> {
        let target = (sae.device(), sae.kind());
        Prepared::with(sae, batch, |x, _| {
            Ok(x.f_to_device_(target.0, target.1, false, false)?)
        })
    }

    fn with(
        sae: &SparseAutoEncoder,
        batch: &Batch,
        prepare: impl Fn(&Tensor, &str) -> Result<Tensor>,
    ) -> Result<Self> {
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
        let x = prepare(x, point_in)?;
        let label = match sae.cfg.is_transcoder() {
            true => prepare(label, point_out)?,
            false => x.shallow_clone(),
        };
        let mask = batch
            .mask
            .as_ref()
            .map(|mask| mask.f_to_device(sae.device()))
            .transpose()?;
        Ok(Self { x, label, mask })
    }

    /// As the loss takes it.
    pub(super) fn as_input(&self) -> LossInput<'_> {
        LossInput {
            x: &self.x,
            label: &self.label,
            mask: self.mask.as_ref(),
        }
    }
}

/// The loss of a batch whose activations are normalised already, as a differentiable graph. `is_dead`, bool `(d_sae)`,
/// says which latents Aux-K may use; without it none.
///
/// # Errors
/// A hook point is missing, or shapes do not fit the dictionary or each other.
pub fn batch_loss(
    sae: &SparseAutoEncoder,
    batch: &Batch,
    settings: &LossSettings,
    is_dead: Option<&Tensor>,
) -> Result<LossTerms> {
    let prepared = Prepared::as_given(sae, batch)?;
    let Some(is_dead) = is_dead else {
        return sae.compute_loss(&prepared.as_input(), settings, None);
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
    sae.compute_loss(&prepared.as_input(), settings, Some(&mut dead))
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
