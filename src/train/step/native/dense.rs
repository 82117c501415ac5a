//! The step with a number for every latent of every token, on any device and in any format.
//!
//! With `G = dL/dx̂`: `dW_D = fᵀ G`, `df = G W_Dᵀ` and what the penalty adds, `dh = df` where the latent is on, and
//! `dW_E = xᵀ dh`. What a penalty says of the decoder norms goes along the decoder's rows.
//!
//! Tokens are taken some at a time, so few that what is computed of them stays in the processor's caches. What has to be
//! known of the whole batch before, the soft counts of tanh-quad and which latents are dead, takes a pass of its own.

use super::auxk::{self, Latents};
use super::facts::Facts;
use super::form;
use super::found::Found;
use super::gradients::Gradients;
use super::penalties::{add_thresholds, penalise};
use super::terms::{Terms, add};
use crate::dictionary::{Entries, LossInput, SAEConfig, Selection};
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};
use crate::train::step::Part;

/// Bytes of the pre-activations of the tokens that are taken at a time on a CPU, and the fewest tokens that products are
/// still fast for.
const BLOCK_BYTES: i64 = 12 << 20;
const BLOCK_LEAST: i64 = 256;
/// About how many tensors of the size of the pre-activations a step holds at its height.
pub(super) const TENSORS: u64 = 8;

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

/// What has to be known of a whole batch before its parts are looked at.
#[derive(Default)]
struct Known {
    /// The soft counts of tanh-quad.
    soft_counts: Option<Tensor>,
    /// How many tokens each latent fired on, float `(d_sae)`.
    fired: Option<Tensor>,
    /// Which latents are dead, where Aux-K wants to know.
    is_dead: Option<Tensor>,
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
    let rows = rows_at_a_time(&facts.sae.cfg, facts.sae.device(), facts.tokens);
    let (xs, labels) = (input.x.f_split(rows, 0)?, input.label.f_split(rows, 0)?);
    let mut known = Known::default();
    let mut last = None;
    if facts.looks_ahead() {
        for x in &xs {
            let encoded = encode(facts, x)?;
            known.add(facts, &encoded)?;
            last = Some(encoded);
        }
    }
    let mut is_dead = Some(is_dead);
    if let (Some(fired), Some(is_dead)) = (&known.fired, is_dead.take_if(|_| facts.looks_ahead())) {
        known.is_dead = is_dead(fired)?;
    }
    // What was encoded is at hand where one block is all.
    let mut last = last.filter(|_| xs.len() == 1);
    let mut parts = Parts::new(facts)?;
    for (x, label) in xs.iter().zip(&labels) {
        let encoded = match last.take() {
            Some(encoded) => encoded,
            None => encode(facts, x)?,
        };
        block(facts, (x, label), &encoded, &known, &mut parts, gradients)?;
    }
    if let Some(is_dead) = is_dead {
        is_dead(&parts.fired)?;
    }
    parts.together()
}

/// Returns how many of `tokens` tokens are taken at a time: all where their latents compete with one another, or where
/// caches play no part.
pub(super) fn rows_at_a_time(cfg: &SAEConfig, device: Device, tokens: i64) -> i64 {
    if device != Device::Cpu || !cfg.act_fn.is_per_token() {
        return tokens;
    }
    let width = cfg.d_sae() * cfg.dtype.kind().elt_size_in_bytes() as i64;
    (BLOCK_BYTES / width).max(BLOCK_LEAST).min(tokens)
}

impl Known {
    /// Takes note of some tokens.
    fn add(&mut self, facts: &Facts<'_>, encoded: &Encoded) -> Result<()> {
        add(&mut self.fired, count(&encoded.acts.f_gt(0.0)?)?)?;
        if let Some(kind) = facts.settings.sparsity_loss_type {
            let weighted = encoded.acts.f_mul(&facts.norm)?;
            if let Some(counts) = kind.soft_counts(&weighted, &Entries::Every, facts.settings)? {
                add(&mut self.soft_counts, counts)?;
            }
        }
        Ok(())
    }
}

/// What the blocks of a batch add up to.
struct Parts {
    terms: Terms,
    squared_error: Vec<Tensor>,
    fired: Tensor,
    sum: Tensor,
    active: Tensor,
    pairs: Pairs,
}

/// Counts the pairs of a token and a latent that take part in gradients, where somebody wants to know.
struct Pairs(Option<(Tensor, u64)>);

impl Pairs {
    fn new(facts: &Facts<'_>) -> Result<Self> {
        let (cfg, kind, device) = (&facts.sae.cfg, facts.sae.kind(), facts.sae.device());
        if !form::depends_on_density(cfg, kind, device) {
            return Ok(Pairs(None));
        }
        match facts.selection()? {
            Selection::Above(bounds) => Ok(Pairs(Some((bounds, 0)))),
            Selection::Largest(_) | Selection::Batch(_) => Ok(Pairs(None)),
        }
    }

    fn add(&mut self, seen: &Tensor) -> Result<()> {
        if let Some((bounds, count)) = &mut self.0 {
            let above = seen.f_gt_tensor(bounds)?.f_sum(Kind::Int64)?;
            *count += above.f_int64_value(&[])?.max(0) as u64;
        }
        Ok(())
    }
}

impl Parts {
    fn new(facts: &Facts<'_>) -> Result<Self> {
        let zeros = |size: &[i64], kind| Tensor::f_zeros(size, (kind, facts.sae.device()));
        Ok(Self {
            terms: Terms::new(facts)?,
            squared_error: Vec::new(),
            fired: zeros(&[facts.sae.cfg.d_sae()], Kind::Float)?,
            sum: facts.zero()?,
            active: zeros(&[], Kind::Int64)?,
            pairs: Pairs::new(facts)?,
        })
    }

    /// Counts what is `on` of some tokens.
    fn count(&mut self, encoded: &Encoded, on: &Tensor) -> Result<()> {
        let fired = count(on)?;
        let _ = self.fired.f_add_(&fired)?;
        let _ = self.active.f_add_(&fired.f_sum(Kind::Int64)?)?;
        let _ = self.sum.f_add_(&encoded.acts.f_sum(None::<Kind>)?)?;
        self.pairs.add(&encoded.seen)
    }

    fn together(self) -> Result<Found> {
        Ok(Found {
            terms: self.terms,
            squared_error: Tensor::f_cat(&self.squared_error, 0)?,
            fired: self.fired,
            activity: (self.sum, self.active),
            pairs: self.pairs.0.map(|(_, count)| count),
        })
    }
}

/// Returns on how many tokens each latent is `on`, float `(d_sae)`.
fn count(on: &Tensor) -> Result<Tensor> {
    Ok(on.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?)
}

/// Returns `x̂ − y`, `(n, d_model)`.
fn error(facts: &Facts<'_>, acts: &Tensor, label: &Tensor) -> Result<Tensor> {
    let mut error = facts.product(acts, &facts.parameter("W_D")?)?;
    if let Ok(bias) = facts.parameter("b_D") {
        let _ = error.f_add_(&bias)?;
    }
    Ok(error.f_sub_(label)?)
}

/// Adds what some tokens say.
fn block(
    facts: &Facts<'_>,
    (x, label): (&Tensor, &Tensor),
    encoded: &Encoded,
    known: &Known,
    parts: &mut Parts,
    gradients: &mut Gradients,
) -> Result<()> {
    let on = encoded.acts.f_gt(0.0)?;
    parts.count(encoded, &on)?;
    let decoder = facts.parameter("W_D")?;
    let error = error(facts, &encoded.acts, label)?;
    let squares = error.f_square()?;
    parts
        .squared_error
        .push(squares.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?);
    let mut by_reconstruction = error.f_mul_scalar(2.0 / facts.tokens as f64)?;
    facts.laps.end(Part::Decode);
    let mut by_pre = None;
    if let Some(is_dead) = &known.is_dead {
        let latents = Latents::masked(facts, is_dead)?;
        let aux = auxk::step(facts, &encoded.hidden_pre, &error, &latents, gradients)?;
        let _ = by_reconstruction.f_add_(&aux.by_reconstruction)?;
        parts.terms.add_auxk(aux.value)?;
        by_pre = Some(aux.by_pre);
    }
    drop(error);
    facts.laps.end(Part::Auxk);
    gradients.add_product(facts, "W_D", &encoded.acts.f_tr()?, &by_reconstruction)?;
    add_bias(gradients, facts, "b_D", &by_reconstruction)?;
    facts.laps.end(Part::Scatter);
    let mut by_acts = facts.product(&by_reconstruction, &decoder.f_tr()?)?;
    facts.laps.end(Part::Decode);
    let (every, soft_counts) = (&Entries::Every, known.soft_counts.as_ref());
    let kept = (&mut parts.terms, &mut *gradients);
    penalise(facts, every, (&encoded.acts, &mut by_acts), soft_counts, kept)?;
    if facts.sae.cfg.act_fn.has_thresholds() {
        let by_scaled = facts.unscaled(by_acts.shallow_clone())?;
        add_thresholds(
            facts,
            every,
            (&encoded.seen, &by_scaled),
            &facts.gate,
            Ok,
            gradients,
        )?;
    }
    let _ = by_acts.f_mul_(&on)?;
    if let Some(by_pre) = by_pre {
        let _ = by_acts.f_add_(&by_pre)?;
    }
    parts
        .terms
        .add_threshold_penalty(facts, &encoded.hidden_pre, &mut by_acts, gradients)?;
    facts.laps.end(Part::Penalties);
    encoder(facts, x, encoded, by_acts, gradients)
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

/// Adds the gradients of the encoder from the derivative by its pre-activations.
fn encoder(
    facts: &Facts<'_>,
    x: &Tensor,
    encoded: &Encoded,
    by_pre: Tensor,
    gradients: &mut Gradients,
) -> Result<()> {
    let mut linear = |by_pre: &Tensor, matrix: &'static str, bias: &'static str| -> Result<()> {
        gradients.add_product(facts, matrix, &x.f_tr()?, by_pre)?;
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
