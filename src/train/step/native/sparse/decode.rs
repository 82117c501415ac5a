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
    let columns = facts.decoder()?.size()[1] as usize;
    let width = room.take_batch(facts, input)?;
    room.prepare(facts, columns)?;
    let prefixes = prefixes(facts);
    with_decoder(room, facts, width, |room, decoder| {
        for part in 0..room.parts.count() {
            room.begin(part, facts)?;
            if facts.heads.is_none() {
                // The pairs of all groups are decoded together.
                decode_part(room, (decoder, &prefixes), None);
                continue;
            }
            for (head, group) in facts.groups().into_iter().enumerate() {
                take_label_of_head(room, facts, input, (head, width))?;
                room.group.within(&room.on, group);
                decode_part(room, (decoder, &prefixes), Some(head));
            }
        }
        Ok(())
    })
}

/// Has `work` done with the decoder in tiles of this width. They lie where its gradient will, which means nothing so far.
///
/// # Errors
/// What `work` says; too little memory.
pub(super) fn with_decoder(
    room: &mut Room,
    facts: &Facts<'_>,
    width: usize,
    work: impl FnOnce(&mut Room, View<'_>) -> Result<()>,
) -> Result<()> {
    let decoder = facts.decoder()?;
    let shape = (facts.latents(), decoder.size()[1] as usize);
    let mut gradient = room.by_decoder.take(&decoder)?;
    if let Some(tiled) = View::pack(numbers(&decoder)?, shape, width, numbers_mut(&mut gradient)?) {
        return work(room, tiled);
    }
    let mut spare = std::mem::take(&mut room.decoder);
    spare.pack(numbers(&decoder)?, shape.0, shape.1, width);
    let done = work(room, spare.view());
    room.decoder = spare;
    done
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
