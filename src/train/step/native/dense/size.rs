//! How many tokens are taken at a time, and what is held of them.

use super::super::form;
use super::super::panels;
use super::super::places::StepLimits;
use crate::dictionary::{LossSettings, SAEConfig};
use crate::tensor::Device;

/// About how many tensors of the size of the pre-activations a step holds at its height where it goes by operations on tensors, and
/// where kernels work in place: pre-activations, activations, the derivative by them.
const TENSORS: i64 = 8;
const TENSORS_OF_KERNELS: i64 = 3;
/// How many more there are where what the activation function sees lies by itself, where the encoder has a gate, and with Aux-K.
const TENSORS_SEEN: i64 = 1;
const TENSORS_OF_GATE: i64 = 4;
const TENSORS_OF_AUXK: i64 = 3;
/// Bytes of a pair of a token and a latent that is selected: which and what it is, where a thread finds it and where all are brought
/// together.
const SELECTED_BYTES: i64 = 16;
/// About how many numbers of each latent a step holds, with penalties and thresholds.
const VECTORS: i64 = 30;

/// What is kept of all tokens for another pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Keeping {
    /// Nothing: they are encoded again.
    Nothing,
    /// What the encoder makes of them.
    Whole,
    /// What of that may be selected, where the latents of the batch compete.
    Candidates,
}

/// What the size of things depends on.
#[derive(Clone, Copy)]
pub(in super::super) struct Size<'a> {
    pub(in super::super) cfg: &'a SAEConfig,
    pub(in super::super) device: Device,
    pub(in super::super) limits: StepLimits,
    /// How many latents of a token are selected where a number selects.
    pub(in super::super) k: i64,
    /// How many dead latents at most, where there is Aux-K ([`k_aux`]).
    pub(in super::super) k_aux: Option<i64>,
    /// A threshold penalty asks which latents are over their thresholds.
    pub(in super::super) every_over: bool,
}

impl Size<'_> {
    /// Returns how many of `tokens` tokens are taken at a time. On a GPU, where caches play no part, it is as many as a tensor of their
    /// pre-activations has room for, or all where the latents of the batch compete.
    pub(in super::super) fn rows_at_a_time(self, tokens: i64) -> i64 {
        let bytes = self.token_bytes() * self.heads();
        if self.device != Device::Cpu {
            let most = if self.cfg.act_fn.is_per_token() {
                self.limits.most_bytes / bytes.max(1)
            } else {
                tokens
            };
            return most.clamp(1, tokens.max(1));
        }
        let room = self.room(tokens) - self.copied_bytes();
        self.limits
            .tokens_at_a_time(bytes, (self.block_bytes(1), room), tokens)
    }

    /// Returns what is kept of `tokens` tokens from one pass to the next, and its bytes.
    pub(in super::super) fn keeping(self, tokens: i64) -> (Keeping, i64) {
        // With a gate, what it lets through and how far it is open too.
        let tensors = if self.cfg.use_glu_encoder { 3 } else { 1 };
        let whole = tensors * tokens * self.token_bytes();
        let pairs = self.selected() * tokens * self.heads();
        let listed = pairs * pair_bytes(self.cfg.use_glu_encoder);
        let competes = !self.cfg.act_fn.is_per_token() && self.is_plain();
        let most = self.kept_bytes(tokens);
        if whole <= most {
            (Keeping::Whole, whole)
        } else if competes && listed <= most {
            (Keeping::Candidates, listed)
        } else {
            (Keeping::Nothing, 0)
        }
    }

    /// Returns how many bytes may be kept of `tokens` tokens.
    pub(in super::super) fn kept_bytes(self, tokens: i64) -> i64 {
        let block = self.block_bytes(self.rows_at_a_time(tokens));
        let room = self.room(tokens) - self.copied_bytes() - block;
        room.min(self.limits.kept_bytes)
    }

    /// Returns how many latents of a token are selected at most, dead ones with the others.
    fn selected(self) -> i64 {
        let of_dead = self.k_aux.map_or(0, |k| k.min(self.cfg.d_sae()));
        self.k.min(self.cfg.d_sae()) + of_dead
    }

    /// Returns about how many bytes a step holds at its height of so many tokens that are taken at a time.
    pub(in super::super) fn block_bytes(self, rows: i64) -> i64 {
        let of_tensors = self.tensors() * self.token_bytes() * self.heads();
        let selected = if self.cfg.act_fn.selects_k() && self.is_plain() {
            self.selected() * self.heads() * SELECTED_BYTES
        } else {
            0
        };
        rows * (of_tensors + selected)
    }

    /// Returns about how many tensors of the size of the pre-activations there are at a time.
    fn tensors(self) -> i64 {
        if !self.is_plain() {
            return TENSORS;
        }
        let seen = self.cfg.act_fn.selects_k() || self.cfg.hooks.heads().is_some();
        let more = [
            (seen, TENSORS_SEEN),
            (self.cfg.use_glu_encoder, TENSORS_OF_GATE),
            (self.k_aux.is_some(), TENSORS_OF_AUXK),
        ];
        let more = more.iter().filter(|(is_there, _)| *is_there);
        TENSORS_OF_KERNELS + more.map(|(_, tensors)| tensors).sum::<i64>()
    }

    /// Returns the bytes of the copies of matrices that products read: decoder rows where they pass over zeros, and panels.
    pub(in super::super) fn copied_bytes(self) -> i64 {
        let (cfg, kind) = (self.cfg, self.cfg.dtype.kind());
        let tiles = if form::passes_over_zeros(cfg, kind, self.device) {
            cfg.d_model * self.token_bytes()
        } else {
            0
        };
        let matrices = panels::matrices(cfg, (self.k, self.k_aux.is_some()), self.device);
        tiles + panels::bytes(cfg, self.device, matrices) as i64
    }

    /// Returns the bytes of what a step holds of each latent, and of a batch's shape besides the batches themselves.
    pub(in super::super) fn other_bytes(self, tokens: i64) -> i64 {
        let width = self.cfg.dtype.kind().elt_size_in_bytes() as i64;
        let of_batch = tokens * self.cfg.d_model * self.heads() * width;
        of_batch + VECTORS * self.token_bytes() * self.heads()
    }

    /// Returns the bytes that all else may have: with little of what each token and each latent has, so much less than the most.
    pub(in super::super) fn room(self, tokens: i64) -> i64 {
        let most = self.limits.most_bytes;
        (most - self.other_bytes(tokens)).max(most / 4 * 3)
    }

    fn is_plain(self) -> bool {
        (self.cfg.dtype.kind(), self.device) == form::PLAIN
    }

    pub(in super::super) fn heads(self) -> i64 {
        self.cfg.hooks.heads().unwrap_or(1)
    }

    /// Returns the bytes of the pre-activations of a token, which heads share.
    fn token_bytes(self) -> i64 {
        self.cfg.d_sae() * self.cfg.dtype.kind().elt_size_in_bytes() as i64
    }
}

/// Returns how many dead latents of a token are selected at most, where there is Aux-K.
pub(in super::super) fn k_aux(settings: &LossSettings) -> Option<i64> {
    (settings.auxk_coefficient > 0.0).then_some(settings.k_aux)
}

/// Returns the bytes of a pair that is listed: which latent it is of, and what its pre-activation is; with a gate what that lets
/// through and how far it is open too.
pub(super) fn pair_bytes(has_gate: bool) -> i64 {
    if has_gate { 16 } else { 8 }
}
