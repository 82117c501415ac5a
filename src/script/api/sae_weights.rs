//! A dictionary's weights: `sae.W_D`, `sae.parameters()`, norms, thresholds and sizes.

use rhai::plugin::*;
use rhai::{Dynamic, FuncRegistration, ImmutableString, Map, Module};

use super::sae_handle::SparseAutoEncoderHandle;
use super::tensor::TensorHandle;
use crate::dictionary::{LOG_THRESHOLD, Parameter, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::guard::caught;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard::{self, SetGuarded};
use crate::tensor::{Tensor, no_grad_guard};

/// The weights that dictionaries have as properties, by the name that files have them under (its last part is the
/// property's), and what they are. Which of them there are depends on the dictionary's
/// kind.
const WEIGHTS: &[(&str, &str)] = &[
    ("W_E", "the encoder, `(d_model, d_sae)`"),
    ("b_E", "the encoder's bias, `(d_sae)`"),
    (
        "W_D",
        "the decoder, `(d_sae, d_model)`: row i is the direction of latent i",
    ),
    ("b_D", "the decoder's bias, `(d_model)`"),
    (
        "W_E_glu",
        "the encoder of the gate, `(d_model, d_sae)`, with `use_glu_encoder`",
    ),
    ("b_E_glu", "the bias of that, `(d_sae)`"),
    ("b_gate", "the bias of a gated dictionary's gate, `(d_sae)`"),
    ("b_mag", "the bias of a gated dictionary's magnitudes, `(d_sae)`"),
    (
        "r_mag",
        "the logarithms of a gated dictionary's scales, `(d_sae)`",
    ),
    (
        LOG_THRESHOLD,
        "the logarithms of jumprelu's thresholds, `(d_sae)`",
    ),
];

/// Puts the properties and methods into `module`.
pub fn register(module: &mut Module) {
    for &(full, what) in WEIGHTS {
        let name = full.rsplit('.').next().unwrap_or(full);
        FuncRegistration::new_getter(name)
            .with_params_info(["sae: &mut SparseAutoEncoder", "Tensor"])
            .with_comments([format!("/// Returns {what}; itself, not a copy, and without gradients. Setting it copies numbers into it.")])
            .set_guarded(module, |sae: &mut SparseAutoEncoderHandle| weight(sae, full).raise());
        FuncRegistration::new_setter(name)
            .with_params_info(["sae: &mut SparseAutoEncoder", "values: Tensor"])
            .with_comments([format!("/// Overwrites {what}, with values of the same shape.")])
            .with_purity(true)
            .set_into_module(
                module,
                move |sae: &mut SparseAutoEncoderHandle, values: TensorHandle| {
                    let set = || sae.get_mut()?.set_parameter(full, values.tensor());
                    caught(&format!("setting `{name}`"), set).raise()
                },
            );
    }
    combine_with_exported_module!(module, "sae_weights", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn weight(sae: &SparseAutoEncoderHandle, name: &str) -> Result<TensorHandle> {
    Ok(TensorHandle::new(sae.get()?.parameter(name)?.f_detach()?))
}

/// Returns a norm of the weights, without gradients.
fn norm(
    sae: &SparseAutoEncoderHandle,
    of: impl FnOnce(&SparseAutoEncoder) -> Result<Tensor>,
) -> RhaiResultOf<TensorHandle> {
    let _guard = no_grad_guard();
    Ok(TensorHandle::new(of(&*sae.get().raise()?).raise()?))
}

#[export_module(manifest)]
mod functions {
    /// Returns a parameter by its name in weight files: `W_E`, `b_E`, `W_D`, `b_D`, …; itself, not a copy, and without
    /// gradients.
    #[rhai_fn(return_raw, pure)]
    pub fn parameter(sae: &mut SparseAutoEncoderHandle, name: ImmutableString) -> RhaiResultOf<TensorHandle> {
        weight(sae, &name).raise()
    }

    /// Returns all parameters by name: themselves, not copies, with the gradients that `backward()` gives them.
    #[rhai_fn(return_raw, pure)]
    pub fn parameters(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<Map> {
        let sae = sae.get().raise()?;
        let handle = |parameter: &Parameter| {
            let tensor = TensorHandle::new(parameter.tensor.shallow_clone());
            (parameter.name.into(), Dynamic::from(tensor))
        };
        Ok(sae.parameters().iter().map(handle).collect())
    }

    /// Returns the thresholds of a jumprelu dictionary, `(d_sae)` or `(heads, d_sae)`: the exponentials of
    /// `log_jumprelu_threshold`, which is a property too and what is trained.
    #[rhai_fn(get = "threshold", return_raw, pure)]
    pub fn threshold(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<TensorHandle> {
        let _guard = no_grad_guard();
        let sae = sae.get().raise()?;
        match sae.threshold(None).raise()? {
            Some(threshold) => Ok(TensorHandle::new(threshold)),
            None => Err(Error::input(format!(
                "a dictionary with act_fn {:?} has no thresholds",
                sae.cfg.act_fn.name()
            ))
            .hint("`to_jumprelu` gives batchtopk dictionaries thresholds"))
            .raise(),
        }
    }

    /// Returns the width of the activations that it reads.
    #[rhai_fn(get = "d_model", return_raw, pure)]
    pub fn d_model(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<i64> {
        Ok(sae.get().raise()?.cfg.d_model)
    }

    /// Returns the number of latents: d_model times the expansion factor.
    #[rhai_fn(get = "d_sae", pure)]
    pub fn d_sae_of_config(config: &mut ConfigHandle<SAEConfig>) -> i64 {
        config.get().d_sae()
    }

    /// Returns the number of latents.
    #[rhai_fn(get = "d_sae", return_raw, pure)]
    pub fn d_sae(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<i64> {
        Ok(sae.get().raise()?.cfg.d_sae())
    }

    /// Returns the Euclidean norm of each latent's decoder row, `(d_sae)`; of a crosscoder `(heads, d_sae)`.
    #[rhai_fn(return_raw, pure)]
    pub fn decoder_norm(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<TensorHandle> {
        norm(sae, SparseAutoEncoder::decoder_norm)
    }

    /// Returns the Euclidean norm of each latent's encoder column, `(d_sae)`; of a crosscoder `(heads, d_sae)`.
    #[rhai_fn(return_raw, pure)]
    pub fn encoder_norm(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<TensorHandle> {
        norm(sae, SparseAutoEncoder::encoder_norm)
    }

    /// Returns the Euclidean norm of the decoder's bias, a single number; of a crosscoder one for each head.
    #[rhai_fn(return_raw, pure)]
    pub fn decoder_bias_norm(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<TensorHandle> {
        norm(sae, SparseAutoEncoder::decoder_bias_norm)
    }
}
