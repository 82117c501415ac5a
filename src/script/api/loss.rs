//! The training loss of a dictionary, for loops and studies of a script's own.

use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

use super::batch;
use super::loss_map::loss_map;
use super::own_pieces::OwnPieces;
use super::sae::SparseAutoEncoderHandle;
use super::tensor::TensorHandle;
use crate::dictionary::{LossSettings, Pass};
use crate::error::Result;
use crate::script::arguments::Arguments;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::train::batch_loss;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "loss", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn compute(sae: &SparseAutoEncoderHandle, batch: &Map, options: Map) -> Result<Map> {
    let batch = batch::from_map(batch)?;
    let mut arguments = Arguments::new("SparseAutoEncoder", "compute_loss", options);
    let is_dead: Option<TensorHandle> = arguments.optional("is_dead", "a bool tensor of shape [d_sae]")?;
    let pieces = OwnPieces::of_activation(sae.activation());
    let pass = Pass {
        custom: pieces.custom(),
        k: arguments.data("k")?,
        amp: arguments.data("amp_dtype")?,
        per_token: arguments.data("per_token")?.unwrap_or(false),
        ..Pass::default()
    };
    let settings: LossSettings = arguments.into_config()?;
    let is_dead = is_dead.as_ref().map(TensorHandle::tensor);
    let sae = sae.get()?;
    let terms = batch_loss(&sae, &batch, &settings, &pass, is_dead)?;
    let mut map = loss_map(&terms);
    if pass.per_token {
        let losses = terms.per_token(batch.mask.as_ref())?;
        map.insert("loss".into(), Dynamic::from(TensorHandle::new(losses)));
    }
    Ok(map)
}

#[export_module(manifest)]
mod functions {
    /// Returns the reconstruction loss of a batch of normalised activations, as `normalize_activations` returns it, in
    /// the map that the form with options describes.
    #[rhai_fn(return_raw, pure)]
    pub fn compute_loss(sae: &mut SparseAutoEncoderHandle, batch: Map) -> RhaiResultOf<Map> {
        compute(sae, &batch, Map::new()).raise()
    }

    /// Returns the loss of a batch of normalised activations, as `normalize_activations` returns it, recorded for
    /// gradients: `#{ loss, l_rec, l_s, l_p, l_aux, feature_acts, hidden_pre, reconstructed }`. `loss` is the sum of
    /// the terms, with their coefficients applied; `l_s` is there with a `sparsity_loss_type`, `l_p` and `l_aux` with
    /// their coefficients.
    ///
    /// Options: `sparsity_loss_type` ("power", "tanh", "tanh-quad"), `l1_coefficient` (1.0), `p` (1),
    /// `tanh_stretch_coefficient` (4.0), `frequency_scale` (0.01), `lp_coefficient`, `auxk_coefficient` with `is_dead`,
    /// a bool tensor over the latents, and `k_aux` (512), `amp_dtype`, and for this call `k` in place of the
    /// dictionary's `top_k`. With `per_token: true` reconstruction and loss are those of each token, whose means over the tokens
    /// that count are those otherwise. Where the batch's `mask` is 0 there are values, but they count in no term.
    #[rhai_fn(name = "compute_loss", return_raw, pure)]
    pub fn compute_loss_with(
        sae: &mut SparseAutoEncoderHandle,
        batch: Map,
        options: Map,
    ) -> RhaiResultOf<Map> {
        compute(sae, &batch, options).raise()
    }

    /// Forgets the gradients of all parameters.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn zero_grad(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<()> {
        for parameter in sae.get().raise()?.parameters() {
            parameter.tensor.shallow_clone().zero_grad();
        }
        Ok(())
    }
}
