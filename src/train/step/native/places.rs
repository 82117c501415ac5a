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
/// Bytes that the few tensors of a block's size come to at most, however many latents there are.
const BLOCKS_MOST: i64 = 256 << 20;
const BLOCKS: i64 = 3;

/// Returns how many of `tokens` tokens with so many bytes of pre-activations are taken at a time on a CPU, so that these stay in
/// its caches, and where they cannot take little memory.
pub(super) fn tokens_at_a_time(bytes: i64, tokens: i64) -> i64 {
    let bytes = bytes.max(1);
    let least = BLOCK_LEAST.min(BLOCKS_MOST / BLOCKS / bytes);
    (BLOCK_BYTES / bytes).max(least).clamp(1, tokens.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_latents_the_fewer_tokens_at_a_time() {
        let of = |latents: i64, tokens: i64| tokens_at_a_time(4 * latents, tokens);
        assert_eq!(of(6144, 4096), 512);
        assert_eq!(of(6144, 100), 100);
        assert_eq!(of(65_536, 4096), 256);
        assert_eq!(of(262_144, 4096), 85);
        assert_eq!(of(1_000_000, 4096), 22);
        assert_eq!(of(1 << 40, 4096), 1);
        assert_eq!(of(0, 0), 1);
        for latents in [100_000, 262_144, 1_000_000, 10_000_000] {
            assert!(
                of(latents, 4096) * 4 * latents * BLOCKS <= BLOCKS_MOST,
                "{latents}"
            );
        }
    }
}
