//! The step over active latents alone, for float32 on the CPU: its cost is that of one encoder product in short integers
//! ([`Screen`](crate::kernels::screen::Screen)) and of what the active latents themselves take.
//!
//! What the encoder leaves are pairs of a token and a latent. With `G = dL/dx̂`, the derivative by the activation of a
//! pair is `G_t · W_D[i]`, and the gradients of both matrices are sums over the pairs of a latent. Where prefixes of the
//! latents reconstruct too, each group of latents that a prefix adds has a `G` of its own: the sum over the prefixes it is
//! in.

mod below;
mod dead;
mod dead_pairs;
mod decode;
mod encode;
mod merged;
mod of_pairs;
mod parts;
mod penalties;
mod room;
mod scatter;
mod size;
mod subset;

use self::below::Below;
use self::dead_pairs::DeadPairs;
use self::decode::decode;
use self::encode::encode;
use self::penalties::add_penalties;
pub(super) use self::room::Room;
use self::scatter::scatter_gradients;
use self::subset::Subset;
use super::facts::Facts;
use super::form::BARE;
use super::found::Found;
use super::gradients::Gradients;
use super::of_dead::of_dead;
use super::terms::Terms;
use crate::dictionary::LossInput;
use crate::error::Result;
use crate::kernels::gather::gather;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Kind, Tensor, Workspace};
use crate::train::step::Part;

/// Makes the step. `is_dead` is asked once, with what has fired.
///
/// # Errors
/// Too little memory.
pub(super) fn step(
    room: &mut Room,
    facts: &Facts<'_>,
    input: &LossInput<'_>,
    is_dead: impl FnOnce(&Tensor) -> Result<Option<Tensor>>,
    gradients: &mut Gradients,
) -> Result<Found> {
    encode(room, facts, input.x)?;
    let most = facts.limits.pairs_at_a_time(facts.says_more_of_pairs());
    room.parts.divide(&room.rows, most as usize);
    let (fired, sum) = room.count(facts)?;
    let fired_somewhere = room.merged.fired(&room.rows, facts)?;
    facts.laps.end(Part::Encode);
    decode(room, facts, input)?;
    let squared_errors = room.squared_errors(facts)?;
    let mut terms = Terms::new(facts);
    facts.laps.end(Part::Decode);
    let mut moved = false;
    if let Some(is_dead) = is_dead(fired_somewhere.as_ref().unwrap_or(&fired))? {
        moved = add_auxk(room, facts, input, &is_dead, &mut terms, gradients)?;
    }
    facts.laps.end(Part::Auxk);
    let below = Below::new(room, facts, input.x, gradients)?;
    complete(room, facts, moved)?;
    facts.laps.end(Part::Scatter);
    add_penalties(room, facts, below.as_ref(), (&mut terms, gradients))?;
    facts.laps.end(Part::Penalties);
    scatter_gradients(room, facts, below.as_ref(), gradients)?;
    let active: f64 = numbers(&fired)?.iter().map(|fired| f64::from(*fired)).sum();
    Ok(Found {
        terms,
        squared_errors,
        pairs: Some(room.rows.index.len() as f64 + BARE * room.rows.bare.count() as f64),
        activity: (Tensor::from(sum as f32), Tensor::from(active as i64)),
        fired: fired_somewhere.as_ref().unwrap_or(&fired).shallow_clone(),
        fired_by_head: fired_somewhere.map(|_| fired),
    })
}

/// Computes the derivatives by the activations of pairs that are off and near their threshold, and once more of those that are on
/// where `G` has moved.
fn complete(room: &mut Room, facts: &Facts<'_>, moved: bool) -> Result<()> {
    if !moved && !facts.sae.cfg.act_fn.has_thresholds() {
        return Ok(());
    }
    for part in 0..room.parts.count() {
        room.begin(part, facts)?;
        if moved {
            let on = std::mem::take(&mut room.on);
            let done = dot(room, facts, &on);
            room.on = on;
            done?;
        }
        let near = std::mem::take(&mut room.near);
        let done = dot(room, facts, &near);
        room.near = near;
        done?;
    }
    Ok(())
}

/// Computes the derivatives by the activations of some pairs from `G` and the decoder's rows.
fn dot(room: &mut Room, facts: &Facts<'_>, pairs: &Subset) -> Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let decoder = facts.decoder()?;
    let columns = decoder.size()[1] as usize;
    for (place, group) in facts.groups().into_iter().enumerate() {
        room.unpack(place);
        room.group.within(pairs, group);
        let pattern = room.group.pattern(facts.latents());
        room.sorted.clear();
        room.sorted.resize(pattern.pairs(), 0.0);
        gather(
            pattern,
            &room.rows_of_residual,
            numbers(&decoder)?,
            columns,
            &mut room.sorted,
        );
        room.group.put(&room.sorted, &mut room.by[room.parts.pairs()]);
    }
    Ok(())
}

/// Adds the Aux-K loss, and returns whether it moved `G`.
fn add_auxk(
    room: &mut Room,
    facts: &Facts<'_>,
    input: &LossInput<'_>,
    is_dead: &Tensor,
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<bool> {
    let count = i64::try_from(is_dead.f_sum(Kind::Int64)?)?;
    if facts.size().dead_pairs_fit(facts.tokens, count) {
        room.aux = super::room::Room::default();
        dead::add_auxk(room, facts, (input.x, is_dead, count), terms, gradients)?;
        return Ok(true);
    }
    room.dead = DeadPairs::default();
    // The decoder's tiles have no use for its gradient's place any more.
    gradients.reserve("W_D", room.by_decoder.take(&facts.decoder()?)?);
    let by_encoder = room.by_encoder.take(&facts.encoder()?.f_tr()?)?;
    gradients.reserve("W_E", by_encoder.f_tr()?);
    let mut aux = std::mem::take(&mut room.aux);
    let error = |workspace: &Workspace| whole_error(room, facts, workspace);
    let found = of_dead((facts, &mut aux), (input.x, is_dead), error, terms, gradients);
    room.aux = aux;
    let Some(by_reconstruction) = found? else {
        return Ok(false);
    };
    // Every latent is one of all latents.
    for place in 0..room.residual.len() {
        room.unpack(place);
        let more = match facts.heads {
            Some(_) => by_reconstruction.f_select(1, place as i64)?.f_contiguous()?,
            None => by_reconstruction.shallow_clone(),
        };
        let sums = room.rows_of_residual.iter_mut();
        sums.zip(numbers(&more)?).for_each(|(sum, more)| *sum += more);
        room.pack(place);
    }
    Ok(true)
}

/// Returns `x̂ − y` of all latents, `(n, [heads,] d_model)`.
fn whole_error(room: &mut Room, facts: &Facts<'_>, workspace: &Workspace) -> Result<Tensor> {
    let weight = facts.prefixes.last().map_or(1.0, |prefix| prefix.weight);
    let slope = facts.error_slope(weight);
    let mut error = |place: usize| -> Result<Tensor> {
        room.unpack(place);
        let size = [facts.tokens, facts.sae.cfg.d_model];
        let mut error = workspace.empty(&size, facts.options())?;
        numbers_mut(&mut error)?.copy_from_slice(&room.rows_of_residual);
        Ok(error.f_div_scalar_(slope)?)
    };
    match facts.heads {
        Some(heads) => {
            let errors: Vec<Tensor> = (0..heads as usize).map(error).collect::<Result<_>>()?;
            Ok(Tensor::f_stack(&errors, 1)?)
        }
        None => error(facts.prefixes.len() - 1),
    }
}
