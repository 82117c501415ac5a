//! Where the tensors of a step lie.

use crate::tensor::Workspace;

/// What steps work in, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// For what is there until the step ends.
    pub(super) step: &'a Workspace,
    /// For what is there until the next tokens are looked at; where all are looked at together, the same.
    pub(super) block: &'a Workspace,
}
