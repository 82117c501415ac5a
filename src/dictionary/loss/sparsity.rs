//! Sparsity penalties: what active latents cost.

use super::means::{mean_of_positions, sum_last};
use super::settings::{LossSettings, SparsityLoss};
use super::term::LossTerm;
use super::terms::Term;
use crate::dictionary::entries::Entries;
use crate::dictionary::variant::LossContext;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, Workspace};

impl SparsityLoss {
    /// Returns the penalty on `weighted (…, d_sae)`, activations times decoder norms: `(…)` of each token, or 0-d for
    /// tanh-quad, whose frequencies are over counted positions.
    fn of(self, weighted: &Tensor, settings: &LossSettings, counted: Option<&Tensor>) -> Result<Tensor> {
        let soft_count = || weighted.f_mul_scalar(settings.tanh_stretch_coefficient)?.f_tanh();
        match self {
            SparsityLoss::Power => {
                Ok(weighted.f_norm_scalaropt_dim(settings.p, [-1i64].as_slice(), false)?)
            }
            SparsityLoss::Tanh => sum_last(&soft_count()?),
            SparsityLoss::TanhQuad => {
                let frequency = mean_of_positions(&soft_count()?, counted)?;
                let excess = frequency
                    .f_div_scalar(settings.frequency_scale)?
                    .f_add_scalar(1.0)?;
                Ok(frequency.f_mul(&excess)?.f_sum(None::<Kind>)?)
            }
        }
    }
}

/// A penalty with its derivative.
pub struct Penalty {
    /// The penalty on a batch, λ applied, 0-d.
    pub value: Tensor,
    /// Its derivative by each of the weighted activations, in their shape.
    pub gradient: Tensor,
}

impl SparsityLoss {
    /// Returns what the penalty of a batch of `tokens` tokens, all counted, needs to know of the whole batch before its
    /// parts are looked at: for tanh-quad the sums of `tanh(c w)` of each latent.
    ///
    /// # Errors
    /// Too little memory.
    pub fn soft_counts(
        self,
        weighted: &Tensor,
        entries: &Entries<'_>,
        settings: &LossSettings,
    ) -> Result<Option<Tensor>> {
        if self != SparsityLoss::TanhQuad {
            return Ok(None);
        }
        let soft = weighted
            .f_mul_scalar(settings.tanh_stretch_coefficient)?
            .f_tanh()?;
        entries.sum_by_latent(&soft).map(Some)
    }

    /// Returns the penalty that the tokens of `weighted`, activations times decoder norms, add to a batch of `tokens`
    /// tokens, all of which count, with its derivative. `soft_counts` are those of the whole batch. What is said of latents lies in
    /// the workspace.
    ///
    /// # Errors
    /// Too little memory.
    pub fn penalty(
        self,
        weighted: &Tensor,
        entries: &Entries<'_>,
        settings: &LossSettings,
        tokens: i64,
        (soft_counts, workspace): (Option<&Tensor>, &Workspace),
    ) -> Result<Penalty> {
        let zeros = entries.zeros_by_latent(weighted)?;
        let soft_counts = soft_counts.unwrap_or(&zeros);
        match self.by_number(settings, tokens, soft_counts, workspace)? {
            None => power(
                weighted,
                entries,
                settings.p,
                settings.l1_coefficient / tokens as f64,
            ),
            Some(ByNumber::Linear(share)) => Ok(Penalty {
                value: weighted.f_abs()?.f_sum(None::<Kind>)?.f_mul_scalar(share)?,
                gradient: weighted.f_sign()?.f_mul_scalar(share)?,
            }),
            Some(ByNumber::Tanh(tanh)) => {
                let soft = weighted.f_mul_scalar(tanh.stretch)?.f_tanh()?;
                let slope = soft.f_square()?.f_neg()?.f_add_scalar_(1.0)?;
                Ok(Penalty {
                    value: tanh.value(entries.sum_by_latent(&soft)?)?,
                    gradient: slope.f_mul(&entries.of_latent(&tanh.steepness)?)?,
                })
            }
        }
    }

    /// Returns how the penalty of a batch of `tokens` tokens, whose `soft_counts (d_sae)` matter to tanh-quad alone (0: to none),
    /// grows with each weighted activation by itself; it lies in the workspace. `None` where those of a token act together.
    ///
    /// # Errors
    /// Too little memory.
    pub fn by_number(
        self,
        settings: &LossSettings,
        tokens: i64,
        soft_counts: &Tensor,
        workspace: &Workspace,
    ) -> Result<Option<ByNumber>> {
        let share = settings.l1_coefficient / tokens as f64;
        if self == SparsityLoss::Power {
            return Ok((settings.p == 1).then_some(ByNumber::Linear(share)));
        }
        let stretch = settings.tanh_stretch_coefficient;
        // p (1 + p/s) is shared out by tokens: all its parts together are the penalty.
        let mut excess = workspace.copy(soft_counts)?;
        if self.is_scaled() {
            let _ = excess
                .f_div_scalar_(tokens)?
                .f_div_scalar_(settings.frequency_scale)?;
        }
        let mut steepness = workspace.copy(&excess)?.f_mul_scalar_(2.0)?;
        Ok(Some(ByNumber::Tanh(SoftCost {
            stretch,
            cost: excess.f_add_scalar_(1.0)?.f_mul_scalar_(share)?,
            steepness: steepness.f_add_scalar_(1.0)?.f_mul_scalar_(share * stretch)?,
        })))
    }
}

/// How a penalty grows with each weighted activation `w` by itself.
pub enum ByNumber {
    /// So much for each unit.
    Linear(f64),
    /// By way of its soft count.
    Tanh(SoftCost),
}

/// What soft counts cost.
pub struct SoftCost {
    /// The stretch `c` of a soft count `tanh(c w)`.
    pub stretch: f64,
    /// What each soft count adds to the penalty, `(d_sae)`.
    pub cost: Tensor,
    /// The derivative by `w` is this times `1 − tanh²(c w)`, `(d_sae)`.
    pub steepness: Tensor,
}

impl SoftCost {
    /// Returns the penalty of tokens whose soft counts add up to `soft (d_sae)`, which nobody else has, 0-d.
    ///
    /// # Errors
    /// Too little memory.
    pub fn value(&self, mut soft: Tensor) -> Result<Tensor> {
        Ok(soft.f_mul_(&self.cost)?.f_sum(None::<Kind>)?)
    }
}

/// Returns `share · Σ_t ‖w_t‖_p` with its derivative `sign(w) |w|^(p−1) ‖w_t‖^(1−p)`, 0 where the norm is.
fn power(weighted: &Tensor, entries: &Entries<'_>, p: i64, share: f64) -> Result<Penalty> {
    let sign = weighted.f_sign()?;
    let sizes = weighted.f_abs()?;
    let norms = entries
        .sum_by_token(&sizes.f_pow_tensor_scalar(p)?)?
        .f_pow_tensor_scalar(1.0 / p as f64)?;
    let inverse = norms
        .f_pow_tensor_scalar(1 - p)?
        .f_masked_fill(&norms.f_eq(0.0)?, 0.0)?;
    let slope = sizes
        .f_pow_tensor_scalar(p - 1)?
        .f_mul(&sign)?
        .f_mul(&entries.of_token(&inverse)?)?;
    Ok(Penalty {
        value: norms.f_sum(None::<Kind>)?.f_mul_scalar(share)?,
        gradient: slope.f_mul_scalar(share)?,
    })
}

/// The penalty times λ.
pub(super) struct Sparsity;

impl LossTerm for Sparsity {
    fn terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>> {
        let Some(penalty) = penalty(context)? else {
            return Ok(Vec::new());
        };
        Ok(vec![Term {
            name: "l_s".into(),
            metric: "losses/sparsity_loss".into(),
            value: penalty.f_mul_scalar(context.settings.l1_coefficient)?,
        }])
    }
}

/// Returns the penalty that was chosen, or that a script or program gives; `None` where there is neither.
fn penalty(context: &LossContext<'_>) -> Result<Option<Tensor>> {
    let encoded = context.encoded;
    if let Some(custom) = context.pass.custom.penalty {
        let given = custom(&encoded.feature_acts, &encoded.decoder_norm)?;
        let size = encoded.feature_acts.size();
        if given.dim() != 0 && given.size() != size[..size.len() - 1] {
            return Err(Error::input(format!(
                "`penalty` gave shape {:?} for activations of shape {size:?}",
                given.size()
            ))
            .hint("it has to give one number for each token, or a single number"));
        }
        return Ok(Some(given));
    }
    let Some(kind) = context.settings.sparsity_loss_type else {
        return Ok(None);
    };
    let weighted = match &encoded.penalised {
        Some(penalised) => penalised.shallow_clone(),
        None => encoded.feature_acts.f_mul(&encoded.decoder_norm)?,
    };
    kind.of(&weighted, context.settings, context.counted).map(Some)
}
