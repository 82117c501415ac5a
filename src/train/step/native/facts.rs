//! What all parts of a step look at: the dictionary's numbers as they stand, and how the batch is passed through.

use std::cell::OnceCell;
use std::ops::Range;

use super::form::{passes_over_zeros, room_for_panels};
use super::panels::Panels;
use super::places::StepLimits;
use crate::dictionary::{
    Gate, LOG_THRESHOLD, LossSettings, Pass, Prefix, Selection, SparseAutoEncoder, norm_floor,
};
use crate::error::Result;
use crate::kernels::cuda::{Launcher, rows};
use crate::kernels::norms::row_norms;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor, Workspace};
use crate::train::step::profile::Laps;

/// The numbers that one step begins with.
pub(super) struct Facts<'a> {
    pub(super) sae: &'a SparseAutoEncoder,
    pub(super) settings: &'a LossSettings,
    pub(super) pass: &'a Pass<'a>,
    /// Tokens of the batch, all of which count.
    pub(super) tokens: i64,
    /// How many heads there are, in dictionaries that have them. Each has latents of its own to all that comes after the encoder:
    /// what is `(d_sae)` here and in the step is `(heads, d_sae)` then.
    pub(super) heads: Option<i64>,
    /// `‖W_D[i]‖₂` of each latent, `(d_sae)`.
    pub(super) norm: Tensor,
    /// What the pre-activations are multiplied by before the activation function sees them, `(d_sae)`: the decoder
    /// norms, 0 under their floor, where the configuration includes them.
    pub(super) factor: Option<Tensor>,
    pub(super) gate: Gate<'a>,
    /// The prefixes of the latents that reconstruct, from the shortest to all.
    pub(super) prefixes: Vec<Prefix>,
    pub(super) laps: &'a Laps,
    /// Our own kernels for a GPU are there.
    pub(super) has_kernels: bool,
    /// Where numbers of each latent lie until the next step.
    pub(super) workspace: &'a Workspace,
    /// What dense products of the step are done with.
    pub(super) panels: &'a Panels,
    pub(super) limits: StepLimits,
    divisor: OnceCell<Tensor>,
    threshold_cost: OnceCell<Tensor>,
}

/// Returns what `cell` holds, which `make` makes the first time.
fn once(cell: &OnceCell<Tensor>, make: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    if let Some(there) = cell.get() {
        return Ok(there.shallow_clone());
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made).shallow_clone())
}

impl<'a> Facts<'a> {
    /// Returns the facts of a step on `tokens` tokens, whose time `laps` divides; until there are others, they lie in the
    /// workspace. Kernels for a GPU are those of `launcher`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(
        sae: &'a SparseAutoEncoder,
        settings: &'a LossSettings,
        pass: &'a Pass<'a>,
        (tokens, laps): (i64, &'a Laps),
        launcher: Option<&dyn Launcher>,
        (workspace, panels, limits): (&'a Workspace, &'a Panels, StepLimits),
    ) -> Result<Self> {
        workspace.begin();
        panels.begin(room_for_panels(&sae.cfg, sae.kind(), sae.device()));
        let (norm, factor) = decoder_norm(sae, launcher, workspace)?;
        let threshold = match sae.threshold(Some(workspace))? {
            Some(theta) if theta.size() != norm.size() => Some(of_each_head(&theta, &norm, workspace)?),
            threshold => threshold,
        };
        let gate = Gate {
            k: pass.k.unwrap_or(sae.cfg.top_k),
            threshold,
            window: sae.cfg.jumprelu_threshold_window,
            counted: None,
            custom: None,
        };
        Ok(Self {
            sae,
            settings,
            pass,
            tokens,
            heads: sae.cfg.hooks.heads(),
            norm,
            factor,
            gate,
            prefixes: sae.cfg.variant.prefixes(&sae.cfg),
            laps,
            has_kernels: launcher.is_some(),
            workspace,
            panels,
            limits,
            divisor: OnceCell::new(),
            threshold_cost: OnceCell::new(),
        })
    }

    /// Returns the parameter of that name without its graph.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn parameter(&self, name: &str) -> Result<Tensor> {
        Ok(self.sae.parameter(name)?.f_detach()?)
    }

    /// Returns how many latents there are, those of each head for themselves.
    pub(super) fn latents(&self) -> usize {
        self.norm.numel()
    }

    /// Returns how many reconstructions there are, over which means go: one of each token, or of each head of each token.
    pub(super) fn rows(&self) -> i64 {
        self.tokens * self.heads.unwrap_or(1)
    }

    /// Returns the latents of each prefix that are not of the one before it, or of each head: those to which the same
    /// reconstruction is owed.
    pub(super) fn groups(&self) -> Vec<Range<i64>> {
        let ends: Vec<i64> = match self.heads {
            Some(heads) => (1..=heads).map(|head| head * self.sae.cfg.d_sae()).collect(),
            None => self.prefixes.iter().map(|prefix| prefix.latents).collect(),
        };
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, end)| start..*end).collect()
    }

    /// Returns the factor from the error of a prefix of this weight to what the loss says of its reconstruction.
    pub(super) fn error_slope(&self, weight: f64) -> f64 {
        2.0 * weight / self.rows() as f64
    }

    /// Returns the sum of the rows of `x (n, columns)`, `(columns)`. Each block of tokens has its own, so that it is no part of the
    /// workspace, which keeps all of a step.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn sum_of_rows(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?)
    }

    /// Returns whether products over all latents pass over those that are off.
    pub(super) fn passes_over_zeros(&self) -> bool {
        let (sae, as_it_is) = (self.sae, self.multiplies_as_it_is());
        as_it_is && passes_over_zeros(&sae.cfg, sae.kind(), sae.device())
    }

    /// Returns whether anything says more of pairs of a token and a latent than their reconstruction does.
    pub(super) fn says_more_of_pairs(&self) -> bool {
        self.settings.sparsity_loss_type.is_some() || self.sae.cfg.act_fn.has_thresholds()
    }

    /// Returns the thresholds, where there is a threshold penalty.
    pub(super) fn penalised_thresholds(&self) -> Option<&Tensor> {
        self.gate
            .threshold
            .as_ref()
            .filter(|_| self.settings.every_over())
    }

    /// Returns what a token's pre-activation costs for each unit that it is below its threshold, `(d_sae)`; `None` where
    /// there is no threshold penalty.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn threshold_cost(&self) -> Result<Option<Tensor>> {
        let cost = || {
            let mut norm = self.workspace.copy(&self.norm)?;
            Ok(norm.f_mul_scalar_(self.threshold_share())?)
        };
        self.penalised_thresholds()
            .map(|_| once(&self.threshold_cost, cost))
            .transpose()
    }

    /// Returns that cost at a decoder norm of 1.
    pub(super) fn threshold_share(&self) -> f64 {
        self.settings.lp_coefficient / self.rows() as f64
    }

    /// Returns the derivative by the logarithms of the thresholds from that by the thresholds, in their format.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn by_log_threshold(&self, by_threshold: &Tensor) -> Result<Option<Tensor>> {
        let Some(theta) = &self.gate.threshold else {
            return Ok(None);
        };
        let logarithms = self.sae.parameter(LOG_THRESHOLD)?;
        let by_log = by_threshold.f_mul(theta)?;
        let by_log = if logarithms.size() == by_log.size() {
            by_log
        } else {
            self.sum_heads(&by_log)?
        };
        Ok(Some(by_log.f_to_kind(logarithms.f_kind()?)?))
    }

    /// Returns a 0-d zero in the format of the dictionary.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn zero(&self) -> Result<Tensor> {
        let options = (self.sae.kind(), self.sae.device());
        Ok(Tensor::f_zeros([0i64; 0].as_slice(), options)?)
    }

    /// Returns which latents the activation function can leave on, and where besides thresholds receive gradients.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn selection(&self) -> Result<Selection> {
        let every_over = self.settings.every_over();
        let (act_fn, factor) = (self.sae.cfg.act_fn, self.factor.as_ref());
        act_fn.selection(&self.gate, &self.norm, factor, every_over, self.workspace)
    }

    /// Returns the decoder norms as numbers to divide by.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn divisor(&self) -> Result<Tensor> {
        once(&self.divisor, || {
            let mut norm = self.workspace.copy(&self.norm)?;
            Ok(norm.f_clamp_min_(norm_floor(self.norm.f_kind()?))?)
        })
    }

    /// Returns `x (…, d_sae)` divided by the decoder norms, where the activation function saw their products.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn unscaled(&self, x: Tensor) -> Result<Tensor> {
        if self.factor.is_none() {
            return Ok(x);
        }
        Ok(x.f_div(&self.divisor()?)?)
    }
}

/// Returns what is known of latents, `(d_sae)`, for each head in the shape of `like (heads, d_sae)`.
///
/// # Errors
/// Too little memory.
pub(super) fn of_each_head(shared: &Tensor, like: &Tensor, workspace: &Workspace) -> Result<Tensor> {
    let mut each = workspace.empty(&like.size(), (shared.f_kind()?, shared.device()))?;
    each.f_copy_(&shared.f_expand_as(like)?)?;
    Ok(each)
}

/// Returns the decoder norms, and what pre-activations are multiplied by; by kernels where they can.
fn decoder_norm(
    sae: &SparseAutoEncoder,
    launcher: Option<&dyn Launcher>,
    workspace: &Workspace,
) -> Result<(Tensor, Option<Tensor>)> {
    let wants_factor = sae.cfg.sparsity_include_decoder_norm;
    let decoder = sae.parameter("W_D")?.f_detach()?;
    if let Some(launcher) = launcher {
        return rows::lengths(launcher, &decoder, norm_floor(Kind::Float), wants_factor);
    }
    if let Ok(rows) = numbers(&decoder) {
        return decoder_norm_here(rows, &decoder.size(), wants_factor, workspace);
    }
    let norm = sae.decoder_norm()?;
    if !wants_factor {
        return Ok((norm, None));
    }
    let is_seen = norm.f_gt(norm_floor(norm.f_kind()?))?;
    let factor = norm.f_mul(&is_seen)?;
    Ok((norm, Some(factor)))
}

/// Returns the norms of these rows, `([heads,] d_sae, d_model)`, by the processor's kernel, and the factor where it is wanted.
fn decoder_norm_here(
    rows: &[f32],
    size: &[i64],
    wants_factor: bool,
    workspace: &Workspace,
) -> Result<(Tensor, Option<Tensor>)> {
    let options = (Kind::Float, Device::Cpu);
    let (columns, of_rows) = size.split_last().unwrap_or((&1, &[]));
    let mut norm = workspace.empty(of_rows, options)?;
    let norms = numbers_mut(&mut norm)?;
    row_norms(rows, *columns as usize, norms);
    if !wants_factor {
        return Ok((norm, None));
    }
    let floor = norm_floor(Kind::Float) as f32;
    let mut factor = workspace.empty(of_rows, options)?;
    for (factor, norm) in numbers_mut(&mut factor)?.iter_mut().zip(norms) {
        // NaN stays NaN.
        *factor = *norm * f32::from(*norm > floor);
    }
    Ok((norm, Some(factor)))
}
