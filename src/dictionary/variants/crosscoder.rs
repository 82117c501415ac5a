//! Crosscoders (<https://transformer-circuits.pub/2024/crosscoders/index.html>): one set of latents for several hook
//! points, which are read together and each reconstructed by a decoder of its own.
//!
//! `h = Σ_h (x_h W_E[h] + b_E[h])`, the same for all heads; every head has a gate of its own, since the norms of its
//! decoder rows are its own: `f[h] = act(h · n[h]) / n[h]`, `x̂_h = f[h] W_D[h] + b_D[h]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::VariantSettings;
use crate::config::{Value, to_value};
use crate::dictionary::capability::Capability;
use crate::dictionary::hook_points::HookLayout;
use crate::dictionary::loss::sum_last;
use crate::dictionary::parameters::{ParameterSpec, Role};
use crate::dictionary::pass::Pass;
use crate::dictionary::variant::{SAEConfig, SparseAutoEncoder, StepFacts, Variant};
use crate::error::{Error, Result};
use crate::kernels::norms::row_norms;
use crate::tensor::slices::numbers;
use crate::tensor::{Kind, Tensor};

/// one set of latents for several hook points, each with a decoder of its own
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Crosscoder {}

impl VariantSettings for Crosscoder {
    const NAME: &'static str = "crosscoder";
    const HOOKS: HookLayout = HookLayout::Heads;
    const CONFIG_NAMES: &'static [&'static str] = &["CrosscoderConfig", "CrossCoderConfig"];
    const SETTINGS_NAMES: &'static [&'static str] = &["TrainCrosscoderSettings", "TrainCrossCoderSettings"];
}

/// Returns the number of heads.
fn heads(cfg: &SAEConfig) -> i64 {
    cfg.hooks.heads().unwrap_or(1)
}

impl Variant for Crosscoder {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn settings(&self) -> Result<Value> {
        to_value(self)
    }

    fn validate(&self, cfg: &SAEConfig) -> Result<()> {
        for (key, fits, why) in [
            (
                "sparsity_include_decoder_norm",
                cfg.sparsity_include_decoder_norm,
                "the heads of a crosscoder differ by the norms of their decoder rows, which the activation function has \
                 to see",
            ),
            (
                "use_decoder_bias",
                cfg.use_decoder_bias,
                "each head of a crosscoder has a decoder bias",
            ),
        ] {
            if !fits {
                return Err(Error::input(why)
                    .hint("set it to true, or leave it out")
                    .under(key));
            }
        }
        if cfg.use_glu_encoder {
            return Err(Error::input("the heads of a crosscoder share one linear encoder")
                .hint("leave `use_glu_encoder` out")
                .under("use_glu_encoder"));
        }
        Ok(())
    }

    fn can(&self, capability: Capability) -> bool {
        capability == Capability::NativeStep
    }

    fn layout(&self, cfg: &SAEConfig) -> Vec<ParameterSpec> {
        let (h, d, n) = (heads(cfg), cfg.d_model, cfg.d_sae());
        let mut all = vec![
            ParameterSpec::new("W_E", &[h, d, n], Role::Weight, Some(2)),
            ParameterSpec::new("b_E", &[h, n], Role::Bias, Some(1)),
            ParameterSpec::new("W_D", &[h, n, d], Role::Weight, Some(1)),
            ParameterSpec::new("b_D", &[h, d], Role::Bias, None),
        ];
        all.extend(cfg.act_fn.layout(n));
        all
    }

    fn draw(&self, sae: &SparseAutoEncoder, encoder_bound: f64, decoder_bound: f64) -> Result<()> {
        for (name, bound) in [("W_E", encoder_bound), ("W_D", decoder_bound)] {
            let mut matrix = sae.writable(name)?;
            // One draw that all heads begin with.
            let options = (matrix.f_kind()?, sae.device());
            let mut first = Tensor::f_zeros(matrix.f_get(0)?.size().as_slice(), options)?;
            let _ = first.f_uniform_(-bound, bound)?;
            matrix.f_copy_(&first.f_unsqueeze(0)?.f_expand_as(&matrix)?)?;
        }
        Ok(())
    }

    fn centre(&self, sae: &SparseAutoEncoder, mean: &Tensor) -> Result<()> {
        // The biases are summed over the heads.
        let share = mean.f_div_scalar(heads(&sae.cfg))?;
        let _ = sae.writable("b_E")?.f_sub_(&share)?;
        Ok(())
    }

    fn encoder_bias(&self, sae: &SparseAutoEncoder) -> Result<Tensor> {
        sum_heads(&sae.parameter("b_E")?.f_detach()?)
    }

    fn hidden_pre(&self, sae: &SparseAutoEncoder, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let (h, d, n) = (heads(&sae.cfg), sae.cfg.d_model, sae.cfg.d_sae());
        let joined = x.f_flatten(-2, -1)?;
        let encoder = sae.parameter("W_E")?.f_reshape([h * d, n])?;
        let shared = pass
            .product(&joined, &encoder)?
            .f_add(&sum_heads(sae.parameter("b_E")?)?)?
            .f_unsqueeze(-2)?;
        let mut shape = shared.size();
        let place = shape.len() - 2;
        shape[place] = h;
        Ok(shared.f_expand(shape, false)?)
    }

    fn decode(&self, sae: &SparseAutoEncoder, feature_acts: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let (h, d, n) = (heads(&sae.cfg), sae.cfg.d_model, sae.cfg.d_sae());
        let mut shape = feature_acts.size();
        if let Some(width) = shape.last_mut() {
            *width = d;
        }
        let by_head = feature_acts.f_reshape([-1, h, n])?.f_transpose(0, 1)?;
        let decoded = pass.product(&by_head, sae.parameter("W_D")?)?;
        Ok(decoded.f_transpose(0, 1)?.f_reshape(shape)?)
    }

    fn fits(&self, cfg: &SAEConfig, spec: &ParameterSpec, shape: &[i64]) -> bool {
        // Folding gives every head thresholds of its own.
        let by_head = [heads(cfg), cfg.d_sae()];
        spec.shape == shape || (spec.role == Role::Threshold && shape == by_head)
    }

    fn folds(&self, cfg: &SAEConfig) -> bool {
        cfg.act_fn.is_per_token() && !cfg.act_fn.is_custom()
    }

    fn fold(&self, sae: &mut SparseAutoEncoder, reads: &[f64], _writes: &[f64]) -> Result<()> {
        let factors = Tensor::f_from_slice(reads)?
            .f_to_device(sae.device())?
            .f_to_kind(sae.kind())?;
        let rows = factors.f_reshape([-1, 1, 1])?;
        let _ = sae.writable("W_E")?.f_mul_(&rows)?;
        let _ = sae.writable("W_D")?.f_div_(&rows)?;
        let by_head = factors.f_reshape([-1, 1])?;
        let _ = sae.writable("b_D")?.f_div_(&by_head)?;
        sae.cfg.act_fn.fold(&mut sae.parameters, &by_head)
    }

    fn metrics(&self, facts: &StepFacts<'_>) -> Result<Vec<(String, Tensor)>> {
        let (Some(fired), Some(variance)) = (facts.fired_by_head, facts.variance) else {
            return Ok(Vec::new());
        };
        let over_tokens = |x: &Tensor| x.f_mean_dim([0i64].as_slice(), false, None::<Kind>);
        let errors = over_tokens(facts.squared_error)?;
        let explained = errors.f_div(variance)?.f_neg()?.f_add_scalar(1.0)?;
        let l0 = match numbers(fired) {
            Ok(counts) => of_each_head(counts, fired.size()[0] as usize)?,
            Err(_) => sum_last(&fired.f_to_kind(Kind::Double)?)?,
        }
        .f_div_scalar(facts.tokens.max(1))?;
        let mut metrics = Vec::new();
        for (head, hook) in facts.sae.cfg.writes().into_iter().enumerate() {
            for (name, values) in [
                ("explained_variance", &explained),
                ("l0", &l0),
                ("l_rec", &errors),
            ] {
                let name = format!("crosscoder_metrics/{hook}/{name}");
                metrics.push((name, values.f_get(head as i64)?));
            }
        }
        metrics.extend(norms_where_on(facts, fired)?);
        Ok(metrics)
    }
}

/// Returns the mean decoder norms of a head over the tokens and latents that are on in some head: where that head has
/// it on, and where it has not. `on (heads, d_sae)` says on how many tokens a head has a latent on.
fn norms_where_on(facts: &StepFacts<'_>, on: &Tensor) -> Result<Vec<(String, Tensor)>> {
    let means = match means_of_numbers(facts, on) {
        Some(means) => means.map(Tensor::from),
        None => {
            let norms = facts.sae.decoder_norm()?.f_detach()?.f_to_kind(Kind::Double)?;
            let mean_over = |counts: &Tensor| -> Result<Tensor> {
                let sum = norms.f_mul(counts)?.f_sum(None::<Kind>)?;
                Ok(sum.f_div(&counts.f_sum(Kind::Double)?)?)
            };
            [mean_over(on)?, mean_over(&facts.fired.f_sub(on)?)?]
        }
    };
    let names = ["activated", "non_activated"]
        .map(|name| format!("crosscoder_metrics/mean_decoder_norm_{name}_in_activated"));
    Ok(names.into_iter().zip(means).collect())
}

/// Returns the sum of the numbers of each head, float64 `(heads)`.
fn of_each_head(numbers: &[f32], heads: usize) -> Result<Tensor> {
    let of_heads = numbers.chunks(numbers.len() / heads);
    let sums: Vec<f64> = of_heads
        .map(|counts| counts.iter().map(|count| f64::from(*count)).sum())
        .collect();
    Ok(Tensor::f_from_slice(&sums)?)
}

/// How many norms are computed at a time.
const NORMS: usize = 256;

/// Returns the means of [`norms_where_on`] for float32 on the CPU, norms some at a time, so that a step asks for no room for all;
/// `None` elsewhere.
fn means_of_numbers(facts: &StepFacts<'_>, on: &Tensor) -> Option<[f64; 2]> {
    let decoder = facts.sae.parameter("W_D").ok()?.f_detach().ok()?;
    let (rows, on, fired) = (
        numbers(&decoder).ok()?,
        numbers(on).ok()?,
        numbers(facts.fired).ok()?,
    );
    let columns = rows.len() / on.len();
    let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
    let mut norms = [0.0; NORMS];
    for (part, rows) in rows.chunks(NORMS * columns).enumerate() {
        let norms = &mut norms[..rows.len() / columns];
        row_norms(rows, columns, norms);
        for (latent, norm) in (part * NORMS..).zip(norms) {
            let (on, somewhere) = (on[latent], fired[latent % fired.len()]);
            for (place, count) in [on, somewhere - on].into_iter().enumerate() {
                sums[place] += f64::from(*norm) * f64::from(count);
                counts[place] += f64::from(count);
            }
        }
    }
    Some([sums[0] / counts[0], sums[1] / counts[1]])
}

/// Returns the sum over the heads, the first dimension.
fn sum_heads(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?)
}
