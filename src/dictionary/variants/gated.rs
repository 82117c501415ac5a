//! Gated dictionaries (<https://arxiv.org/abs/2404.16014>): one part of the encoder says which latents are on, another how
//! strongly, so that a penalty on the first does not shrink the second.
//!
//! `π = x W_E + b_gate`, `f = [π > 0] ∘ relu(e^{r_mag} ∘ (x W_E) + b_mag)`, `x̂ = f W_D + b_D`. The step has no gradient;
//! the gate learns from the penalty on `relu(π)` and from having to reconstruct by itself, `‖relu(π) W_D + b_D − x‖²`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::VariantSettings;
use crate::config::{Value, to_value};
use crate::dictionary::activation::ActFn;
use crate::dictionary::capability::Capability;
use crate::dictionary::hook_points::HookLayout;
use crate::dictionary::loss::Term;
use crate::dictionary::parameters::{ParameterSpec, Role};
use crate::dictionary::pass::Pass;
use crate::dictionary::variant::{Encoded, LossContext, SAEConfig, SparseAutoEncoder, Variant};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// a gate that says which latents are on, beside a magnitude that says how strongly
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Gated {
    /// Is the decoder held fixed while the gate learns to reconstruct by itself? So in the paper and in
    /// dictionary_learning; SAELens moves it too.
    gated_aux_frozen: bool,
    /// Is the sparsity penalty on the gate weighted by the norms of the decoder rows, as in SAELens? Not so in the paper,
    /// which keeps these rows at norm 1.
    gated_norm_weighted: bool,
}

impl Default for Gated {
    fn default() -> Self {
        Self {
            gated_aux_frozen: true,
            gated_norm_weighted: true,
        }
    }
}

impl VariantSettings for Gated {
    const NAME: &'static str = "gated";
    const HOOKS: HookLayout = HookLayout::InOut;
}

impl Variant for Gated {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn settings(&self) -> Result<Value> {
        to_value(self)
    }

    fn validate(&self, cfg: &SAEConfig) -> Result<()> {
        if cfg.act_fn != ActFn::Relu {
            return Err(Error::input(format!(
                "a gated dictionary has a gate of its own and magnitudes through relu, but `act_fn` is \"{}\"",
                cfg.act_fn.name()
            ))
            .hint("leave `act_fn` out")
            .under("act_fn"));
        }
        if cfg.use_glu_encoder {
            return Err(Error::input("a gated dictionary has no second gate")
                .hint("leave `use_glu_encoder` out")
                .under("use_glu_encoder"));
        }
        Ok(())
    }

    fn can(&self, capability: Capability) -> bool {
        !matches!(capability, Capability::JumpRelu | Capability::NativeStep)
    }

    fn saelens_architecture(&self) -> Option<&'static str> {
        Some("gated")
    }

    fn layout(&self, cfg: &SAEConfig) -> Vec<ParameterSpec> {
        let (d, n) = (cfg.d_model, cfg.d_sae());
        let mut all = vec![
            ParameterSpec::new("W_E", &[d, n], Role::Weight, Some(1)),
            ParameterSpec::new("b_gate", &[n], Role::Bias, Some(0)),
            ParameterSpec::new("r_mag", &[n], Role::Bias, Some(0)),
            ParameterSpec::new("b_mag", &[n], Role::Bias, Some(0)),
            ParameterSpec::new("W_D", &[n, d], Role::Weight, Some(0)),
        ];
        if cfg.use_decoder_bias {
            all.push(ParameterSpec::new("b_D", &[d], Role::Bias, None));
        }
        all
    }

    fn centre(&self, sae: &SparseAutoEncoder, mean: &Tensor) -> Result<()> {
        let _ = sae.writable("b_gate")?.f_sub_(mean)?;
        let scale = sae.parameter("r_mag")?.f_exp()?;
        let _ = sae.writable("b_mag")?.f_sub_(&mean.f_mul(&scale)?)?;
        Ok(())
    }

    fn encoder_bias(&self, sae: &SparseAutoEncoder) -> Result<Tensor> {
        Ok(sae.parameter("b_gate")?.f_detach()?)
    }

    fn encode(
        &self,
        sae: &SparseAutoEncoder,
        x: &Tensor,
        pass: &Pass<'_>,
        _counted: Option<&Tensor>,
    ) -> Result<Encoded> {
        let shared = pass.product(x, sae.parameter("W_E")?)?;
        let gate = shared.f_add(sae.parameter("b_gate")?)?;
        let magnitude = shared
            .f_mul(&sae.parameter("r_mag")?.f_exp()?)?
            .f_add(sae.parameter("b_mag")?)?
            .f_relu()?;
        let decoder_norm = sae.decoder_norm()?;
        let opened = gate.f_relu()?;
        let penalised = if self.gated_norm_weighted {
            opened.f_mul(&decoder_norm)?
        } else {
            opened
        };
        Ok(Encoded {
            feature_acts: magnitude.f_mul(&gate.f_detach()?.f_gt(0.0)?)?,
            hidden_pre: gate,
            decoder_norm,
            penalised: Some(penalised),
        })
    }

    fn hidden_pre(&self, sae: &SparseAutoEncoder, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        Ok(pass
            .product(x, sae.parameter("W_E")?)?
            .f_add(sae.parameter("b_gate")?)?)
    }

    fn reconstruction_terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>> {
        let sae = context.sae;
        let opened = context.encoded.hidden_pre.f_relu()?;
        let (w_d, b_d) = (sae.parameter("W_D")?, sae.parameter("b_D").ok());
        let held = |tensor: &Tensor| {
            if self.gated_aux_frozen {
                tensor.f_detach()
            } else {
                Ok(tensor.shallow_clone())
            }
        };
        let mut by_gate = context.pass.product(&opened, &held(w_d)?)?;
        if let Some(b_d) = b_d {
            by_gate = by_gate.f_add(&held(b_d)?)?;
        }
        Ok(vec![
            Term::reconstruction(context.squared_error(context.reconstructed)?),
            Term {
                name: "l_gate".into(),
                metric: "losses/gate_loss".into(),
                value: context.squared_error(&by_gate)?,
            },
        ])
    }

    fn fold(&self, sae: &mut SparseAutoEncoder, reads: &[f64], writes: &[f64]) -> Result<()> {
        let ([factor_in], [factor_out]) = (reads, writes) else {
            return Err(Error::input(
                "a gated dictionary reads and writes one hook point each",
            ));
        };
        for bias in ["b_gate", "b_mag"] {
            let _ = sae.writable(bias)?.f_div_scalar_(*factor_in)?;
        }
        let _ = sae.writable("W_D")?.f_mul_scalar_(factor_in / factor_out)?;
        if let Ok(mut b_d) = sae.writable("b_D") {
            let _ = b_d.f_div_scalar_(*factor_out)?;
        }
        Ok(())
    }
}
