//! Reading the weights that SAELens wrote.

use super::settings::Settings;
use super::{NAMES, THRESHOLD};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::tensor::safetensors::SafeFile;
use crate::tensor::{DType, Device, Kind, Tensor, no_grad_guard};

/// Factors on the latents before the decoder, by the names under which versions saved them.
const SCALING: [&str; 2] = ["scaling_factor", "finetuning_scaling_factor"];

/// Rows of a matrix that are widened to float64 at a time.
const ROWS: i64 = 256;

impl Settings {
    /// Returns whether there is a place for a tensor of this name.
    pub(in crate::dictionary) fn knows(&self, sae: &SparseAutoEncoder, name: &str) -> bool {
        NAMES
            .iter()
            .any(|(theirs, ours)| *theirs == name && sae.parameter(ours).is_ok())
            || SCALING.contains(&name)
            || (name == THRESHOLD && sae.cfg.act_fn.has_thresholds())
    }

    /// Fills the parameters of `sae`, which was made by these settings.
    ///
    /// # Errors
    /// Missing tensors, other shapes, values without a counterpart.
    pub(in crate::dictionary) fn fill(&self, sae: &mut SparseAutoEncoder, file: &SafeFile) -> Result<()> {
        let _no_grad = no_grad_guard();
        for (theirs, ours) in NAMES {
            if sae.parameter(ours).is_ok() {
                sae.set_parameter(ours, &file.tensor(theirs, sae.device(), None)?)?;
            }
        }
        if self.applies_b_dec_to_input() {
            shift_biases(sae, file)?;
        }
        if let Some(factors) = self.scaling(file, sae.device())? {
            let scaled = sae.parameter("W_D")?.f_mul(&factors.f_unsqueeze(1)?)?;
            sae.set_parameter("W_D", &scaled)?;
        }
        if sae.cfg.act_fn.has_thresholds() {
            let threshold = file.tensor(THRESHOLD, sae.device(), Some(DType::from(Kind::Double)))?;
            if threshold.f_isnan()?.f_any()?.f_int64_value(&[])? != 0 {
                return Err(not_a_number(THRESHOLD, file));
            }
            // Activations pass a relu as well, so that a threshold below 0 acts as 0, whose logarithm is −∞.
            sae.set_log_threshold(&threshold.f_clamp_min(0.0)?.f_log()?)?;
        }
        Ok(())
    }

    /// Returns the factors on the latents before the decoder, `(d_sae)`; `None` where there are none or all are 1, as a
    /// range of versions wrote them for dictionaries that were never fine-tuned.
    fn scaling(&self, file: &SafeFile, device: Device) -> Result<Option<Tensor>> {
        let Some(name) = SCALING.into_iter().find(|name| file.contains(name)) else {
            return if self.finetuning_scaling_factor {
                Err(Error::input(format!(
                    "`{}` lacks the tensor `finetuning_scaling_factor`, which its settings announce",
                    file.path().display()
                )))
            } else {
                Ok(None)
            };
        };
        let factors = file.tensor(name, device, None)?;
        if factors.f_eq(1.0)?.f_all()?.f_int64_value(&[])? != 0 {
            return Ok(None);
        }
        if !self.finetuning_scaling_factor {
            return Err(Error::input(format!(
                "`{}` holds a tensor `{name}` with factors other than 1, but its settings say that there are none",
                file.path().display()
            ))
            .hint("set `finetuning_scaling_factor` to true in cfg.json if they are meant"));
        }
        if self.to_config()?.sparsity_include_decoder_norm {
            return Err(Error::input(format!(
                "`{name}` cannot be folded into the decoder, whose norms take part in choosing latents"
            )));
        }
        Ok(Some(factors))
    }
}

/// Subtracts what `b_dec` adds to the pre-activations from the encoder's biases: `(x − b) W + c = x W + (c − b W)`, and
/// `(x − b) W s + c = x W s + (c − b W s)` for the magnitudes of a gated dictionary.
fn shift_biases(sae: &mut SparseAutoEncoder, file: &SafeFile) -> Result<()> {
    let device = sae.device();
    let double = |name: &str| file.tensor(name, device, Some(DType::from(Kind::Double)));
    if sae.parameter("b_E").is_ok() {
        return sae.set_parameter("b_E", &without_b_dec(double("b_enc")?, file)?);
    }
    let (b_gate, b_mag) = (double("b_gate")?, double("b_mag")?);
    let shift = without_b_dec(b_gate.f_zeros_like()?, file)?;
    let scaled = shift.f_mul(&double("r_mag")?.f_exp()?)?;
    sae.set_parameter("b_gate", &b_gate.f_add(&shift)?)?;
    sae.set_parameter("b_mag", &b_mag.f_add(&scaled)?)
}

/// Returns `bias − b_dec W_enc (d_sae)` in float64.
fn without_b_dec(mut bias: Tensor, file: &SafeFile) -> Result<Tensor> {
    let device = bias.device();
    let b_dec = file.tensor("b_dec", device, Some(DType::from(Kind::Double)))?;
    let w_enc = file.tensor("W_enc", device, None)?;
    let rows = w_enc.size()[0];
    for start in (0..rows).step_by(ROWS as usize) {
        let length = ROWS.min(rows - start);
        let part = w_enc.f_narrow(0, start, length)?.f_to_kind(Kind::Double)?;
        let product = b_dec
            .f_narrow(0, start, length)?
            .f_unsqueeze(0)?
            .f_matmul(&part)?;
        bias = bias.f_sub(&product.f_squeeze_dim(0)?)?;
    }
    Ok(bias)
}

fn not_a_number(name: &str, file: &SafeFile) -> Error {
    Error::input(format!(
        "`{name}` in `{}` holds values that are no numbers (NaN)",
        file.path().display()
    ))
}
