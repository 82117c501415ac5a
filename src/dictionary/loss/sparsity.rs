//! Sparsity penalties: what active latents cost.

use super::means::{mean_of_positions, sum_last};
use super::settings::{LossSettings, SparsityLoss};
use super::term::LossTerm;
use super::terms::Term;
use crate::dictionary::variant::LossContext;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

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
