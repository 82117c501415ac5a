//! What penalties and thresholds say of the pairs, and the derivatives by their pre-activations. The kernel that goes over all
//! latents of tokens goes over the pairs as if each was a latent of its own, on one token.

use super::super::facts::Facts;
use super::super::form::PLAIN;
use super::super::gradients::Gradients;
use super::super::penalties::add_near;
use super::super::slopes::Slopes;
use super::super::terms::Terms;
use super::below::Below;
use super::of_pairs::OfPairs;
use super::room::Room;
use crate::error::Result;
use crate::kernels::pointwise::{self, Latents, Penalty, Rows, Sums, Thresholds};
use crate::tensor::Tensor;
use crate::tensor::slices::{numbers, numbers_mut};

/// Writes what is known of the latent of each pair to `into`.
fn spread(index: &[u32], by_latent: &Tensor, into: &mut Vec<f32>) -> Result<()> {
    let by_latent = numbers(by_latent)?;
    into.clear();
    into.extend(index.iter().map(|latent| by_latent[*latent as usize]));
    Ok(())
}

/// Adds up the numbers of each latent's pairs.
fn add_by_latent(index: &[u32], values: &[f32], sums: &mut Tensor) -> Result<()> {
    let by_latent = numbers_mut(sums)?;
    for (latent, value) in index.iter().zip(values) {
        by_latent[*latent as usize] += value;
    }
    Ok(())
}

/// What is summed of the pairs of each latent, `([heads,] d_sae)`.
struct OfLatents {
    penalty: Tensor,
    by_norm: Tensor,
    near: Tensor,
    /// How far those that are not below are over the threshold, and how many they are.
    over: Tensor,
    over_count: Tensor,
}

impl OfLatents {
    fn new(facts: &Facts<'_>) -> Result<Self> {
        let zeros = || facts.workspace.zeros_like(&facts.norm);
        Ok(Self {
            penalty: zeros()?,
            by_norm: zeros()?,
            near: zeros()?,
            over: zeros()?,
            over_count: zeros()?,
        })
    }

    /// Adds what was said of the pairs of a part.
    fn add(&mut self, room: &Room) -> Result<()> {
        let (index, of_pairs) = (&room.rows.index[room.parts.pairs()], &room.of_pairs);
        add_by_latent(index, &of_pairs.penalty, &mut self.penalty)?;
        add_by_latent(index, &of_pairs.by_norm, &mut self.by_norm)?;
        add_by_latent(index, &of_pairs.near, &mut self.near)
    }
}

/// Adds the sparsity penalty, the thresholds' gradients and the threshold penalty on what is `below`, and makes the derivatives of
/// the pairs those by their pre-activations.
///
/// # Errors
/// Too little memory.
pub(super) fn add_penalties(
    room: &mut Room,
    facts: &Facts<'_>,
    below: Option<&Below>,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<()> {
    if !facts.says_more_of_pairs() {
        return Ok(());
    }
    let soft_counts = soft_counts(room, facts)?;
    let mut of_latents = OfLatents::new(facts)?;
    let (mut slopes, mut together) = (None, 0.0);
    for part in 0..room.parts.count() {
        room.begin(part, facts)?;
        let index = &room.rows.index[room.parts.pairs()];
        spread(index, &facts.norm, &mut room.of_pairs.norm)?;
        let of_part = match slopes.take() {
            None => Slopes::new(facts, soft_counts.as_ref(), || by_token(room, facts))?,
            Some(Slopes::ByToken(..)) => by_token(room, facts)?,
            Some(of_all) => of_all,
        };
        derive(room, facts, &of_part)?;
        of_latents.add(room)?;
        if let Some(below) = below {
            take_off(room, below.cost(), &mut of_latents)?;
        }
        if let Slopes::ByToken(value, _) = &of_part {
            together += value;
        }
        slopes = Some(of_part);
    }
    let slopes = match slopes {
        Some(Slopes::ByToken(_, last)) => Slopes::ByToken(together, last),
        known => known.unwrap_or(Slopes::None),
    };
    if let Some(value) = slopes.value(of_latents.penalty)? {
        terms.add_penalty(value)?;
        gradients.add_by_norm(of_latents.by_norm)?;
    }
    add_near(facts, &of_latents.near, gradients)?;
    if let Some(below) = below {
        let over = (&of_latents.over, &of_latents.over_count);
        below.add(facts, over, (terms, gradients))?;
    }
    Ok(())
}

/// Returns the soft counts of all pairs, where the sparsity penalty goes by them.
fn soft_counts(room: &mut Room, facts: &Facts<'_>) -> Result<Option<Tensor>> {
    let settings = facts.settings;
    if settings.sparsity_loss_type.is_none_or(|kind| !kind.is_scaled()) {
        return Ok(None);
    }
    let stretch = settings.tanh_stretch_coefficient as f32;
    let mut counts = facts.workspace.zeros_like(&facts.norm)?;
    for part in 0..room.parts.count() {
        room.begin(part, facts)?;
        let (index, of_pairs) = (&room.rows.index[room.parts.pairs()], &mut room.of_pairs);
        spread(index, &facts.norm, &mut of_pairs.norm)?;
        of_pairs.penalty.resize(room.acts.len(), 0.0);
        pointwise::soft_counts(&room.acts, &of_pairs.norm, stretch, &mut of_pairs.penalty);
        add_by_latent(index, &of_pairs.penalty, &mut counts)?;
    }
    Ok(Some(facts.pooled(counts)?))
}

/// Returns what is said of the activations of a token, or of a head of it, together.
fn by_token(room: &mut Room, facts: &Facts<'_>) -> Result<Slopes> {
    if room.acts.is_empty() {
        return Ok(Slopes::ByToken(0.0, facts.zero()?));
    }
    let latents = facts.sae.cfg.d_sae() as u32;
    let OfPairs {
        norm,
        ends,
        norms,
        slopes,
        ..
    } = &mut room.of_pairs;
    ends.clear();
    let (tokens, first) = (room.parts.tokens(), room.parts.pairs().start);
    for token in room.rows.offsets[tokens.start..=tokens.end].windows(2) {
        // The pairs of a head follow on those of the one before.
        let mut last = None;
        for pair in token[0]..token[1] {
            let head = room.rows.index[pair] / latents;
            if last.replace(head) != Some(head) {
                ends.push(pair - first);
            }
        }
    }
    norms.clear();
    norms.resize(ends.len(), 0.0);
    ends.push(room.acts.len());
    let slopes = slopes.take_sized(&[room.acts.len() as i64], PLAIN)?;
    Slopes::by_token(facts, (&room.acts, norm), Rows::Between(ends), slopes, norms)
}

/// Turns the derivatives of the pairs into those by their pre-activations, but for the threshold penalty, and sums what there is
/// to sum.
fn derive(room: &mut Room, facts: &Facts<'_>, slopes: &Slopes) -> Result<()> {
    let pairs = room.parts.pairs();
    let (index, of_pairs) = (&room.rows.index[pairs.clone()], &mut room.of_pairs);
    let [first, second] = &mut of_pairs.unused;
    let summed = [
        &mut of_pairs.penalty,
        &mut of_pairs.by_norm,
        &mut of_pairs.near,
        first,
        second,
    ];
    let [penalty, by_norm, near, below, below_count] = summed.map(|sums| {
        sums.clear();
        sums.resize(index.len(), 0.0);
        &mut sums[..]
    });
    if index.is_empty() {
        return Ok(());
    }
    let mut scale = None;
    if let Some(factor) = &facts.factor {
        spread(index, factor, &mut of_pairs.factor)?;
        spread(index, &facts.divisor()?, &mut of_pairs.divisor)?;
        scale = Some((&of_pairs.factor[..], &of_pairs.divisor[..]));
    }
    let mut threshold = None;
    if let Some(theta) = &facts.gate.threshold {
        spread(index, theta, &mut of_pairs.threshold)?;
        threshold = Some(&of_pairs.threshold[..]);
    }
    let mut slope = slopes.as_penalty()?;
    if let Penalty::Tanh { steepness, .. } = &mut slope {
        of_pairs.steepness.clear();
        let of_latents = index.iter().map(|latent| steepness[*latent as usize]);
        of_pairs.steepness.extend(of_latents);
        *steepness = &of_pairs.steepness;
    }
    let latents = Latents {
        norm: &of_pairs.norm,
        scale,
        threshold,
    };
    let thresholds = Thresholds {
        half_window: (facts.gate.window / 2.0) as f32,
        ..Thresholds::default()
    };
    let sums = Sums {
        penalty,
        by_norm,
        near,
        below,
        below_count,
    };
    let numbers = (&room.rows.value[pairs.clone()], &room.acts[..]);
    let by = &mut room.by[pairs];
    pointwise::derive(numbers, &latents, (slope, thresholds), by, sums);
    Ok(())
}

/// Takes the `cost` of being below off the pairs of a part that are not, and adds up how far these are over their thresholds and how
/// many they are.
fn take_off(room: &mut Room, cost: &Tensor, sums: &mut OfLatents) -> Result<()> {
    let (over, over_count) = (numbers_mut(&mut sums.over)?, numbers_mut(&mut sums.over_count)?);
    let (cost, pairs) = (numbers(cost)?, room.parts.pairs());
    let by = &mut room.by[pairs.clone()];
    let pairs = room.rows.index[pairs.clone()].iter().zip(&room.rows.value[pairs]);
    for (((latent, value), threshold), by_pre) in pairs.zip(&room.of_pairs.threshold).zip(by) {
        let (latent, beyond) = (*latent as usize, value - threshold);
        if beyond >= 0.0 {
            over[latent] += beyond;
            over_count[latent] += 1.0;
            *by_pre += cost[latent];
        }
    }
    Ok(())
}
