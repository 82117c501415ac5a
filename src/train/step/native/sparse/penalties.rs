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

/// Returns the sums of the numbers of each latent's pairs, `(d_sae)`.
fn sum_by_latent(facts: &Facts<'_>, index: &[u32], values: &[f32]) -> Result<Tensor> {
    let mut sums = facts.workspace.zeros_like(&facts.norm)?;
    let by_latent = numbers_mut(&mut sums)?;
    for (latent, value) in index.iter().zip(values) {
        by_latent[*latent as usize] += value;
    }
    Ok(sums)
}

/// Adds the sparsity penalty, the thresholds' gradients and the threshold penalty on what is `below`, and sets the derivatives by
/// the pre-activations of the pairs.
///
/// # Errors
/// Too little memory.
pub(super) fn add_penalties(
    room: &mut Room,
    facts: &Facts<'_>,
    below: Option<&Below>,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<()> {
    room.by_pre.clear();
    room.by_pre.extend_from_slice(&room.by_acts);
    if !facts.says_more_of_pairs() {
        return Ok(());
    }
    spread(&room.rows.index, &facts.norm, &mut room.of_pairs.norm)?;
    let slopes = slopes(room, facts)?;
    derive(room, facts, &slopes)?;
    let (index, of_pairs) = (&room.rows.index, &room.of_pairs);
    let by_latent = |values: &[f32]| sum_by_latent(facts, index, values);
    if let Some(value) = slopes.value(by_latent(&of_pairs.penalty)?)? {
        terms.add_penalty(value)?;
        gradients.add_by_norm(by_latent(&of_pairs.by_norm)?)?;
    }
    add_near(facts, &by_latent(&of_pairs.near)?, gradients)?;
    if let Some(below) = below {
        let (over, over_count) = take_off(room, facts, below.cost())?;
        below.add(facts, (&over, &over_count), (terms, gradients))?;
    }
    Ok(())
}

/// Returns how the sparsity penalty grows with the activations of the pairs.
fn slopes(room: &mut Room, facts: &Facts<'_>) -> Result<Slopes> {
    let (settings, of_pairs) = (facts.settings, &mut room.of_pairs);
    let soft_counts = match settings.sparsity_loss_type {
        Some(kind) if kind.is_scaled() => {
            of_pairs.penalty.resize(room.acts.len(), 0.0);
            let stretch = settings.tanh_stretch_coefficient as f32;
            pointwise::soft_counts(&room.acts, &of_pairs.norm, stretch, &mut of_pairs.penalty);
            Some(facts.pooled(sum_by_latent(facts, &room.rows.index, &of_pairs.penalty)?)?)
        }
        _ => None,
    };
    Slopes::new(facts, soft_counts.as_ref(), || by_token(room, facts))
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
    for token in room.rows.offsets.windows(2) {
        // The pairs of a head follow on those of the one before.
        let mut last = None;
        for pair in token[0]..token[1] {
            let head = room.rows.index[pair] / latents;
            if last.replace(head) != Some(head) {
                ends.push(pair);
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
    let (index, of_pairs) = (&room.rows.index, &mut room.of_pairs);
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
    let numbers = (&room.rows.value[..], &room.acts[..]);
    pointwise::derive(numbers, &latents, (slope, thresholds), &mut room.by_pre, sums);
    Ok(())
}

/// Takes the `cost` of being below off the pairs that are not, and returns for each latent how far these are over its threshold
/// and how many they are, `(d_sae)`.
fn take_off(room: &mut Room, facts: &Facts<'_>, cost: &Tensor) -> Result<(Tensor, Tensor)> {
    let zeros = || facts.workspace.zeros_like(&facts.norm);
    let (mut over, mut over_count) = (zeros()?, zeros()?);
    let (sums, counts) = (numbers_mut(&mut over)?, numbers_mut(&mut over_count)?);
    let cost = numbers(cost)?;
    let thresholds = &room.of_pairs.threshold;
    let pairs = room.rows.index.iter().zip(&room.rows.value).zip(thresholds);
    for (((latent, value), threshold), by_pre) in pairs.zip(&mut room.by_pre) {
        let (latent, beyond) = (*latent as usize, value - threshold);
        if beyond >= 0.0 {
            sums[latent] += beyond;
            counts[latent] += 1.0;
            *by_pre += cost[latent];
        }
    }
    Ok((over, over_count))
}
