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
        NAMES.iter().any(|(theirs, _)| *theirs == name)
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
            sae.set_parameter(ours, &file.tensor(theirs, sae.device(), None)?)?;
        }
        if self.applies_b_dec_to_input() {
            sae.set_parameter("b_E", &shifted_bias(file, sae.device())?)?;
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

/// Returns `b_enc − b_dec W_enc (d_sae)` in float64, since `(x − b) W + c = x W + (c − b W)`.
fn shifted_bias(file: &SafeFile, device: Device) -> Result<Tensor> {
    let double = Some(DType::from(Kind::Double));
    let mut bias = file.tensor("b_enc", device, double)?;
    let b_dec = file.tensor("b_dec", device, double)?;
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
