//! The threshold penalty: thresholds are drawn down to pre-activations that stay below them.

use super::means::sum_last;
use super::term::LossTerm;
use super::terms::Term;
use crate::dictionary::activation::thresholds;
use crate::dictionary::variant::LossContext;
use crate::error::Result;

/// `mean_t Σ relu(θ − h) n` times its coefficient
/// (<https://transformer-circuits.pub/2025/january-update/index.html>). θ is compared with h as it is, even where
/// the activation function sees h · n; this is the published system's arithmetic.
pub(super) struct ThresholdPenalty;

impl LossTerm for ThresholdPenalty {
    fn terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>> {
        let (sae, encoded, coefficient) = (context.sae, context.encoded, context.settings.lp_coefficient);
        if coefficient <= 0.0 || !sae.cfg.act_fn.has_thresholds() {
            return Ok(Vec::new());
        }
        let threshold = thresholds(&sae.parameters, sae.kind(), None)?;
        let below = threshold.f_sub(&encoded.hidden_pre)?.f_relu()?;
        let per_token = sum_last(&below.f_mul(&encoded.decoder_norm)?)?.f_mul_scalar(coefficient)?;
        Ok(vec![Term {
            name: "l_p".into(),
            metric: "losses/lp_loss".into(),
            value: context.mean(&per_token)?,
        }])
    }
}
