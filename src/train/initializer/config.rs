//! How a dictionary's weights begin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::dictionary::{Capability, NormActivation, SAEConfig};
use crate::error::{Error, Result};
use crate::fingerprint::Identified;

/// Decoder norm times encoder norm from which on a start is called far off.
const FAR_OFF: f64 = 4.0;

/// What the decoder bias begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BiasInitMethod {
    /// 0.
    #[default]
    AllZero,
    /// The geometric median of a batch of labels, which outliers hardly move.
    GeometricMedian,
}

/// How the weights of a fresh dictionary are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitializerConfig {
    /// Decoder bias: `all_zero`, or `geometric_median` of the activations.
    pub bias_init_method: BiasInitMethod,
    /// Decoder weights are drawn uniformly from ± this.
    pub decoder_uniform_bound: f64,
    /// Encoder weights are drawn uniformly from ± this (where they are not the decoder's transpose).
    pub encoder_uniform_bound: f64,
    /// Should the encoder begin as the decoder's transpose?
    pub init_encoder_with_decoder_transpose: bool,
    /// Factor on that transpose.
    pub init_encoder_with_decoder_transpose_factor: f64,
    /// Logarithm of the thresholds of `jumprelu`, which has to be given for it; e.g. -2.3 for thresholds of 0.1.
    pub init_log_jumprelu_threshold_value: Option<f64>,
    /// Search the decoder norm with the least reconstruction loss on one batch (recommended).
    pub grid_search_init_norm: bool,
    /// Draw the decoder within the subspace in which the activations vary most; for low-rank activations such as
    /// attention outputs.
    #[serde(rename = "initialize_W_D_with_active_subspace")]
    pub initialize_w_d_with_active_subspace: bool,
    /// Dimension of that subspace.
    pub d_active_subspace: Option<i64>,
    /// Begin a transcoder with what the model's MLP does to each encoder direction.
    pub initialize_tc_with_mlp: Option<bool>,
    /// Layer whose MLP that is.
    pub model_layer: Option<i64>,
    /// Set the encoder bias so that pre-activations average 0.
    pub init_encoder_bias_with_mean_hidden_pre: bool,
    /// Seed of the random draws; null goes on with libtorch's generator as it stands.
    pub seed: Option<i64>,
}

impl Default for InitializerConfig {
    fn default() -> Self {
        Self {
            bias_init_method: BiasInitMethod::AllZero,
            decoder_uniform_bound: 1.0,
            encoder_uniform_bound: 1.0,
            init_encoder_with_decoder_transpose: true,
            init_encoder_with_decoder_transpose_factor: 1.0,
            init_log_jumprelu_threshold_value: None,
            grid_search_init_norm: false,
            initialize_w_d_with_active_subspace: false,
            d_active_subspace: None,
            initialize_tc_with_mlp: None,
            model_layer: None,
            init_encoder_bias_with_mean_hidden_pre: false,
            seed: None,
        }
    }
}

impl Config for InitializerConfig {
    const NAME: &'static str = "InitializerConfig";

    fn validate(&self) -> Result<()> {
        for (key, bound) in [
            ("decoder_uniform_bound", self.decoder_uniform_bound),
            ("encoder_uniform_bound", self.encoder_uniform_bound),
        ] {
            if !(bound > 0.0 && bound.is_finite()) {
                return Err(
                    Error::input(format!("expected a number above 0, but was given {bound}")).under(key),
                );
            }
        }
        let factor = self.init_encoder_with_decoder_transpose_factor;
        if !factor.is_finite() || factor == 0.0 {
            return Err(
                Error::input(format!("expected a number other than 0, but was given {factor}"))
                    .under("init_encoder_with_decoder_transpose_factor"),
            );
        }
        if self
            .init_log_jumprelu_threshold_value
            .is_some_and(|value| !value.is_finite())
        {
            return Err(
                Error::input("expected the logarithm of a threshold, which is a finite number")
                    .under("init_log_jumprelu_threshold_value"),
            );
        }
        match (self.initialize_w_d_with_active_subspace, self.d_active_subspace) {
            (true, None) => Err(Error::input("the active subspace needs a dimension")
                .hint("e.g. d_active_subspace = 256")
                .under("d_active_subspace")),
            (_, Some(dimension)) if dimension < 1 => Err(Error::input(format!(
                "the active subspace needs at least 1 dimension, but was given {dimension}"
            ))
            .under("d_active_subspace")),
            _ => Ok(()),
        }
    }
}

impl Identified for InitializerConfig {
    const DECIDES: &'static [&'static str] = &[
        "bias_init_method",
        "decoder_uniform_bound",
        "encoder_uniform_bound",
        "init_encoder_with_decoder_transpose",
        "init_encoder_with_decoder_transpose_factor",
        "init_log_jumprelu_threshold_value",
        "grid_search_init_norm",
        "initialize_W_D_with_active_subspace",
        "d_active_subspace",
        "initialize_tc_with_mlp",
        "model_layer",
        "init_encoder_bias_with_mean_hidden_pre",
        "seed",
    ];
    const FREE: &'static [&'static str] = &[];
}

impl InitializerConfig {
    /// Refuses what does not fit the dictionary.
    ///
    /// # Errors
    /// Thresholds without initial values, subspaces and biases that the dictionary does not have, an MLP for no
    /// transcoder.
    pub fn check_dictionary(&self, sae: &SAEConfig) -> Result<()> {
        let from_model = [
            (
                "initialize_W_D_with_active_subspace",
                self.initialize_w_d_with_active_subspace,
            ),
            (
                "initialize_tc_with_mlp",
                self.initialize_tc_with_mlp == Some(true),
            ),
        ];
        for (key, _) in from_model.into_iter().filter(|(_, wanted)| *wanted) {
            sae.require(Capability::Subspace)
                .map_err(|error| error.under(key))?;
        }
        if sae.act_fn.has_thresholds() && self.init_log_jumprelu_threshold_value.is_none() {
            return Err(Error::input("jumprelu needs initial thresholds")
                .hint("give their logarithm, e.g. -2.3 for thresholds of 0.1")
                .under("init_log_jumprelu_threshold_value"));
        }
        if self
            .d_active_subspace
            .is_some_and(|dimension| dimension > sae.d_model)
        {
            return Err(Error::input(format!(
                "the active subspace has {} dimensions, but the activations have {}",
                self.d_active_subspace.unwrap_or_default(),
                sae.d_model
            ))
            .under("d_active_subspace"));
        }
        if self.bias_init_method == BiasInitMethod::GeometricMedian && !sae.use_decoder_bias {
            return Err(
                Error::input("a dictionary without decoder bias has no bias to initialise")
                    .hint("set `use_decoder_bias` to true, or `bias_init_method` to \"all_zero\"")
                    .under("bias_init_method"),
            );
        }
        if self.initialize_tc_with_mlp == Some(true) {
            return self.check_transcoder(sae);
        }
        Ok(())
    }

    /// Returns a remark where the first reconstructions are far larger than the activations. For weights uniform in ±b
    /// the rows of a matrix `(d_sae, d_model)` have norms of about `b √(d_model / 3)`; decoder times encoder ought to
    /// be near 1.
    pub(super) fn far_off(&self, sae: &SAEConfig) -> Option<String> {
        let searched = self.grid_search_init_norm || self.initialize_tc_with_mlp == Some(true);
        let norm = self.decoder_uniform_bound * (sae.d_model as f64 / 3.0).sqrt();
        let encoder_norm = if self.init_encoder_with_decoder_transpose {
            norm * self.init_encoder_with_decoder_transpose_factor.abs()
        } else {
            self.encoder_uniform_bound * (sae.d_model as f64 / 3.0).sqrt()
        };
        (!searched && norm * encoder_norm > FAR_OFF).then(|| {
            format!(
                "decoder rows begin with norms of about {norm:.1}, so the first reconstructions are far too large and the \
                 loss begins high; set `grid_search_init_norm` to true to search a better norm (recommended)"
            )
        })
    }

    fn check_transcoder(&self, sae: &SAEConfig) -> Result<()> {
        let refused =
            |reason: &str, hint: &str| Err(Error::input(reason).hint(hint).under("initialize_tc_with_mlp"));
        if !sae.is_transcoder() {
            return refused(
                "only a transcoder can begin with the model's MLP",
                "give `hook_point_in` before the MLP and `hook_point_out` after it",
            );
        }
        if self.model_layer.is_none() {
            return refused("it has to be said which layer's MLP", "set `model_layer`");
        }
        if sae.norm_activation != NormActivation::DatasetWise {
            return refused(
                "the MLP needs activations at their own scale",
                "use norm_activation = \"dataset-wise\"",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_value;

    #[test]
    fn a_start_far_off_is_said_and_a_good_one_not() {
        let sae: SAEConfig = from_value(serde_json::json!({
            "hook_point_in": "blocks.0.hook_resid_post", "hook_point_out": "blocks.0.hook_resid_post", "d_model": 768,
            "expansion_factor": 8,
        }))
        .expect("valid");
        let said = |change: fn(&mut InitializerConfig)| {
            let mut cfg = InitializerConfig::default();
            change(&mut cfg);
            cfg.far_off(&sae)
        };
        let remark = said(|_| ()).expect("uniform in ±1 is far off");
        assert!(
            remark.contains("norms of about 16.0") && remark.contains("grid_search_init_norm"),
            "{remark}"
        );
        assert_eq!(said(|cfg| cfg.grid_search_init_norm = true), None);
        assert_eq!(said(|cfg| cfg.initialize_tc_with_mlp = Some(true)), None);
        assert_eq!(said(|cfg| cfg.decoder_uniform_bound = 0.06), None);
        assert_eq!(
            said(|cfg| cfg.init_encoder_with_decoder_transpose_factor = 0.01),
            None
        );
    }
}
