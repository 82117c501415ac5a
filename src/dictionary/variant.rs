//! The seam between dictionaries and their variants.
//!
//! A [`SparseAutoEncoder`] is data: settings, parameters by name, measured norms. What is computed with them is said by
//! its [`Variant`]. The default of every method is the plain dictionary, `f = act(x W_E + b_E)`, `x̂ = f W_D + b_D`; a
//! variant overrides what it does otherwise, in one file, and has one row in the table of
//! [`variants`](super::variants).
//!
//! Shapes: positions `…` are `(batch)` or `(batch, seq)`; a variant whose hook points are heads has a dimension for them
//! behind the positions, in activations `(…, H, d_model)` as well as in latents `(…, H, d_sae)`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use super::base::BaseConfig;
use super::capability::Capability;
use super::hook_points::HookPoints;
use super::loss::{LossSettings, Term};
use super::parameters::{ParameterSpec, Parameters, Role};
use super::pass::Pass;
use super::prefix::Prefix;
use super::wants::Wants;
use crate::config::{Checked, Value};
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// The architecture of a dictionary: its variant with that variant's own settings, the hook points it reads and writes,
/// and what all dictionaries have.
#[derive(Clone, Debug)]
pub struct SAEConfig {
    /// What tells this kind of dictionary from others (`sae_type`), with its own settings.
    pub variant: Arc<dyn Variant>,
    /// The hook points that it reads and writes.
    pub hooks: HookPoints,
    /// The settings that all dictionaries have.
    pub base: BaseConfig,
}

/// A dictionary: a sparse autoencoder, a transcoder, or another variant.
#[derive(Debug)]
pub struct SparseAutoEncoder {
    /// The architecture.
    pub cfg: Checked<SAEConfig>,
    pub(super) parameters: Parameters,
    pub(super) dataset_norms: BTreeMap<String, f64>,
    pub(super) kind: Kind,
    pub(super) device: Device,
}

/// What the encoder computes for activations `(…, d_model)`. A dictionary with heads has a dimension for them before the
/// last.
pub struct Encoded {
    /// Activations of the latents, `(…, d_sae)`.
    pub feature_acts: Tensor,
    /// Pre-activations `h`, `(…, d_sae)`.
    pub hidden_pre: Tensor,
    /// `‖W_D[i]‖₂` of each latent, `(d_sae)`.
    pub decoder_norm: Tensor,
    /// What a sparsity penalty is on, `(…, d_sae)`; `None`: the activations times the decoder norms.
    pub penalised: Option<Tensor>,
}

/// What a term is computed from.
pub struct LossContext<'a> {
    /// The dictionary.
    pub sae: &'a SparseAutoEncoder,
    /// What its encoder gave.
    pub encoded: &'a Encoded,
    /// What its decoder gave, `(…, d_model)`.
    pub reconstructed: &'a Tensor,
    /// What it should have given.
    pub label: &'a Tensor,
    /// Coefficients and kinds.
    pub settings: &'a LossSettings,
    /// How the dictionary is passed through.
    pub pass: &'a Pass<'a>,
    /// Which positions count, bool `(…)`; `None`: all.
    pub counted: Option<&'a Tensor>,
    /// Which latents are dead, bool `(d_sae)`; `None`: none.
    pub is_dead: Option<&'a Tensor>,
}

/// A kind of dictionary, with the settings that only it has.
pub trait Variant: Debug + Send + Sync {
    /// Returns its name in configurations, the `sae_type`.
    fn name(&self) -> &'static str;

    /// Returns its own settings as plain data.
    ///
    /// # Errors
    /// None in practice.
    fn settings(&self) -> Result<Value>;

    /// Refuses settings that make no sense together.
    ///
    /// # Errors
    /// What is wrong, under its key.
    fn validate(&self, cfg: &SAEConfig) -> Result<()> {
        let _ = cfg;
        Ok(())
    }

    /// Returns what it looks at at a time: single tokens, or whole sequences.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Returns whether it can do this: by default everything but what takes code of its own.
    fn can(&self, capability: Capability) -> bool {
        capability != Capability::NativeStep
    }

    /// Returns what SAELens calls this architecture, where the activation function alone does not say it.
    fn saelens_architecture(&self) -> Option<&'static str> {
        None
    }

    /// Returns the parameters, in the order in which they are moved and saved; those of the activation function are
    /// last.
    fn layout(&self, cfg: &SAEConfig) -> Vec<ParameterSpec> {
        let (d, n) = (cfg.d_model, cfg.d_sae());
        let mut all = vec![
            ParameterSpec::new("W_E", &[d, n], Role::Weight, Some(1)),
            ParameterSpec::new("b_E", &[n], Role::Bias, Some(0)),
            ParameterSpec::new("W_D", &[n, d], Role::Weight, Some(0)),
        ];
        if cfg.use_decoder_bias {
            all.push(ParameterSpec::new("b_D", &[d], Role::Bias, None));
        }
        if cfg.use_glu_encoder {
            all.push(ParameterSpec::new("W_E_glu", &[d, n], Role::Weight, Some(1)));
            all.push(ParameterSpec::new("b_E_glu", &[n], Role::Bias, Some(0)));
        }
        all.extend(cfg.act_fn.layout(n));
        all
    }

    /// Returns whether a file can hold the parameter of `spec` in this shape.
    fn fits(&self, cfg: &SAEConfig, spec: &ParameterSpec, shape: &[i64]) -> bool {
        let _ = cfg;
        spec.shape == shape
    }

    /// Draws the matrices uniformly in ±bound from libtorch's global generator, the encoder's first.
    ///
    /// # Errors
    /// Too little memory.
    fn draw(&self, sae: &SparseAutoEncoder, encoder_bound: f64, decoder_bound: f64) -> Result<()> {
        sae.draw_uniform("W_E", encoder_bound)?;
        sae.draw_uniform("W_D", decoder_bound)?;
        if sae.cfg.use_glu_encoder {
            sae.draw_uniform("W_E_glu", encoder_bound)?;
        }
        Ok(())
    }

    /// Subtracts `mean (d_sae)` of the pre-activations from the encoder's bias, so that they average 0.
    ///
    /// # Errors
    /// Too little memory.
    fn centre(&self, sae: &SparseAutoEncoder, mean: &Tensor) -> Result<()> {
        let _ = sae.writable("b_E")?.f_sub_(mean)?;
        Ok(())
    }

    /// Returns the biases of the encoder that people look at, one a latent `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    fn encoder_bias(&self, sae: &SparseAutoEncoder) -> Result<Tensor> {
        Ok(sae.parameter("b_E")?.f_detach()?)
    }

    /// Encodes normalised `x`, in the dictionary's format and on its device.
    ///
    /// # Errors
    /// As [`SparseAutoEncoder::encode_with`].
    fn encode(
        &self,
        sae: &SparseAutoEncoder,
        x: &Tensor,
        pass: &Pass<'_>,
        counted: Option<&Tensor>,
    ) -> Result<Encoded> {
        sae.activated(self.hidden_pre(sae, x, pass)?, pass, counted)
    }

    /// Returns the pre-activations of normalised `x`, as the activation function looks at them.
    ///
    /// # Errors
    /// Too little memory.
    fn hidden_pre(&self, sae: &SparseAutoEncoder, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let hidden_pre = pass
            .product(x, sae.parameter("W_E")?)?
            .f_add(sae.parameter("b_E")?)?;
        if !sae.cfg.use_glu_encoder {
            return Ok(hidden_pre);
        }
        let gate = pass
            .product(x, sae.parameter("W_E_glu")?)?
            .f_add(sae.parameter("b_E_glu")?)?
            .f_sigmoid()?;
        Ok(hidden_pre.f_mul(&gate)?)
    }

    /// Decodes latents without the decoder's bias.
    ///
    /// # Errors
    /// Too little memory.
    fn decode(&self, sae: &SparseAutoEncoder, feature_acts: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        pass.product(feature_acts, sae.parameter("W_D")?)
    }

    /// Returns the prefixes of the latents whose reconstructions the loss looks at, from the shortest to all latents. Where
    /// gradients are written by hand they follow it, and [`reconstruction_terms`](Self::reconstruction_terms) is to say
    /// the same.
    fn prefixes(&self, cfg: &SAEConfig) -> Vec<Prefix> {
        vec![Prefix {
            latents: cfg.d_sae(),
            weight: 1.0,
        }]
    }

    /// Returns what the loss says of the reconstruction: the terms whose sum is to be small whatever the latents are.
    ///
    /// # Errors
    /// Too little memory.
    fn reconstruction_terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>> {
        Ok(vec![Term::reconstruction(
            context.squared_error(context.reconstructed)?,
        )])
    }

    /// Returns whether the scale of the activations can be folded into the parameters without a change of what is on.
    fn folds(&self, cfg: &SAEConfig) -> bool {
        // What a function of one's own makes of smaller numbers is not known.
        !cfg.act_fn.is_custom()
    }

    /// Folds the factors by which the activations of the read and the written hook points are normalised into the
    /// parameters, thresholds included, so that the same latents are on as before.
    ///
    /// # Errors
    /// It cannot be done exactly.
    fn fold(&self, sae: &mut SparseAutoEncoder, reads: &[f64], writes: &[f64]) -> Result<()> {
        let (factor_in, factor_out) = (single(reads)?, single(writes)?);
        let _ = sae.writable("b_E")?.f_div_scalar_(factor_in)?;
        let _ = sae.writable("W_D")?.f_mul_scalar_(factor_in / factor_out)?;
        if let Ok(mut b_d) = sae.writable("b_D") {
            let _ = b_d.f_div_scalar_(factor_out)?;
        }
        if let Ok(mut gate) = sae.writable("W_E_glu") {
            // The gate is not linear in x, so it has to see the normalised x.
            let _ = gate.f_mul_scalar_(factor_in)?;
        }
        // What is compared with a threshold is h, or h · ‖W_D‖, and scales accordingly.
        let seen = if sae.cfg.sparsity_include_decoder_norm {
            factor_out
        } else {
            factor_in
        };
        let seen = Tensor::f_full([0i64; 0].as_slice(), seen, (Kind::Double, sae.device()))?;
        sae.cfg.act_fn.fold(&mut sae.parameters, &seen)
    }

    /// Returns figures of a step that only this kind of dictionary has, 0-d, by the names of their metrics.
    ///
    /// # Errors
    /// Too little memory.
    fn metrics(&self, context: &StepFacts<'_>) -> Result<Vec<(String, Tensor)>> {
        let _ = context;
        Ok(Vec::new())
    }
}

/// What a step computed, for a variant's own metrics.
pub struct StepFacts<'a> {
    /// The dictionary.
    pub sae: &'a SparseAutoEncoder,
    /// `‖reconstruction − label‖²` of each token, `(n)`; `(n, heads)` where there are heads.
    pub squared_error: &'a Tensor,
    /// The mean squared distance of the label from its centre, 0-d; `(heads)` where there are heads. `None` where a GPU's kernels
    /// keep it, for dictionaries without heads.
    pub variance: Option<&'a Tensor>,
    /// Number of tokens.
    pub tokens: i64,
    /// On how many tokens each latent is on, in some head where there are heads, `(d_sae)`.
    pub fired: &'a Tensor,
    /// The same of each head, `(heads, d_sae)`, where there are heads.
    pub fired_by_head: Option<&'a Tensor>,
}

/// Returns the one factor of a variant with one hook point.
fn single(factors: &[f64]) -> Result<f64> {
    match factors {
        [factor] => Ok(*factor),
        _ => Err(Error::input(format!(
            "one factor is needed, but {} were given",
            factors.len()
        ))),
    }
}

impl SAEConfig {
    /// Refuses what this kind of dictionary cannot do.
    ///
    /// # Errors
    /// It cannot.
    pub fn require(&self, capability: Capability) -> Result<()> {
        if self.variant.can(capability) {
            return Ok(());
        }
        Err(Error::input(format!(
            "{} a dictionary of sae_type \"{}\"",
            capability.missing(),
            self.variant.name()
        )))
    }
}
