//! Decoding the pairs that are on, and what comes back to them.

use super::super::facts::Facts;
use super::room::Room;
use crate::dictionary::LossInput;
use crate::error::Result;
use crate::kernels::residual::{Batch, Errors, Prefix, residual};
use crate::kernels::tiles::View;
use crate::tensor::slices::{numbers, numbers_mut};

/// Computes `G` in tiles, the squared errors, and the derivatives by the activations; of each head by itself.
///
/// # Errors
/// Too little memory.
pub(super) fn decode(room: &mut Room, facts: &Facts<'_>, input: &LossInput<'_>) -> Result<()> {
    let (tokens, latents) = (facts.tokens as usize, facts.latents());
    let decoder = facts.decoder()?;
    let columns = decoder.size()[1] as usize;
    let width = room.take_batch(facts, input)?;
    room.prepare(facts, columns)?;
    // The gradient's place is free until the reconstruction is known.
    let mut gradient = room.by_decoder.take(&decoder)?;
    let shape = (latents, columns);
    let tiled = match View::pack(numbers(&decoder)?, shape, width, numbers_mut(&mut gradient)?) {
        Some(tiled) => tiled,
        None => {
            room.decoder.pack(numbers(&decoder)?, latents, columns, width);
            room.decoder.view()
        }
    };
    let (groups, prefixes) = (facts.groups(), prefixes(facts));
    let (residuals, squared) = (prefixes.len(), prefixes.len() * tokens);
    // Without heads, the pairs of all groups are decoded together.
    for (head, group) in groups.into_iter().step_by(residuals).enumerate() {
        let mut pairs = &room.on;
        if facts.heads.is_some() {
            let label = room
                .label_of_head
                .take_sized(&[facts.tokens, columns as i64], facts.options())?;
            let label = facts.label_of_head(input, head, label)?;
            room.label.pack(numbers(&label)?, tokens, columns, width);
            room.group.within(&room.on, group);
            pairs = &room.group;
        }
        pairs.take(&room.acts, &mut room.some);
        room.sorted.clear();
        room.sorted.resize(room.some.len(), 0.0);
        residual(
            Batch {
                pattern: pairs.pattern(latents),
                activation: &room.some,
                decoder: tiled,
                bias: &room.bias[head * columns..][..columns],
                label: &room.label,
                scale: &room.scale,
                prefixes: &prefixes,
            },
            Errors {
                residual: &mut room.residual[head * residuals..][..residuals],
                squared: &mut room.squared[head * squared..][..squared],
                dots: Some(&mut room.sorted),
            },
        );
        pairs.put(&room.sorted, &mut room.by_acts);
    }
    Ok(())
}

/// Returns the prefixes that reconstruct; in a head one, of all latents.
fn prefixes(facts: &Facts<'_>) -> Vec<Prefix> {
    let prefix = |prefix: &crate::dictionary::Prefix| Prefix {
        latents: match facts.heads {
            Some(_) => facts.latents() as u32,
            None => prefix.latents as u32,
        },
        weight: prefix.weight as f32,
    };
    facts.prefixes.iter().map(prefix).collect()
}
