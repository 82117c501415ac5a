//! The Aux-K loss, which revives dead latents: they alone are to reconstruct what is left.

use super::means::squared_error;
use super::term::LossTerm;
use super::terms::Term;
use crate::dictionary::variant::LossContext;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// `mean_t ‖e − ê‖²` times its coefficient, with `e = y − x̂` and ê decoded from dead latents alone
/// (<https://arxiv.org/abs/2406.04093>, appendix A.2). Gradients also pass through e. 0 while no latent is dead.
pub(super) struct AuxK;

impl LossTerm for AuxK {
    fn terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>> {
        if context.settings.auxk_coefficient <= 0.0 {
            return Ok(Vec::new());
        }
        let sae = context.sae;
        let value = match context.is_dead {
            Some(is_dead) => by_dead(context, is_dead)?,
            None => None,
        };
        let value = match value {
            Some(value) => value,
            None => Tensor::f_zeros([0i64; 0].as_slice(), (sae.kind(), sae.device()))?,
        };
        Ok(vec![Term {
            name: "l_aux".into(),
            metric: "losses/aux_loss".into(),
            value,
        }])
    }
}

/// Returns the loss by the latents of `is_dead (d_sae)`; `None` where there are none.
fn by_dead(context: &LossContext<'_>, is_dead: &Tensor) -> Result<Option<Tensor>> {
    let (sae, encoded) = (context.sae, context.encoded);
    let dead = is_dead.f_sum(Kind::Int64)?.f_int64_value(&[])?;
    let k = dead.min(context.settings.k_aux);
    if k == 0 {
        return Ok(None);
    }
    let residual = context.label.f_sub(context.reconstructed)?;
    let dead_pre = encoded.hidden_pre.f_mul(is_dead)?;
    let acts = sae.activate(&dead_pre, &encoded.decoder_norm, k, context.pass, context.counted)?;
    let decoded = sae.cfg.variant.decode(sae, &acts, context.pass)?;
    let mean = context.mean(&squared_error(&residual, &decoded)?)?;
    Ok(Some(mean.f_mul_scalar(context.settings.auxk_coefficient)?))
}
