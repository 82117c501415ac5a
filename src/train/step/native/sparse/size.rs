//! How many pairs a step may have, how many of them are looked at at a time, and what it holds.

use super::super::dense::{Size, k_aux};
use super::super::facts::Facts;
use super::super::panels;
use super::super::places::StepLimits;
use crate::tensor::Kind;

/// Bytes of each pair of the batch: its latent, its pre-activation and its derivative; and of what is found before where the latents of
/// the batch compete.
const PAIR_BYTES: i64 = 12;
const COMPETING_BYTES: i64 = 20;
/// About what the lists take in which such pairs wait, besides those that are kept.
const WAITING_BYTES: i64 = 4 << 20;
/// Bytes of what else there is of each pair of the tokens that are looked at: its places in several orders and some numbers; and more
/// of these with penalties and thresholds.
const PART_BYTES: i64 = 36;
const PENALISED_BYTES: i64 = 48;
/// How many times there are the rows of as many dead latents as are looked at at a time: those of encoder and decoder, the gradients
/// of both, and twice in another order.
const TIMES_ROWS: i64 = 6;

impl StepLimits {
    /// Returns how many pairs are looked at at a time; `says_more`: penalties or thresholds ask for more of each.
    pub(in super::super) fn pairs_at_a_time(self, says_more: bool) -> i64 {
        (self.pairs_bytes / part_bytes(says_more)).max(1)
    }

    /// Returns of how many of `tokens` tokens the pre-activations of so many latents are computed at a time where heads share them.
    pub(in super::super) fn rows_shared(self, latents: i64, tokens: i64) -> i64 {
        let bytes = Kind::Float.elt_size_in_bytes() as i64 * latents;
        self.tokens_at_a_time(bytes, (bytes, self.most_bytes / 2), tokens)
    }
}

fn part_bytes(says_more: bool) -> i64 {
    PART_BYTES + if says_more { PENALISED_BYTES } else { 0 }
}

impl Facts<'_> {
    /// Returns what the size of the step's things depends on.
    pub(in super::super) fn size(&self) -> Size<'_> {
        Size {
            cfg: &self.sae.cfg,
            device: self.options().1,
            limits: self.limits,
            k: self.gate.k,
            k_aux: k_aux(self.settings),
        }
    }
}

impl Size<'_> {
    fn competes(self) -> bool {
        !self.cfg.act_fn.is_per_token()
    }

    fn pair_bytes(self) -> i64 {
        PAIR_BYTES + if self.competes() { COMPETING_BYTES } else { 0 }
    }

    /// Returns which part of all pairs of `tokens` tokens and a latent a step over those that take part has room for.
    pub(in super::super) fn most_of_pairs(self, tokens: i64) -> f64 {
        let most = self.limits.most_bytes;
        let room = self.room(tokens) - self.limits.pairs_bytes - self.beside_pairs(tokens);
        let pairs = room.max(most / 8) / self.pair_bytes();
        pairs as f64 / (tokens * self.heads() * self.cfg.d_sae()).max(1) as f64
    }

    /// Returns the bytes of what such a step holds besides numbers of pairs, of latents, and of the shape of the batch.
    fn beside_pairs(self, tokens: i64) -> i64 {
        let latents = self.cfg.d_sae();
        let block = match self.cfg.hooks.heads() {
            // A block of pre-activations.
            Some(_) => {
                let rows = self.limits.rows_shared(latents, tokens);
                rows * latents * Kind::Float.elt_size_in_bytes() as i64
                    + panels::bytes(self.cfg, self.device, 1) as i64
            }
            None if self.competes() => WAITING_BYTES,
            None => 0,
        };
        // A bit of each latent for each token, where pairs may have no number.
        let marked = if self.cfg.act_fn.has_thresholds() {
            tokens * latents / 8
        } else {
            0
        };
        block + marked + self.dead_bytes(tokens)
    }

    /// Returns how many pairs Aux-K goes over at most where a number selects and they have room.
    fn most_dead_pairs(self, tokens: i64) -> Option<i64> {
        let k = self.k_aux?.min(self.cfg.d_sae());
        let pairs = tokens * k;
        let fits = pairs * self.pair_bytes() <= self.limits.most_bytes / 8 * 3;
        let can_be = self.cfg.act_fn.selects_k() && self.cfg.hooks.heads().is_none();
        (can_be && fits).then_some(pairs)
    }

    /// Returns whether Aux-K goes over pairs where so many latents are dead: their rows have no room together.
    pub(in super::super) fn dead_pairs_fit(self, tokens: i64, dead: i64) -> bool {
        dead > self.dead_rows() && self.most_dead_pairs(tokens).is_some()
    }

    /// Returns of how many dead latents the rows have room together.
    fn dead_rows(self) -> i64 {
        let row = self.heads() * self.cfg.d_model * Kind::Float.elt_size_in_bytes() as i64;
        self.limits.rows_bytes / row.max(1)
    }

    /// Returns the bytes of what Aux-K holds, however many latents are dead.
    fn dead_bytes(self, tokens: i64) -> i64 {
        if self.k_aux.is_none() {
            return 0;
        }
        let pairs = self.most_dead_pairs(tokens);
        let latents = match pairs {
            Some(_) => self.cfg.d_sae().min(self.dead_rows()),
            None => self.cfg.d_sae(),
        };
        let of_token = self.heads() * latents * Kind::Float.elt_size_in_bytes() as i64;
        let rows = (of_token * self.cfg.d_model).min(self.limits.rows_bytes);
        let (all, block) = self.limits.dead_block(of_token, tokens);
        let of_pairs = pairs.map_or(0, |pairs| pairs * self.pair_bytes());
        of_pairs.max(TIMES_ROWS * rows + all * block)
    }

    /// Returns what such a step holds of so many `pairs` of `tokens` tokens, besides numbers of latents and of the shape of the batch.
    pub(in super::super) fn sparse_bytes(self, (tokens, pairs): (i64, i64), says_more: bool) -> i64 {
        let at_a_time = self.limits.pairs_at_a_time(says_more).min(pairs);
        // The encoder in short integers.
        let screened = match self.cfg.hooks.heads() {
            Some(_) => 0,
            None => self.cfg.d_sae() * self.cfg.d_model * Kind::Int16.elt_size_in_bytes() as i64,
        };
        screened + pairs * self.pair_bytes() + at_a_time * part_bytes(says_more) + self.beside_pairs(tokens)
    }
}
