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

/// About how many tensors of the size of the pre-activations of dead latents there are at a time.
const DEAD_TENSORS: i64 = 4;

/// How much a step on a CPU holds of what it computes of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLimits {
    /// Bytes of the pre-activations of the tokens that are taken at a time.
    pub block_bytes: i64,
    /// The fewest tokens that are taken at a time whatever their bytes.
    pub block_tokens: i64,
    /// Bytes that the few tensors of a block's size, what is kept of all tokens, copies of matrices (which have a limit of their own),
    /// what there is of each latent and a tensor of the batch's shape should come to together; three quarters are always there.
    pub most_bytes: i64,
    /// Bytes up to which something is kept of all tokens for another pass, where they come some at a time.
    pub kept_bytes: i64,
    /// Bytes of what is known of pairs of a token and a latent besides what they are, where steps go over those that take part.
    pub pairs_bytes: i64,
    /// Bytes of the rows of a matrix that are brought together of dead latents, where those are not all latents.
    pub rows_bytes: i64,
}

impl Default for StepLimits {
    /// Returns limits with which blocks stay in a processor's caches, have enough tokens for fast products, and take little memory.
    fn default() -> Self {
        Self {
            block_bytes: 12 << 20,
            block_tokens: 256,
            most_bytes: 256 << 20,
            kept_bytes: 128 << 20,
            pairs_bytes: 64 << 20,
            rows_bytes: 8 << 20,
        }
    }
}

impl StepLimits {
    /// Returns how many of `tokens` tokens with so many `bytes` of pre-activations are taken at a time, where all that is held of one
    /// are `all` bytes, for which there is this `room`.
    pub(super) fn tokens_at_a_time(self, bytes: i64, (all, room): (i64, i64), tokens: i64) -> i64 {
        let most = room / all.max(1);
        let cached = self.block_bytes / bytes.max(1);
        cached.max(self.block_tokens).min(most).clamp(1, tokens.max(1))
    }

    /// Returns the bytes that are held of a token of whose dead latents the pre-activations are so many `bytes`, and how many of
    /// `tokens` tokens are taken at a time.
    pub(super) fn dead_block(self, bytes: i64, tokens: i64) -> (i64, i64) {
        let all = DEAD_TENSORS * bytes;
        (
            all,
            self.tokens_at_a_time(bytes, (all, self.most_bytes / 4), tokens),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_latents_the_fewer_tokens_at_a_time() {
        let limits = StepLimits::default();
        let of = |latents: i64, tokens: i64| {
            let bytes = 4 * latents;
            limits.tokens_at_a_time(bytes, (3 * bytes, limits.most_bytes), tokens)
        };
        assert_eq!(of(6144, 4096), 512);
        assert_eq!(of(6144, 100), 100);
        assert_eq!(of(65_536, 4096), 256);
        assert_eq!(of(262_144, 4096), 85);
        assert_eq!(of(1_000_000, 4096), 22);
        assert_eq!(of(1 << 40, 4096), 1);
        assert_eq!(of(0, 0), 1);
        assert_eq!(
            limits.tokens_at_a_time(1 << 18, (1 << 21, limits.most_bytes), 4096),
            128
        );
        for latents in [100_000, 262_144, 1_000_000, 10_000_000] {
            assert!(
                of(latents, 4096) * 4 * latents * 3 <= limits.most_bytes,
                "{latents}"
            );
        }
    }
}
