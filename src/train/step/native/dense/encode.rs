//! Encoding, and what comes back through it.

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::panels::Stays;
use super::super::places::Places;
use super::zeros::OverZeros;
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};
use crate::train::step::Part;

/// What the encoder makes of some tokens.
pub(super) struct Encoded {
    /// Pre-activations `h (n, d_sae)`, which heads share.
    pub(super) hidden_pre: Tensor,
    /// `x W_E + b_E` and the gate's value, where the encoder has a gate.
    pub(super) gated: Option<(Tensor, Tensor)>,
}

impl Encoded {
    /// Returns all there is.
    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        let gated = self.gated.iter().flat_map(|(linear, gate)| [linear, gate]);
        std::iter::once(&self.hidden_pre).chain(gated).collect()
    }

    /// Returns all there is, to be written.
    pub(super) fn tensors_mut(&mut self) -> Vec<&mut Tensor> {
        let gated = self.gated.iter_mut().flat_map(|(linear, gate)| [linear, gate]);
        std::iter::once(&mut self.hidden_pre).chain(gated).collect()
    }
}

/// Encodes the tokens `x`; what comes out lies in the workspace.
///
/// # Errors
/// Too little memory.
pub(super) fn encode(facts: &Facts<'_>, x: &Tensor, workspace: &Workspace) -> Result<Encoded> {
    let linear = |matrix: &Tensor, bias: &Tensor| -> Result<Tensor> {
        facts.product_in(workspace, x, (matrix, Stays::Step), Some(bias))
    };
    let mut hidden_pre = linear(&facts.encoder()?, &facts.encoder_bias()?)?;
    let mut gated = None;
    if facts.sae.cfg.use_glu_encoder {
        let gate = linear(&facts.parameter("W_E_glu")?, &facts.parameter("b_E_glu")?)?.f_sigmoid_()?;
        let opened = workspace.times(&hidden_pre, &gate)?;
        gated = Some((std::mem::replace(&mut hidden_pre, opened), gate));
    }
    facts.laps.end(Part::Encode);
    Ok(Encoded { hidden_pre, gated })
}

/// Adds the gradients of the encoder from the derivative by its pre-activations, `(n, [heads ·] d_sae)`; by products over zeros,
/// where they are faster.
///
/// # Errors
/// Too little memory.
pub(super) fn encoder(
    facts: &Facts<'_>,
    places: Places<'_>,
    (x, encoded): (&Tensor, &Encoded),
    by_pre: Tensor,
    mut zeros: Option<&mut OverZeros<'_>>,
    gradients: &mut Gradients,
) -> Result<()> {
    let mut linear = |by_pre: &Tensor, matrix: &'static str, bias: &'static str| -> Result<()> {
        if let Some(zeros) = &mut zeros {
            return zeros.encoder(facts, x, by_pre, (matrix, bias), gradients);
        }
        gradients.add_product((facts, places.step), matrix, &x.f_tr()?, by_pre)?;
        gradients.add_bias(facts, bias, by_pre)
    };
    let Some((linear_pre, gate)) = &encoded.gated else {
        let together = facts.over_heads(places.block, facts.by_head(&by_pre)?)?;
        return linear(&together, "W_E", "b_E");
    };
    linear(&places.block.times(&by_pre, gate)?, "W_E", "b_E")?;
    // σ' = σ (1 − σ)
    let mut slope = places
        .block
        .copy(gate)?
        .f_neg_()?
        .f_add_scalar_(1.0)?
        .f_mul_(gate)?;
    linear(&slope.f_mul_(linear_pre)?.f_mul_(&by_pre)?, "W_E_glu", "b_E_glu")
}
