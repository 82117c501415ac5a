//! The step with a number for every latent of every token, on any device and in any format.
//!
//! With `G = dL/dx̂`: `dW_D = fᵀ G`, `df = G W_Dᵀ` and what the penalty adds, `dh = df` where the latent is on, and
//! `dW_E = xᵀ dh`. What a penalty says of the decoder norms goes along the decoder's rows.

use super::auxk::{self, Latents};
use super::facts::Facts;
use super::gradients::Gradients;
use super::terms::Terms;
use crate::dictionary::{Entries, LOG_THRESHOLD, LossInput};
use crate::error::Result;
use crate::tensor::{Kind, Tensor};
use crate::train::step::Part;

/// What the encoder makes of some tokens.
struct Encoded {
    /// Pre-activations `h (n, d_sae)`.
    hidden_pre: Tensor,
    /// `x W_E + b_E` and the gate's value, where the encoder has a gate.
    gated: Option<(Tensor, Tensor)>,
    /// What the activation function sees, `h` times the factor.
    seen: Tensor,
    /// Activations.
    acts: Tensor,
}

/// What a step found, besides gradients.
pub(super) struct Found {
    pub(super) terms: Terms,
    /// `‖x̂ − y‖²` of each token, `(n)`.
    pub(super) squared_error: Tensor,
    /// How many tokens each latent fired on, float `(d_sae)`.
    pub(super) fired: Tensor,
    /// Sum of all activations, and how many were active.
    pub(super) activity: (Tensor, Tensor),
}

/// Makes the step. `is_dead` is asked once, with what has fired.
///
/// # Errors
/// Too little memory.
pub(super) fn step(
    facts: &Facts<'_>,
    input: &LossInput<'_>,
    is_dead: impl FnOnce(&Tensor) -> Result<Option<Tensor>>,
    gradients: &mut Gradients,
) -> Result<Found> {
    let encoded = encode(facts, input.x)?;
    let on = encoded.acts.f_gt(0.0)?;
    let fired = on.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?;
    let decoder = facts.parameter("W_D")?;
    let mut error = facts.product(&encoded.acts, &decoder)?;
    if let Ok(bias) = facts.parameter("b_D") {
        let _ = error.f_add_(&bias)?;
    }
    let _ = error.f_sub_(input.label)?;
    let squares = error
        .f_square()?
        .f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?;
    let mut terms = Terms::new(facts, &squares)?;
    let mut by_reconstruction = error.f_mul_scalar(2.0 / facts.tokens as f64)?;
    facts.laps.end(Part::Decode);
    let mut by_pre = None;
    if let Some(is_dead) = is_dead(&fired)? {
        let aux = auxk::step(
            facts,
            &encoded.hidden_pre,
            &error,
            &Latents::masked(facts, &is_dead)?,
            gradients,
        )?;
        let _ = by_reconstruction.f_add_(&aux.by_reconstruction)?;
        terms.add_auxk(aux.value);
        by_pre = Some(aux.by_pre);
    }
    drop(error);
    facts.laps.end(Part::Auxk);
    gradients.add("W_D", facts.product(&encoded.acts.f_tr()?, &by_reconstruction)?)?;
    add_bias(gradients, facts, "b_D", &by_reconstruction)?;
    facts.laps.end(Part::Scatter);
    let mut by_acts = facts.product(&by_reconstruction, &decoder.f_tr()?)?;
    facts.laps.end(Part::Decode);
    penalise(facts, &encoded.acts, &mut by_acts, &mut terms, gradients)?;
    add_thresholds(facts, &encoded, &by_acts, gradients)?;
    let _ = by_acts.f_mul_(&on)?;
    if let Some(by_pre) = by_pre {
        let _ = by_acts.f_add_(&by_pre)?;
    }
    terms.add_threshold_penalty(facts, &encoded.hidden_pre, &mut by_acts, gradients)?;
    facts.laps.end(Part::Penalties);
    encoder(facts, input.x, &encoded, by_acts, gradients)?;
    let activity = (encoded.acts.f_sum(None::<Kind>)?, on.f_sum(Kind::Int64)?);
    Ok(Found {
        terms,
        squared_error: squares,
        fired,
        activity,
    })
}

fn encode(facts: &Facts<'_>, x: &Tensor) -> Result<Encoded> {
    let linear = |matrix: &str, bias: &str| -> Result<Tensor> {
        let mut linear = facts.product(x, &facts.parameter(matrix)?)?;
        Ok(linear.f_add_(&facts.parameter(bias)?)?)
    };
    let mut hidden_pre = linear("W_E", "b_E")?;
    let mut gated = None;
    if facts.sae.cfg.use_glu_encoder {
        let gate = linear("W_E_glu", "b_E_glu")?.f_sigmoid()?;
        let opened = hidden_pre.f_mul(&gate)?;
        gated = Some((std::mem::replace(&mut hidden_pre, opened), gate));
    }
    let seen = match &facts.factor {
        Some(factor) => hidden_pre.f_mul(factor)?,
        None => hidden_pre.shallow_clone(),
    };
    let acts = facts.sae.cfg.act_fn.apply(&seen, &facts.gate)?;
    let acts = facts.unscaled(acts)?;
    facts.laps.end(Part::Encode);
    Ok(Encoded {
        hidden_pre,
        gated,
        seen,
        acts,
    })
}

/// Adds what the sparsity penalty says of the activations, and by way of their weights of the decoder.
fn penalise(
    facts: &Facts<'_>,
    acts: &Tensor,
    by_acts: &mut Tensor,
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<()> {
    let Some(kind) = facts.settings.sparsity_loss_type else {
        return Ok(());
    };
    let weighted = acts.f_mul(&facts.norm)?;
    let counts = kind.soft_counts(&weighted, &Entries::Every, facts.settings)?;
    let penalty = kind.penalty(
        &weighted,
        &Entries::Every,
        facts.settings,
        facts.tokens,
        counts.as_ref(),
    )?;
    terms.add_penalty(penalty.value);
    let by_norm = Entries::Every.sum_by_latent(&penalty.gradient.f_mul(acts)?)?;
    gradients.add("W_D", facts.by_rows(&by_norm)?)?;
    let _ = by_acts.f_addcmul_(&penalty.gradient, &facts.norm)?;
    Ok(())
}

/// Adds what the activation function says of its thresholds.
fn add_thresholds(
    facts: &Facts<'_>,
    encoded: &Encoded,
    by_acts: &Tensor,
    gradients: &mut Gradients,
) -> Result<()> {
    if !facts.sae.cfg.act_fn.has_thresholds() {
        return Ok(());
    }
    let by_scaled = facts.unscaled(by_acts.shallow_clone())?;
    let act_fn = facts.sae.cfg.act_fn;
    let by_threshold = act_fn.threshold_gradient(&encoded.seen, &by_scaled, &Entries::Every, &facts.gate)?;
    if let Some(by_threshold) = by_threshold
        && let Some(by_log) = facts.by_log_threshold(&by_threshold)?
    {
        gradients.add(LOG_THRESHOLD, by_log)?;
    }
    Ok(())
}

/// Adds the gradients of the encoder from the derivative by its pre-activations.
fn encoder(
    facts: &Facts<'_>,
    x: &Tensor,
    encoded: &Encoded,
    by_pre: Tensor,
    gradients: &mut Gradients,
) -> Result<()> {
    let mut linear = |by_pre: &Tensor, matrix: &'static str, bias: &'static str| -> Result<()> {
        // In the order in which the matrix lies in memory.
        gradients.add(matrix, facts.product(&by_pre.f_tr()?, x)?.f_tr()?)?;
        add_bias(gradients, facts, bias, by_pre)
    };
    let Some((linear_pre, gate)) = &encoded.gated else {
        return linear(&by_pre, "W_E", "b_E");
    };
    linear(&by_pre.f_mul(gate)?, "W_E", "b_E")?;
    let slope = gate.f_mul(&gate.f_neg()?.f_add_scalar_(1.0)?)?;
    linear(&by_pre.f_mul(linear_pre)?.f_mul_(&slope)?, "W_E_glu", "b_E_glu")
}

/// Adds the gradient of a bias, where the dictionary has it: the sum over the tokens.
fn add_bias(gradients: &mut Gradients, facts: &Facts<'_>, name: &'static str, by_sum: &Tensor) -> Result<()> {
    if facts
        .sae
        .named_parameters()
        .iter()
        .any(|(known, _)| *known == name)
    {
        gradients.add(
            name,
            by_sum.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?,
        )?;
    }
    Ok(())
}
