//! How many pairs a step may have, how many of them are looked at at a time, and what it holds.

use super::super::dense::{Size, k_aux};
use super::super::facts::Facts;
use super::super::panels;
use super::super::places::StepLimits;
use crate::kernels::screen::{self, Keep};
use crate::native::parallel::threads;
use crate::tensor::Kind;

/// Bytes of each pair of the batch: its latent, its pre-activation and its derivative; and of what is found before where the latents of
/// the batch compete.
const PAIR_BYTES: i64 = 12;
const COMPETING_BYTES: i64 = 20;
/// About what the lists take in which such pairs wait, besides those that are kept.
const WAITING_BYTES: i64 = 4 << 20;
/// Bytes of what else there is of each pair of the tokens that are looked at: its places in several orders and some numbers; and more
/// of these with penalties and thresholds.
const PART_BYTES: i64 = 44;
const PENALISED_BYTES: i64 = 48;
/// How many times less than their lists what threads have found and not handed on yet takes: two blocks of rows, a quarter of each list.
const FOUND_OF_LISTS: i64 = 2;
/// How many tensors of the batch's shape Aux-K over pairs has: what should come out, and the derivative by what does.
const TENSORS_OF_DEAD_PAIRS: i64 = 2;
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

/// Returns the bytes of lists and of what threads have found in them.
fn with_found(lists: i64) -> i64 {
    lists / FOUND_OF_LISTS * (FOUND_OF_LISTS + 1)
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
            every_over: self.settings.every_over(),
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
        // The most that lists may be, so that the form of a step does not depend on the number of threads.
        let lists = match self.cfg.hooks.heads() {
            Some(_) => 0,
            None => with_found(screen::LISTS_BYTES as i64),
        };
        let room = self.room(tokens) - self.limits.pairs_bytes - self.beside_pairs(tokens) - lists;
        // Pairs have an eighth whatever else there is, unless bits alone take a quarter.
        let least = most / 8 * i64::from(self.marked_bytes(tokens) <= most / 4);
        let pairs = room.max(least) / self.pair_bytes();
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
        block + self.marked_bytes(tokens) + self.dead_bytes(tokens)
    }

    /// Returns the bytes of the lists that threads have while they screen.
    fn lists_bytes(self, tokens: i64) -> i64 {
        if self.cfg.hooks.heads().is_some() {
            return 0;
        }
        let keep = match (self.cfg.act_fn.selects_k(), self.competes()) {
            (false, _) => Keep::Above(&[]),
            (true, false) => Keep::Largest(self.k as usize),
            (true, true) => Keep::Batch((self.k * tokens) as usize),
        };
        let size = [self.cfg.d_model, self.cfg.d_sae(), tokens];
        screen::lists_bytes(keep, size.map(|size| size as usize)) as i64
    }

    /// Returns the bytes of a bit of each latent for each token, where pairs may have no number.
    fn marked_bytes(self, tokens: i64) -> i64 {
        let can_be = self.cfg.act_fn.has_thresholds() && self.cfg.sparsity_include_decoder_norm;
        if can_be && self.every_over && self.cfg.hooks.heads().is_none() {
            tokens * self.cfg.d_sae() / 8
        } else {
            0
        }
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
        // Pre-activations that are kept from one pass to the next.
        let kept = match tokens * of_token {
            kept if self.competes() && kept <= self.limits.kept_bytes / 4 => kept,
            _ => 0,
        };
        let of_batch = tokens * self.cfg.d_model * Kind::Float.elt_size_in_bytes() as i64;
        let of_pairs = pairs.map_or(0, |pairs| {
            pairs * self.pair_bytes() + TENSORS_OF_DEAD_PAIRS * of_batch
        });
        of_pairs.max(TIMES_ROWS * rows + all * block + kept)
    }

    /// Returns what such a step holds of so many `pairs` of `tokens` tokens, besides numbers of latents and of the shape of the batch.
    pub(in super::super) fn sparse_bytes(self, (tokens, pairs): (i64, i64), says_more: bool) -> i64 {
        let at_a_time = self.limits.pairs_at_a_time(says_more).min(pairs);
        // The encoder in short integers.
        let screened = match self.cfg.hooks.heads() {
            Some(_) => 0,
            None => self.cfg.d_sae() * self.cfg.d_model * Kind::Int16.elt_size_in_bytes() as i64,
        };
        let by_latent = threads() as i64 * self.cfg.d_sae() * size_of::<u32>() as i64;
        let of_threads = with_found(self.lists_bytes(tokens)) + by_latent;
        let of_pairs = pairs * self.pair_bytes() + at_a_time * part_bytes(says_more);
        screened + of_pairs + of_threads + self.beside_pairs(tokens)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::places::StepLimits;
    use super::*;
    use crate::config::from_value;
    use crate::dictionary::SAEConfig;
    use crate::tensor::Device;

    fn cfg(act_fn: &str, (d_model, d_sae): (i64, i64)) -> SAEConfig {
        let cfg = json!({
            "hook_point_in": "in", "hook_point_out": "in", "d_model": d_model, "d_sae": d_sae,
            "act_fn": act_fn, "top_k": 50,
        });
        from_value(cfg).expect("a valid configuration")
    }

    fn size(cfg: &SAEConfig, k: i64) -> Size<'_> {
        Size {
            cfg,
            device: Device::Cpu,
            limits: StepLimits::default(),
            k,
            k_aux: None,
            every_over: cfg.act_fn.has_thresholds(),
        }
    }

    #[test]
    fn bits_that_have_no_room_leave_none_for_pairs() {
        let cfg = cfg("jumprelu", (256, 262_144));
        assert!(size(&cfg, 0).most_of_pairs(1024) > 50.0 / 262_144.0);
        assert_eq!(size(&cfg, 0).most_of_pairs(16_384), 0.0);
        let all = Size {
            every_over: false,
            ..size(&cfg, 0)
        };
        assert!(all.most_of_pairs(16_384) > 0.0);
    }

    #[test]
    fn lists_have_a_bound_whatever_the_number_that_is_selected() {
        for (d_model, d_sae) in [(768, 65_536), (256, 262_144), (4096, 1_000_000)] {
            let cfg = cfg("topk", (d_model, d_sae));
            for k in [1, 50, 1000, 30_000] {
                let bytes = size(&cfg, k).lists_bytes(4096);
                // One tile of rows a thread has at least.
                let tile = threads() as i64 * 12 * (4 * k + 1024) * 8;
                assert!(
                    bytes > 0 && bytes <= (screen::LISTS_BYTES as i64).max(tile),
                    "{k}: {bytes}"
                );
            }
        }
    }
}
