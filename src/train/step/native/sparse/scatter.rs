//! The gradients of matrices and biases, which pairs add up to, part after part.

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::below::Below;
use super::room::Room;
use crate::error::Result;
use crate::kernels::by_latent::ByLatent;
use crate::kernels::norms::column_sums;
use crate::kernels::pattern::Pattern;
use crate::kernels::scatter::{Addends, Given, Onto, scatter};
use crate::tensor::Tensor;
use crate::tensor::slices::{numbers, numbers_mut};

/// Adds the gradients of matrices and biases, from the derivatives by activations and pre-activations of the pairs, and from what
/// is `below`.
///
/// # Errors
/// Too little memory.
pub(super) fn scatter_gradients(
    room: &mut Room,
    facts: &Facts<'_>,
    below: Option<&Below>,
    gradients: &mut Gradients,
) -> Result<()> {
    let decoder = facts.decoder()?;
    let mut by_decoder = room.by_decoder.take(&decoder)?;
    let mut by_encoder = room.by_encoder.take(&facts.encoder()?.f_tr()?)?;
    let mut by_bias = room.by_encoder_bias.take(&facts.encoder_bias()?)?.f_zero_()?;
    let held = (gradients.has("W_D"), gradients.has("W_E"));
    let slope = gradients.take_slope(facts)?;
    let inputs = std::mem::take(&mut room.inputs);
    // What all parts are added to, and what the others are added to then.
    let mut onto = bases((slope.as_ref(), &decoder), (below, &inputs), held)?;
    for part in 0..room.parts.count() {
        room.begin(part, facts)?;
        decoder_gradient(room, facts, onto.0, &mut by_decoder)?;
        encoder_gradients(room, facts, onto.1, (&mut by_encoder, &mut by_bias))?;
        onto = (HELD, HELD);
    }
    room.inputs = inputs;
    gradients.set("W_D", by_decoder);
    gradients.set("W_E", by_encoder.f_tr()?);
    gradients.add_to(by_bias, "b_E")?;
    if let Ok(bias) = facts.parameter("b_D") {
        let mut by_bias = room.by_decoder_bias.take(&bias)?;
        // Every prefix has the bias, every head one of its own.
        let columns = room.label.columns();
        let sums = numbers_mut(&mut by_bias)?.chunks_mut(columns);
        sums.zip(&room.residual)
            .for_each(|(sums, residual)| column_sums(residual, sums));
        gradients.add_to(by_bias, "b_D")?;
    }
    Ok(())
}

const HELD: Onto<'static> = Onto {
    held: true,
    given: Given::Nothing,
};

/// Returns what the gradients of decoder and encoder are added onto: where it is `held` what stands in their places, and what
/// penalties say of the decoder's norms and of the sum of the inputs of all tokens.
fn bases<'a>(
    (slope, decoder): (Option<&'a Tensor>, &'a Tensor),
    (below, inputs): (Option<&'a Below>, &'a [f32]),
    held: (bool, bool),
) -> Result<(Onto<'a>, Onto<'a>)> {
    let decoder = match slope {
        Some(slope) => Given::Rows(numbers(slope)?, numbers(decoder)?),
        None => Given::Nothing,
    };
    let encoder = match below {
        Some(below) => below.given(inputs)?,
        None => Given::Nothing,
    };
    let onto = |held: bool, given| Onto { held, given };
    Ok((onto(held.0, decoder), onto(held.1, encoder)))
}

fn decoder_gradient(
    room: &mut Room,
    facts: &Facts<'_>,
    onto: Onto<'_>,
    by_decoder: &mut Tensor,
) -> Result<()> {
    room.on.take(&room.acts, &mut room.some);
    let groups = facts.groups().into_iter().zip(&room.residual);
    let groups: Vec<Addends<'_>> = groups
        .map(|(group, tokens)| Addends {
            end: group.end as usize,
            tokens,
        })
        .collect();
    let by = (&mut room.by_latent, &mut room.sorted);
    let acts = (room.on.pattern(facts.latents()), &room.some[..]);
    scatter_pairs(by, acts, &groups, onto, by_decoder)
}

fn encoder_gradients(
    room: &mut Room,
    facts: &Facts<'_>,
    onto: Onto<'_>,
    (by_encoder, by_bias): (&mut Tensor, &mut Tensor),
) -> Result<()> {
    let latents = facts.sae.cfg.d_sae() as usize;
    let (tokens, by_pre) = (room.parts.tokens(), &room.by[room.parts.pairs()]);
    let pattern = match facts.heads {
        Some(_) => {
            room.merged.merge(&room.rows, &tokens, by_pre, latents);
            room.merged.pattern(&mut room.some)
        }
        None => {
            room.moving
                .choose(&room.rows, &tokens, |pair| by_pre[pair] != 0.0);
            room.moving.take(by_pre, &mut room.some);
            room.moving.pattern(latents)
        }
    };
    let tokens = if room.reads_its_label {
        &room.label
    } else {
        &room.input
    };
    let by = (&mut room.by_latent, &mut room.sorted);
    let input = [Addends { end: latents, tokens }];
    scatter_pairs(by, (pattern, &room.some), &input, onto, by_encoder)?;
    room.by_latent.add_sums(&room.sorted, numbers_mut(by_bias)?);
    Ok(())
}

/// Writes for each latent what the tokens of its pairs add up to, each times the pair's number, which are left in the order of latents.
///
/// # Errors
/// The sums are not float32 on the CPU.
pub(super) fn scatter_pairs(
    (by_latent, sorted): (&mut ByLatent, &mut Vec<f32>),
    (pattern, of_pairs): (Pattern<'_>, &[f32]),
    addends: &[Addends<'_>],
    onto: Onto<'_>,
    sums: &mut Tensor,
) -> Result<()> {
    by_latent.sort(pattern);
    by_latent.permute(of_pairs, sorted);
    scatter(by_latent.pattern(), sorted, addends, onto, numbers_mut(sums)?);
    Ok(())
}
