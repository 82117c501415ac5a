//! Decoding the pairs that are on, and what comes back to them.

use super::super::facts::Facts;
use super::room::Room;
use crate::dictionary::LossInput;
use crate::error::Result;
use crate::kernels::residual::{Batch, Errors, Prefix, residual};
use crate::kernels::tiles::View;
use crate::tensor::slices::{numbers, numbers_mut};

/// Computes `G` in tiles, the squared errors, and the derivatives by the activations; part after part, and of each head by itself.
///
/// # Errors
/// Too little memory.
pub(super) fn decode(room: &mut Room, facts: &Facts<'_>, input: &LossInput<'_>) -> Result<()> {
    let decoder = facts.decoder()?;
    let columns = decoder.size()[1] as usize;
    let width = room.take_batch(facts, input)?;
    room.prepare(facts, columns)?;
    // The gradient's place is free until the reconstruction is known.
    let mut gradient = room.by_decoder.take(&decoder)?;
    let shape = (facts.latents(), columns);
    let mut spare = std::mem::take(&mut room.decoder);
    let tiled = match View::pack(numbers(&decoder)?, shape, width, numbers_mut(&mut gradient)?) {
        Some(tiled) => tiled,
        None => {
            spare.pack(numbers(&decoder)?, shape.0, columns, width);
            spare.view()
        }
    };
    let prefixes = prefixes(facts);
    for part in 0..room.parts.count() {
        room.begin(part, facts)?;
        match facts.heads {
            Some(_) => {
                for (head, group) in facts.groups().into_iter().enumerate() {
                    take_label_of_head(room, facts, input, (head, width))?;
                    room.group.within(&room.on, group);
                    decode_part(room, (tiled, &prefixes), Some(head));
                }
            }
            // The pairs of all groups are decoded together.
            None => decode_part(room, (tiled, &prefixes), None),
        }
    }
    room.decoder = spare;
    Ok(())
}

/// Puts what a head should reconstruct into tiles.
fn take_label_of_head(
    room: &mut Room,
    facts: &Facts<'_>,
    input: &LossInput<'_>,
    (head, width): (usize, usize),
) -> Result<()> {
    let size = [facts.tokens, facts.sae.cfg.d_model];
    let label = room.label_of_head.take_sized(&size, facts.options())?;
    let label = facts.label_of_head(input, head, label)?;
    room.label
        .pack(numbers(&label)?, size[0] as usize, size[1] as usize, width);
    Ok(())
}

/// Decodes the pairs of a part that are on, or those of a head of them.
fn decode_part(room: &mut Room, (decoder, prefixes): (View<'_>, &[Prefix]), head: Option<usize>) {
    let pairs = match head {
        Some(_) => &room.group,
        None => &room.on,
    };
    let (head, tokens) = (head.unwrap_or(0), room.parts.tokens());
    let (residuals, columns) = (prefixes.len(), decoder.columns());
    let squared = residuals * room.label.rows();
    pairs.take(&room.acts, &mut room.some);
    room.sorted.clear();
    room.sorted.resize(room.some.len(), 0.0);
    residual(
        Batch {
            pattern: pairs.pattern(decoder.rows()),
            tokens: (tokens.start, tokens.end),
            activation: &room.some,
            decoder,
            bias: &room.bias[head * columns..][..columns],
            label: &room.label,
            scale: &room.scale,
            prefixes,
        },
        Errors {
            residual: &mut room.residual[head * residuals..][..residuals],
            squared: &mut room.squared[head * squared..][..squared],
            dots: Some(&mut room.sorted),
        },
    );
    pairs.put(&room.sorted, &mut room.by[room.parts.pairs()]);
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
