//! Where the tensors of a step lie, and of how many tokens they are at a time.

use crate::tensor::Workspace;

/// What steps work in, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// For what is there until the step ends.
    pub(super) step: &'a Workspace,
    /// For what is there until the next tokens are looked at; where all are looked at together, the same.
    pub(super) block: &'a Workspace,
}

/// Bytes of the pre-activations of the tokens that are taken at a time on a CPU, and the fewest tokens that products are
/// still fast for.
const BLOCK_BYTES: i64 = 12 << 20;
const BLOCK_LEAST: i64 = 256;

/// Returns how many of `tokens` tokens with so many bytes of pre-activations are taken at a time on a CPU, so that these stay in
/// its caches.
pub(super) fn tokens_at_a_time(bytes: i64, tokens: i64) -> i64 {
    (BLOCK_BYTES / bytes.max(1)).max(BLOCK_LEAST).min(tokens.max(1))
}
