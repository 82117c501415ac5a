//! Dictionaries as they are at the beginning of a training.

use saescript::Result;
use saescript::dictionary::{LOG_THRESHOLD, SparseAutoEncoder};
use saescript::tensor::{DeviceSpec, Kind, Tensor, no_grad_guard};
use saescript::train::{Trainer, TrainerConfig};

use super::cases::Case;

/// Tokens by which thresholds are set.
const TOKENS: i64 = 256;

/// Returns a dictionary and its trainer. Decoder rows have the norm that the case says and the encoder is the decoder's transpose, biases
/// are 0, and thresholds are such that as many latents are on as the case says for `first (n, d_model)`.
pub fn begin(
    case: &Case,
    place: DeviceSpec,
    engine: &str,
    first: &Tensor,
) -> Result<(SparseAutoEncoder, Trainer)> {
    let mut sae = SparseAutoEncoder::new(case.sae_config(place)?)?;
    sae.draw(1.0, 1.0, 0.1f64.ln())?;
    sae.set_decoder_norm(case.norm)?;
    sae.set_encoder_to_decoder_transpose(1.0)?;
    if let Some(l0) = case.l0 {
        let _no_grad = no_grad_guard();
        let x = first.f_narrow(0, 0, TOKENS.min(first.size()[0]))?;
        let seen = x.f_matmul(sae.parameter("W_E")?)?.f_mul(&sae.decoder_norm()?)?;
        let seen = seen.f_reshape([-1])?;
        let (largest, _) = seen.f_topk(l0 * x.size()[0], 0, true, false)?;
        let threshold = largest.f_min()?.f_log()?.f_to_kind(Kind::Float)?;
        let shape = sae.parameter(LOG_THRESHOLD)?.size();
        let thresholds = threshold.f_expand(shape.as_slice(), false)?;
        sae.set_parameter(LOG_THRESHOLD, &thresholds)?;
    }
    let config: TrainerConfig = case.trainer_config(engine)?;
    Ok((sae, Trainer::new(config)?))
}
