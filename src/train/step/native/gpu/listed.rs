//! What penalties and thresholds say of the pairs of a token and a latent that take part, and the derivatives by their
//! pre-activations.

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::penalties::{add_thresholds, penalise};
use super::super::terms::Terms;
use crate::dictionary::Entries;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// The pairs that take part, with a number each, `(n)`.
pub(super) struct Listed<'a> {
    pub(super) entries: &'a Entries<'a>,
    /// Their pre-activations.
    pub(super) hidden_pre: &'a Tensor,
    /// Their activations.
    pub(super) acts: &'a Tensor,
}

/// What the bare pairs of each latent add up to: those over their threshold, but off, and outside of its window, which have no
/// number. The threshold penalty, which does not look at the decoder norm that the activation function multiplies by, says the
/// same of all of a latent's.
pub(super) struct BareSums {
    /// How many there are, float `(d_sae)`.
    pub(super) count: Tensor,
    /// The sums of their tokens' inputs, `(d_sae, d_model)`.
    pub(super) inputs: Tensor,
}

/// Adds the sparsity penalty, the thresholds' gradients and the threshold penalty on tokens `x`, and returns the derivatives by
/// the pre-activations of the pairs, of which `by_acts` are those by their activations.
///
/// # Errors
/// Too little memory.
pub(super) fn derive(
    facts: &Facts<'_>,
    listed: &Listed<'_>,
    mut by_acts: Tensor,
    (x, bare): (&Tensor, Option<BareSums>),
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<Tensor> {
    let Listed {
        entries,
        hidden_pre,
        acts,
    } = *listed;
    let soft_counts = match facts.settings.sparsity_loss_type {
        Some(kind) => {
            let weighted = acts.f_mul(&entries.of_latent(&facts.norm)?)?;
            kind.soft_counts(&weighted, entries, facts.settings)?
        }
        None => None,
    };
    let kept = (&mut *terms, &mut *gradients);
    let known = (soft_counts.as_ref(), facts.workspace);
    penalise(facts, entries, (acts, &mut by_acts), known, kept)?;
    let mut by_pre = by_acts.f_mul(&acts.f_gt(0.0)?)?;
    if facts.sae.cfg.act_fn.has_thresholds() {
        let (seen, by_scaled) = as_seen(facts, entries, hidden_pre, &by_acts)?;
        add_thresholds(facts, entries, (&seen, &by_scaled), &facts.gate, Ok, gradients)?;
        let below = Below::new(facts, x, bare)?;
        let of = (&below, hidden_pre);
        add_threshold_penalty(facts, entries, of, &mut by_pre, (terms, gradients))?;
    }
    Ok(by_pre)
}

/// Returns what the activation function saw of the pairs, and the derivative by what it gave for that.
fn as_seen(
    facts: &Facts<'_>,
    entries: &Entries<'_>,
    hidden_pre: &Tensor,
    by_acts: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let Some(factor) = &facts.factor else {
        return Ok((hidden_pre.shallow_clone(), by_acts.shallow_clone()));
    };
    let seen = hidden_pre.f_mul(&entries.of_latent(factor)?)?;
    Ok((seen, by_acts.f_div(&entries.of_latent(&facts.divisor()?)?)?))
}

/// Adds the threshold penalty `c · mean_t Σ relu(θ − h) n`. Nearly all pre-activations are below their threshold, so it is
/// computed as if all were but for the bare pairs: that takes sums of tokens alone. What else is not below, all of it among
/// the pairs with a number, is taken off again.
fn add_threshold_penalty(
    facts: &Facts<'_>,
    entries: &Entries<'_>,
    (below, hidden_pre): (&Below, &Tensor),
    by_pre: &mut Tensor,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<()> {
    let (Some(theta), Some(cost)) = (facts.penalised_thresholds(), facts.threshold_cost()?) else {
        return Ok(());
    };
    let over = hidden_pre.f_sub(&entries.of_latent(theta)?)?;
    let is_over = over.f_ge(0.0)?.f_to_kind(Kind::Float)?;
    let sums = theta
        .f_mul(&below.count)?
        .f_sub(&below.hidden_pre(facts)?)?
        .f_add(&entries.sum_by_latent(&over.f_mul(&is_over)?)?)?
        .f_clamp_min(0.0)?;
    let count = below.count.f_sub(&entries.sum_by_latent(&is_over)?)?;
    terms.add_threshold_penalty(facts, (&sums, &count), gradients)?;
    let _ = by_pre.f_addcmul_(&is_over, &entries.of_latent(&cost)?)?;
    gradients.add("b_E", cost.f_mul(&below.count)?.f_neg_()?)?;
    gradients.add("W_E", below.by_encoder(&cost)?)
}

/// The tokens on which latents are taken to be below their threshold: all but those of bare pairs.
struct Below {
    /// How many, `(d_sae)`.
    count: Tensor,
    /// The sum of the inputs of all tokens, `(d_model)`.
    all: Tensor,
    /// The sums of the inputs of those that are not below, `(d_sae, d_model)`.
    but: Option<Tensor>,
}

impl Below {
    fn new(facts: &Facts<'_>, x: &Tensor, bare: Option<BareSums>) -> Result<Self> {
        let all = x.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
        let tokens = facts.norm.f_full_like(facts.tokens)?;
        Ok(Self {
            all: all.f_to_kind(Kind::Float)?,
            count: match &bare {
                Some(bare) => tokens.f_sub(&bare.count)?,
                None => tokens,
            },
            but: bare.map(|bare| bare.inputs),
        })
    }

    /// Returns the sums of the pre-activations, `(d_sae)`.
    fn hidden_pre(&self, facts: &Facts<'_>) -> Result<Tensor> {
        let encoder = facts.parameter("W_E")?;
        let biases = facts.parameter("b_E")?.f_mul(&self.count)?;
        let mut sums = facts
            .product(&self.all.f_unsqueeze(0)?, &encoder)?
            .f_squeeze_dim(0)?
            .f_add(&biases)?;
        if let Some(but) = &self.but {
            let dots = but.f_mul(&encoder.f_tr()?)?;
            let _ = sums.f_sub_(&dots.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?)?;
        }
        Ok(sums)
    }

    /// Returns the gradient of the encoder, where each unit below costs `cost (d_sae)`.
    fn by_encoder(&self, cost: &Tensor) -> Result<Tensor> {
        let mut rows = cost.f_outer(&self.all)?.f_neg_()?;
        if let Some(but) = &self.but {
            let _ = rows.f_addcmul_(but, &cost.f_unsqueeze(-1)?)?;
        }
        Ok(rows.f_tr()?)
    }
}
