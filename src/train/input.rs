//! Batches as a dictionary sees them: the right hook points, the right width, normalised, and only what counts.

use super::target::check_positions;
use crate::activations::Batch;
use crate::dictionary::{
    LossInput, LossSettings, LossTerms, NormActivation, Pass, SparseAutoEncoder, Wants, counted_rows,
    norm_floor,
};
use crate::error::{Error, Result};
use crate::kernels::cuda::{Launcher, rows};
use crate::tensor::{Buffer, Device, Kind, Tensor, no_grad_guard};

/// Normalised activations of one batch, on the dictionary's device and in its dtype.
pub(super) struct Prepared {
    pub(super) x: Tensor,
    pub(super) label: Tensor,
    /// Which positions count, where those that do not are still there; `None`: all.
    pub(super) counted: Option<Tensor>,
}

/// Room for the normalised activations of one batch after the other, a buffer for each time that one is read or written, and
/// for those of several hook points side by side.
#[derive(Debug, Default)]
pub(super) struct Room {
    normalised: Vec<Buffer>,
    joined: Buffer,
}

impl Room {
    /// Returns the buffers for what `sae` sees of a batch, and the one for several hook points; none for those on a GPU, where
    /// work goes on by itself.
    fn of(&mut self, sae: &SparseAutoEncoder) -> (impl Iterator<Item = &mut Buffer>, &mut Buffer) {
        let wanted = match sae.device() {
            Device::Cpu => sae.cfg.reads().len() + sae.cfg.writes().len(),
            _ => {
                self.joined = Buffer::default();
                0
            }
        };
        self.normalised.resize_with(wanted, Buffer::default);
        (self.normalised.iter_mut(), &mut self.joined)
    }
}

impl Prepared {
    /// Returns the activations of `batch` at the hook points of `sae`, normalised. Positions that the batch's mask
    /// leaves out (BOS, padding, ignored tokens) are dropped, so that nothing which is done with the rest can count
    /// them: what remains of such a batch is `(n, d_model)`, whatever its shape was. Only for a dictionary that wants
    /// sequences they stay in their places, and `counted` says which they are. Kernels for a GPU are those of `launcher`; what
    /// the CPU normalises stays in `room` until the next batch.
    ///
    /// # Errors
    /// A hook point is missing; shapes do not fit the dictionary or each other; single tokens for a dictionary that wants
    /// sequences; no position counts.
    pub(super) fn new(
        sae: &SparseAutoEncoder,
        batch: &Batch,
        launcher: Option<&dyn Launcher>,
        room: &mut Room,
    ) -> Result<Self> {
        let _no_grad = no_grad_guard();
        check_shapes(sae, batch)?;
        if counts_nothing(batch)? {
            return Err(
                Error::input("no position of this batch counts: its mask is 0 everywhere")
                    .hint("leave such batches out"),
            );
        }
        let stay = sae.cfg.variant.wants() == Wants::Sequences;
        let pass = Pass::counting(batch.mask.as_ref().filter(|_| stay || !batch.all_count));
        let (mut buffers, joined) = room.of(sae);
        let mut prepare = |hooks: Vec<&str>| -> Result<Tensor> {
            let mut parts = Vec::with_capacity(hooks.len());
            for hook in hooks {
                let x = activations(batch, sae, hook)?;
                let normalised = match normalised_on(launcher, sae, x)? {
                    Some(normalised) => normalised,
                    None => match buffers.next() {
                        Some(buffer) => sae.normalize_in(x, (hook, &pass), buffer)?,
                        None => sae.normalize_with(x, hook, &pass)?,
                    },
                };
                parts.push(match pass.counted.filter(|_| !stay) {
                    None => normalised,
                    counted => counted_rows(&normalised, counted)?,
                });
            }
            sae.join_in(parts, joined)
        };
        let x = prepare(sae.cfg.reads())?;
        let label = if sae.cfg.is_transcoder() {
            prepare(sae.cfg.writes())?
        } else {
            x.shallow_clone()
        };
        let counted = pass.counted.filter(|_| stay).map(Tensor::shallow_clone);
        Ok(Self { x, label, counted })
    }

    /// Returns the activations as the loss takes them.
    pub(super) fn as_input(&self) -> LossInput<'_> {
        LossInput {
            x: &self.x,
            label: &self.label,
        }
    }
}

/// Returns `x` normalised token by token by the kernels that `launcher` starts; `None` where they cannot.
///
/// # Errors
/// The device failed.
fn normalised_on(
    launcher: Option<&dyn Launcher>,
    sae: &SparseAutoEncoder,
    x: &Tensor,
) -> Result<Option<Tensor>> {
    let Some(launcher) = launcher.filter(|launcher| launcher.device() == sae.device()) else {
        return Ok(None);
    };
    if sae.cfg.norm_activation != NormActivation::TokenWise || sae.kind() != Kind::Float {
        return Ok(None);
    }
    let x = x
        .f_to_device(sae.device())?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?;
    let root = (sae.cfg.d_model as f64).sqrt();
    rows::scaled(launcher, &x, norm_floor(Kind::Float), root).map(Some)
}

/// Returns whether the mask of `batch` leaves out every position.
///
/// # Errors
/// The device failed.
pub(super) fn counts_nothing(batch: &Batch) -> Result<bool> {
    match batch.mask.as_ref().filter(|_| !batch.all_count) {
        Some(mask) => Ok(mask.f_ne(0.0)?.f_any()?.f_int64_value(&[])? == 0),
        None => Ok(false),
    }
}

/// Refuses a batch whose activations at the hook points of `sae`, or whose mask, do not fit.
///
/// # Errors
/// A hook point is missing, or shapes do not fit the dictionary or each other; single tokens for a dictionary that wants
/// sequences.
fn check_shapes(sae: &SparseAutoEncoder, batch: &Batch) -> Result<()> {
    let hooks = sae.cfg.hook_points();
    let first = activations(batch, sae, hooks[0])?.size();
    let leading = &first[..first.len() - 1];
    check_positions(&sae.cfg, leading)?;
    for hook in &hooks[1..] {
        let size = activations(batch, sae, hook)?.size();
        // Heads may be narrower than the dictionary, but have the same positions.
        let same = match sae.cfg.hooks.heads() {
            Some(_) => size[..size.len() - 1] == *leading,
            None => size == first,
        };
        if !same {
            return Err(Error::input(format!(
                "the activations at `{}` and `{hook}` have different shapes: {first:?} and {size:?}",
                hooks[0]
            )));
        }
    }
    if let Some(mask) = batch.mask.as_ref().filter(|mask| mask.size() != leading) {
        return Err(Error::input(format!(
            "the mask of a batch has shape {:?}, but its activations have {leading:?} positions",
            mask.size()
        )));
    }
    Ok(())
}

/// Returns the loss of a batch whose activations are normalised already, as a differentiable graph. What the batch's
/// mask leaves out has values, but no part in the loss. `is_dead`, bool `(d_sae)`, says which latents Aux-K may use;
/// without it none.
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
    check_shapes(sae, batch)?;
    let here = |hooks: Vec<&str>| -> Result<Tensor> {
        let parts = hooks.into_iter().map(|hook| {
            let x = activations(batch, sae, hook)?;
            Ok(x.f_to_device_(sae.device(), sae.kind(), false, false)?)
        });
        sae.join(parts.collect::<Result<_>>()?)
    };
    let (x, label) = (here(sae.cfg.reads())?, here(sae.cfg.writes())?);
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

/// Returns the number of rows of a batch: tokens in 1D, sequences times positions in 2D.
///
/// # Errors
/// There are no activations, or none of the right width; single tokens for a dictionary that wants sequences.
pub(super) fn rows_of(batch: &Batch, sae: &SparseAutoEncoder) -> Result<u64> {
    let size = activations(batch, sae, sae.cfg.reads()[0])?.size();
    let positions = &size[..size.len() - 1];
    check_positions(&sae.cfg, positions)?;
    Ok(positions.iter().product::<i64>() as u64)
}

/// Returns the activations at `hook`, which have rows and the dictionary's width.
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
    let fits = match sae.cfg.hooks.heads() {
        Some(_) => width <= sae.cfg.d_model,
        None => width == sae.cfg.d_model,
    };
    if !fits {
        return Err(Error::input(format!(
            "the activations at `{hook}` are {width} wide, but the dictionary's d_model is {}",
            sae.cfg.d_model
        ))
        .hint(format!("set `d_model` to {width}"))
        .under("d_model"));
    }
    Ok(x)
}
