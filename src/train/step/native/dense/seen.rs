//! What the activation function sees, in float32 on the CPU.

use super::super::facts::Facts;
use super::super::select::Selector;
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};

/// Returns what the activation function sees of `hidden_pre (n, d_sae)`, `(n, [heads ·] d_sae)`: with 0 in place of what is not
/// selected where a number selects, and once for each head. Where it is not `hidden_pre` itself, it lies in the workspace.
///
/// # Errors
/// Too little memory.
pub(super) fn seen(
    facts: &Facts<'_>,
    hidden_pre: &Tensor,
    selector: &mut Selector,
    workspace: &Workspace,
) -> Result<Tensor> {
    let size = [hidden_pre.size()[0], facts.latents() as i64];
    if facts.sae.cfg.act_fn.selects_k() {
        let room = workspace.zeros(&size, facts.options())?;
        let keep = facts.keep(facts.gate.k);
        return selector.select(hidden_pre, facts.factor.as_ref(), keep, room);
    }
    if facts.heads.is_none() {
        return Ok(hidden_pre.shallow_clone());
    }
    let all = workspace.empty(&size, facts.options())?;
    let shared = facts.for_heads(hidden_pre.shallow_clone())?;
    facts.by_head(&all)?.f_copy_(&shared)?;
    Ok(all)
}
