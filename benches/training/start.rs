//! Dictionaries as they are at the beginning of a training.

use saescript::Result;
use saescript::dictionary::{LOG_THRESHOLD, SparseAutoEncoder};
use saescript::tensor::{DeviceSpec, Kind, Tensor, no_grad_guard};
use saescript::train::{Trainer, TrainerConfig};

use super::cases::Case;

/// By what inputs of a latent are multiplied that is over 0 as often as others, but never among the largest.
const FAINT: f64 = 0.1;

/// Tokens by which thresholds are set.
const TOKENS: i64 = 256;

/// Returns a dictionary and its trainer. Decoder rows have the norm that the case says and the encoder is the decoder's transpose, biases
/// are 0, but such, or thresholds are such, that as many latents are on as the case says for `first (n, d_model)`.
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
        turn_off_all_but(&mut sae, l0, first)?;
    }
    if case.silent > 0 {
        let _no_grad = no_grad_guard();
        let encoder = sae.parameter("W_E")?.f_detach_copy()?;
        let _ = encoder.f_narrow(1, 0, case.silent)?.f_mul_scalar_(FAINT)?;
        sae.set_parameter("W_E", &encoder)?;
    }
    let config: TrainerConfig = case.trainer_config(engine)?;
    Ok((sae, Trainer::new(config)?))
}

/// Sets thresholds, or where there are none biases, so that `l0` latents are on on average.
fn turn_off_all_but(sae: &mut SparseAutoEncoder, l0: i64, first: &Tensor) -> Result<()> {
    let _no_grad = no_grad_guard();
    let x = first.f_narrow(0, 0, TOKENS.min(first.size()[0]))?;
    let norm = sae.decoder_norm()?;
    let seen = x.f_matmul(sae.parameter("W_E")?)?.f_mul(&norm)?.f_reshape([-1])?;
    let (largest, _) = seen.f_topk(l0 * x.size()[0], 0, true, false)?;
    let least = largest.f_min()?;
    if !sae.cfg.act_fn.has_thresholds() {
        return sae.set_parameter("b_E", &least.f_div(&norm)?.f_neg()?);
    }
    let shape = sae.parameter(LOG_THRESHOLD)?.size();
    let threshold = least.f_log()?.f_to_kind(Kind::Float)?;
    sae.set_parameter(LOG_THRESHOLD, &threshold.f_expand(shape.as_slice(), false)?)
}
