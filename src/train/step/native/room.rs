//! What steps that look at all latents of some tokens work in.

use super::candidates::CandidateLists;
use super::select::Selectors;
use super::zeros::Products;
use crate::tensor::Workspace;

/// Room to work in, which serves one step after the other.
#[derive(Default)]
pub(super) struct Room {
    /// For what is there until the step ends.
    pub(super) step: Workspace,
    /// For what is there until the next tokens are looked at.
    pub(super) block: Workspace,
    pub(super) selectors: Selectors,
    pub(super) lists: CandidateLists,
    pub(super) products: Products,
}
