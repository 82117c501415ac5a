//! Activation functions: which latents are on, how gradients pass, and the parameters that a function brings along.
//!
//! Whatever depends on which function it is stands in this file.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::parameters::{ParameterSpec, Parameters, Role};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, Workspace, no_grad};

/// What spans are made smaller by, relative to thresholds, so that rounding does not decide.
const SLACK: f64 = 1e-6;

/// Name of the thresholds in weight files and among the parameters.
pub const LOG_THRESHOLD: &str = "activation_function.log_jumprelu_threshold";

/// The activation function of a dictionary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActFn {
    /// `max(0, h)`.
    #[default]
    Relu,
    /// `h` where it exceeds a trained threshold, else 0 (<https://arxiv.org/abs/2407.14435>).
    JumpRelu,
    /// The `k` largest of each token (<https://arxiv.org/abs/2406.04093>).
    TopK,
    /// The `k · tokens` largest of the whole batch (<https://arxiv.org/abs/2412.06410>).
    BatchTopK,
    /// A function that a script or program gives with every call (`activation`).
    Custom,
}

/// An activation function of a script's or program's own: pre-activations `(…, d_sae)` in, activations of the same shape
/// out.
#[derive(Clone, Copy)]
pub struct CustomActivation<'a>(pub &'a dyn Fn(&Tensor) -> Result<Tensor>);

impl fmt::Debug for CustomActivation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CustomActivation")
    }
}

/// What an activation function needs besides its input.
pub struct Gate<'a> {
    /// Active latents per token of the top-k family.
    pub k: i64,
    /// Thresholds `(d_sae)`, `(heads, d_sae)`, for `jumprelu`.
    pub threshold: Option<Tensor>,
    /// Width of the window in which thresholds receive gradient, for `jumprelu`.
    pub window: f64,
    /// Which positions count, bool `(…)`: for `batchtopk`, whose others are 0. `None`: all.
    pub counted: Option<&'a Tensor>,
    /// The function of [`ActFn::Custom`].
    pub custom: Option<CustomActivation<'a>>,
}

impl Gate<'_> {
    /// Returns the derivative by the thresholds from the sums of derivatives within their windows
    /// ([`near_thresholds`](ActFn::near_thresholds)), both `(width)`.
    ///
    /// # Errors
    /// There are no thresholds.
    pub fn by_threshold(&self, near: &Tensor) -> Result<Tensor> {
        let theta = self.threshold.as_ref().ok_or_else(no_thresholds)?.f_detach()?;
        Ok(theta.f_mul_scalar(-1.0 / self.window)?.f_mul_(near)?)
    }
}

/// Which latents a step has to look at, by their pre-activations `h`, or `h · n`.
#[derive(Debug)]
pub enum Selection {
    /// So many of the largest of each token, of those over 0.
    Largest(i64),
    /// So many of the largest of a batch for each of its tokens, of those over 0.
    Batch(i64),
    /// Those over the bounds of their latents.
    Above {
        /// The bounds, `(d_sae)`, none below 0.
        bounds: Tensor,
        /// By how much a pre-activation has to be over its bound before anything depends on more than that it is over it,
        /// `(d_sae)`; 0 or less where something does from the bound on.
        spans: Option<Tensor>,
    },
}

impl ActFn {
    /// Returns which latents can be on, or pass gradient to a threshold; with `every_over` also all that are over their
    /// threshold before they are multiplied by `factor (d_sae)`. `norm (d_sae)` are the decoder norms. What there is to know of
    /// each latent lies in the workspace.
    ///
    /// # Errors
    /// The function has to see every latent, or its thresholds are missing.
    pub fn selection(
        self,
        gate: &Gate<'_>,
        norm: &Tensor,
        factor: Option<&Tensor>,
        every_over: bool,
        workspace: &Workspace,
    ) -> Result<Selection> {
        match self {
            ActFn::TopK => Ok(Selection::Largest(gate.k)),
            ActFn::BatchTopK => Ok(Selection::Batch(gate.k)),
            ActFn::Relu => Ok(Selection::Above {
                bounds: workspace.zeros_like(norm)?,
                spans: None,
            }),
            ActFn::JumpRelu => {
                let theta = gate.threshold.as_ref().ok_or_else(no_thresholds)?;
                let mut near = workspace.copy(theta)?.f_sub_scalar_(gate.window / 2.0)?;
                let Some(factor) = factor.filter(|_| every_over) else {
                    let bounds = near.f_clamp_min_(0.0)?;
                    return Ok(Selection::Above { bounds, spans: None });
                };
                let over = workspace.times(theta, factor)?;
                let bounds = near.f_minimum_out(&over, &over)?.f_clamp_min_(0.0)?;
                let slack = workspace.copy(theta)?.f_mul_scalar_(SLACK)?;
                let spans = Some(near.f_sub_(&bounds)?.f_sub_(&slack)?);
                Ok(Selection::Above { bounds, spans })
            }
            ActFn::Custom => Err(not_given()),
        }
    }

    /// Returns whether a number `k` decides how many latents are on.
    pub fn selects_k(self) -> bool {
        matches!(self, ActFn::TopK | ActFn::BatchTopK)
    }

    /// Returns whether it compares with trained thresholds.
    pub fn has_thresholds(self) -> bool {
        self == ActFn::JumpRelu
    }

    /// Refuses a function of one's own that was not given, with advice how to give it, and one that was given beside a
    /// built-in function.
    ///
    /// # Errors
    /// As said, under `activation`.
    pub fn require_custom(self, is_given: bool, how_to_give: &str) -> Result<()> {
        let refused = match (self.is_custom(), is_given) {
            (true, false) => not_given().hint(how_to_give),
            (false, true) => Error::input(format!(
                "an activation function was given, but the dictionary has its own: `act_fn` is \"{}\"",
                self.name()
            ))
            .hint("make the dictionary with act_fn = \"custom\""),
            _ => return Ok(()),
        };
        Err(refused.under("activation"))
    }

    /// Returns whether it is given with every call.
    pub fn is_custom(self) -> bool {
        self == ActFn::Custom
    }

    /// Returns whether latents are on without bound, so that only a penalty keeps them few.
    pub fn needs_penalty(self) -> bool {
        self == ActFn::Relu
    }

    /// Returns whether each token is encoded by itself, whatever else is in the batch.
    pub fn is_per_token(self) -> bool {
        self != ActFn::BatchTopK
    }

    /// Returns the name as it is written in configurations.
    pub fn name(self) -> &'static str {
        match self {
            ActFn::Relu => "relu",
            ActFn::JumpRelu => "jumprelu",
            ActFn::TopK => "topk",
            ActFn::BatchTopK => "batchtopk",
            ActFn::Custom => "custom",
        }
    }

    /// Returns the parameters that the function brings along, for `d_sae` latents.
    pub fn layout(self, d_sae: i64) -> Vec<ParameterSpec> {
        match self {
            ActFn::JumpRelu => {
                let logarithms = ParameterSpec::new(LOG_THRESHOLD, &[d_sae], Role::Threshold, Some(0));
                vec![logarithms]
            }
            ActFn::Relu | ActFn::TopK | ActFn::BatchTopK | ActFn::Custom => Vec::new(),
        }
    }

    /// Applies the function to `pre (…, d_sae)`; gradients pass through the entries that stay on.
    ///
    /// # Errors
    /// The function's own parameters are missing, or for `custom` the function itself.
    pub fn apply(self, pre: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
        match self {
            ActFn::JumpRelu => jumprelu(pre, gate),
            ActFn::Relu => Ok(pre.f_relu()?),
            ActFn::TopK => {
                let width = pre.size().last().copied().unwrap_or(1);
                keep_largest(&pre.f_relu()?, gate.k.min(width))
            }
            ActFn::BatchTopK => batchtopk(pre, gate),
            ActFn::Custom => custom(pre, gate),
        }
    }

    /// Returns the thresholds of those functions that have them, in the format `kind`; in a workspace without their graph.
    ///
    /// # Errors
    /// They are missing.
    pub fn threshold(
        self,
        parameters: &Parameters,
        kind: Kind,
        workspace: Option<&Workspace>,
    ) -> Result<Option<Tensor>> {
        let theta = || thresholds(parameters, kind, workspace);
        self.has_thresholds().then(theta).transpose()
    }

    /// Returns the sums of the derivative `gradient` of the loss by what the function gave for `pre`, both as `entries`
    /// has them, over the windows around the thresholds: `(width)`. `None` for functions without thresholds.
    ///
    /// # Errors
    /// Too little memory.
    pub fn near_thresholds(
        self,
        pre: &Tensor,
        gradient: &Tensor,
        entries: &Entries<'_>,
        gate: &Gate<'_>,
    ) -> Result<Option<Tensor>> {
        let Some(theta) = &gate.threshold else {
            return Ok(None);
        };
        let near = near(pre, &entries.of_latent(&theta.f_detach()?)?, gate.window)?;
        entries.sum_by_latent(&gradient.f_mul(&near)?).map(Some)
    }

    /// Refuses parameters of the function that nobody has set.
    ///
    /// # Errors
    /// Thresholds that are NaN.
    pub fn require_parameters(self, parameters: &Parameters) -> Result<()> {
        let Some(threshold) = parameters.find(LOG_THRESHOLD) else {
            return Ok(());
        };
        match no_grad(|| threshold.f_isnan()?.f_any()?.f_int64_value(&[]))? {
            0 => Ok(()),
            _ => Err(Error::input("the thresholds of this jumprelu dictionary have no initial value")
                .hint("give InitializerConfig `init_log_jumprelu_threshold_value`, e.g. -2.3 for thresholds of 0.1")),
        }
    }

    /// Changes the function's parameters for pre-activations that are `1/factor` of what they were; `factor` is 0-d, or
    /// `(heads, 1)`, and then every head gets thresholds of its own.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn fold(self, parameters: &mut Parameters, factor: &Tensor) -> Result<()> {
        let Some(threshold) = parameters.find(LOG_THRESHOLD) else {
            return Ok(());
        };
        let shift = factor.f_to_kind(Kind::Double)?.f_log()?;
        let folded = threshold.f_detach()?.f_sub(&shift)?;
        let folded = folded.f_to_kind(threshold.f_kind()?)?;
        parameters.replace(LOG_THRESHOLD, folded.f_set_requires_grad(true)?);
        Ok(())
    }

    /// Returns what the field looks at of the function's parameters, one number a latent `(d_sae)` in the format
    /// `kind`, by name.
    ///
    /// # Errors
    /// Too little memory.
    pub fn distributions(self, parameters: &Parameters, kind: Kind) -> Result<Vec<(&'static str, Tensor)>> {
        match parameters.find(LOG_THRESHOLD) {
            Some(_) => Ok(vec![(
                "metrics/jumprelu_thresholds",
                thresholds(parameters, kind, None)?,
            )]),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the means of [`distributions`](Self::distributions) over the latents, 0-d, under the names of the
    /// training metrics.
    ///
    /// # Errors
    /// Too little memory.
    pub fn statistics(self, parameters: &Parameters, kind: Kind) -> Result<Vec<(&'static str, Tensor)>> {
        let all = self.distributions(parameters, kind)?;
        all.into_iter()
            .map(|(_, values)| Ok(("metrics/mean_jumprelu_threshold", values.f_mean(None::<Kind>)?)))
            .collect()
    }
}

/// Returns `θ (d_sae)` in the format `kind`.
///
/// # Errors
/// There are no thresholds.
pub(super) fn thresholds(
    parameters: &Parameters,
    kind: Kind,
    workspace: Option<&Workspace>,
) -> Result<Tensor> {
    let logarithms = parameters.get(LOG_THRESHOLD)?;
    let theta = match workspace {
        Some(workspace) => workspace.copy(&logarithms.f_detach()?)?.f_exp_()?,
        None => logarithms.f_exp()?,
    };
    Ok(theta.f_to_kind(kind)?)
}

fn no_thresholds() -> Error {
    Error::run("jumprelu has no thresholds")
}

fn not_given() -> Error {
    Error::input(
        "this dictionary has an activation function of its own (`act_fn` is \"custom\"), which was not given",
    )
}

/// Returns what the script's or program's own function gives for `pre`, and refuses another shape.
fn custom(pre: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
    let Some(CustomActivation(function)) = gate.custom else {
        return Err(not_given().hint("pass the closure as `activation`, as when it was trained"));
    };
    let activations = function(pre)?;
    if activations.size() != pre.size() {
        return Err(Error::input(format!(
            "`activation` gave shape {:?} for pre-activations of shape {:?}",
            activations.size(),
            pre.size()
        ))
        .hint("it has to give one number for each pre-activation"));
    }
    Ok(activations)
}

/// Keeps the `k · B` largest of all and sets the rest, and what is negative, to 0; B is the number of positions that
/// count.
fn batchtopk(pre: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
    let width = pre.size().last().copied().unwrap_or(1).max(1);
    let total = pre.numel() as i64;
    let on = pre.f_relu()?;
    let (on, positions) = match gate.counted {
        None => (on, total / width),
        Some(counted) => (
            on.f_masked_fill(&counted.f_logical_not()?.f_unsqueeze(-1)?, 0.0)?,
            counted.f_sum(Kind::Int64)?.f_int64_value(&[])?,
        ),
    };
    let kept = keep_largest(&on.f_reshape([-1])?, gate.k.saturating_mul(positions).min(total))?;
    Ok(kept.f_view_as(pre)?)
}

/// Returns `pre` where it is over its threshold, and 0 elsewhere.
///
/// The step has no useful derivative, so the threshold gets the straight-through estimate
/// `Σ g · (−θ/w) · [|h − θ| < w/2] · [h > 0]`
/// (<https://transformer-circuits.pub/2025/january-update/index.html#DL>).
fn jumprelu(pre: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
    let threshold = gate.threshold.as_ref().ok_or_else(no_thresholds)?;
    let (h, theta) = (pre.f_detach()?, threshold.f_detach()?);
    let on = h.f_gt_tensor(&theta)?;
    let passed = pre.f_mul(&on)?;
    if !threshold.requires_grad() {
        return Ok(passed);
    }
    let slope = theta.f_mul_scalar(-1.0 / gate.window)?;
    let slope = slope.f_mul(&near(&h, &theta, gate.window)?)?;
    // θ − θ is 0: it adds nothing to the value and carries the estimated slope to the threshold's gradient.
    let carrier = threshold.f_sub(&theta)?;
    Ok(passed.f_add(&carrier.f_mul(&slope)?)?)
}

/// Returns where a threshold receives gradient: `[|h − θ| < w/2] · [h > 0]`.
fn near(pre: &Tensor, threshold: &Tensor, window: f64) -> Result<Tensor> {
    let close = pre.f_sub(threshold)?.f_abs()?.f_lt(window / 2.0)?;
    Ok(close.f_logical_and(&pre.f_gt(0.0)?)?)
}

/// Keeps the `k` largest along the last dimension and sets the rest to 0.
fn keep_largest(values: &Tensor, k: i64) -> Result<Tensor> {
    let (kept, places) = values.f_topk(k, -1, true, false)?;
    Ok(values.f_detach()?.f_zeros_like()?.f_scatter(-1, &places, &kept)?)
}
