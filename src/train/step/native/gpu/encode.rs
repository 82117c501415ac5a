//! The pairs of a token and a latent that take part, on the device.

use super::held::Held;
use crate::dictionary::Selection;
use crate::error::Result;
use crate::kernels::cuda::Launcher;
use crate::kernels::cuda::above::{Bounds, above};
use crate::kernels::cuda::batch::largest_of_batch;
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::encode::largest;
use crate::kernels::cuda::estimate::{Counted, Encoder};
use crate::kernels::cuda::gate::{Gate, gate};
use crate::kernels::cuda::pairs::Pairs;
use crate::tensor::Tensor;
use crate::train::step::Part;

use super::super::facts::Facts;

/// The pairs that take part.
pub(in super::super) struct Encoded {
    /// With their pre-activations as values.
    pub(super) pairs: Pairs,
    /// Those without a number.
    pub(super) bare: Option<Pairs>,
    pub(super) by_latent: ByLatent,
    /// Their activations.
    pub(super) acts: Tensor,
    /// Their latents, -1 where nothing asks for the derivative by the activation; `None`: as in `pairs`.
    pub(super) reached: Option<Tensor>,
    /// How many tokens each latent fired on, float `(d_sae)`.
    pub(super) fired: Tensor,
    /// How many pairs there are, where the form of the next step depends on it.
    pub(super) count: Option<u64>,
}

/// Finds the pairs that take part, with their activations; `None` where there are more than `most`.
///
/// # Errors
/// Too little memory; the device failed.
pub(in super::super) fn encode(
    launcher: &dyn Launcher,
    held: &mut Held,
    facts: &Facts<'_>,
    (x, most): (&Tensor, i64),
) -> Result<Option<Encoded>> {
    // Latents lie one after the other in memory, unless somebody has set the parameter otherwise.
    let weight = facts.parameter("W_E")?.f_tr()?.f_contiguous()?;
    let bias = facts.parameter("b_E")?;
    let encoder = Encoder {
        weight: &weight,
        bias: &bias,
        factor: facts.factor.as_ref(),
    };
    let counted = match held.counted.take() {
        Some(counted) => held.counted.insert(counted),
        None => held.counted.insert(Counted::new(launcher.device())?),
    };
    let encoded = match facts.selection()? {
        Selection::Largest(k) => {
            selected(launcher, facts, largest(launcher, x, &encoder, k, counted)?).map(Some)
        }
        Selection::Batch(k) => selected(
            launcher,
            facts,
            largest_of_batch(launcher, x, &encoder, k, counted)?,
        )
        .map(Some),
        Selection::Above { bounds, spans } => {
            let bounds = Bounds {
                bounds: &bounds,
                spans: spans.as_ref(),
            };
            let (count, found) = above(launcher, x, &encoder, &bounds, most, counted)?;
            match found {
                Some(found) => gated(launcher, facts, (found.pairs, found.bare), count).map(Some),
                None => Ok(None),
            }
        }
    };
    facts.laps.end(Part::Encode);
    encoded
}

/// Returns pairs that are all on.
fn selected(launcher: &dyn Launcher, facts: &Facts<'_>, pairs: Pairs) -> Result<Encoded> {
    let by_latent = ByLatent::new(launcher, &pairs, facts.latents() as i64)?;
    Ok(Encoded {
        acts: pairs.value.shallow_clone(),
        fired: by_latent.counts().shallow_clone(),
        by_latent,
        pairs,
        bare: None,
        reached: None,
        count: None,
    })
}

/// Returns `count` pairs with what the activation function makes of them.
fn gated(
    launcher: &dyn Launcher,
    facts: &Facts<'_>,
    (pairs, bare): (Pairs, Option<Pairs>),
    count: i64,
) -> Result<Encoded> {
    let latents = facts.latents() as i64;
    let by_latent = ByLatent::new(launcher, &pairs, latents)?;
    let compared = Gate {
        factor: facts.factor.as_ref(),
        threshold: facts.gate.threshold.as_ref(),
        reach: facts.gate.window / 2.0,
    };
    let gated = gate(launcher, &pairs, latents, &compared)?;
    Ok(Encoded {
        fired: by_latent.number_sums(launcher, &gated.on)?,
        by_latent,
        pairs,
        bare,
        acts: gated.activation,
        reached: Some(gated.reached),
        count: Some(count.max(0) as u64),
    })
}
