//! Over which numbers a step goes.

use crate::dictionary::SAEConfig;
use crate::kernels::cuda::encode::MOST_CHOSEN;
use crate::tensor::{Device, Kind};

/// Over which numbers steps go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Whichever is faster.
    #[default]
    Auto,
    /// Every latent of every token.
    Dense,
    /// The latents that take part, where there is a way to find them.
    Sparse,
}

/// From this part of all pairs on, products over all latents are faster than sums over pairs.
const DENSE_FROM: f64 = 0.12;

/// The same where these products pass over latents that are off: with AVX2, steps of relu take equally long at an L0 of 450 to
/// 500 of 6,144.
const DENSE_OVER_ZEROS_FROM: f64 = 0.075;

/// What a pair takes that has no number, of what one takes that has one: it is only summed up.
pub(super) const BARE: f64 = 1.0 / 6.0;

/// Where of all pairs more than this part take part, our own kernels for GPUs make no room for them, whatever was expected.
const NO_ROOM_FROM: f64 = 2.0 * DENSE_FROM;

/// The format and the device that the processor's kernels are for.
pub(super) const PLAIN: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Returns whether latents that take part can be found by themselves: in float32 on the CPU, without a gate.
pub(super) fn can_be_sparse(cfg: &SAEConfig, kind: Kind, device: Device) -> bool {
    (kind, device) == PLAIN && !cfg.use_glu_encoder
}

/// Returns the part of all pairs that is expected to take part: `k` of each token where a number selects, else about as large
/// a part as the `density` of the step before. Without one nothing is known yet.
fn expected(cfg: &SAEConfig, k: i64, density: Option<f64>) -> Option<f64> {
    if cfg.act_fn.selects_k() {
        Some(k as f64 / cfg.d_sae() as f64)
    } else {
        density
    }
}

/// Returns whether a step over the latents that take part is faster, as far as is known, and has room, which it has for the part
/// `most` of all pairs; all latents it is where nothing is known. `passes` says whether products over all latents pass over those
/// that are off.
pub(super) fn is_sparse(
    cfg: &SAEConfig,
    (kind, device): (Kind, Device),
    (k, density): (i64, Option<f64>),
    (passes, most): (bool, f64),
) -> bool {
    let density = expected(cfg, k, density);
    let dense_from = if passes && !cfg.act_fn.selects_k() {
        DENSE_OVER_ZEROS_FROM
    } else {
        DENSE_FROM
    };
    can_be_sparse(cfg, kind, device) && density.is_some_and(|density| density < dense_from.min(most))
}

/// Returns up to which number a step goes over the latents that take part, where a number selects and that can be, with room for the
/// part `most` of all pairs.
pub(super) fn most_sparse(cfg: &SAEConfig, most: f64) -> i64 {
    (DENSE_FROM.min(most) * cfg.d_sae() as f64).ceil() as i64 - 1
}

/// The bytes of all copies of matrices that products of a step read together: decoder rows where they pass over zeros, and panels.
pub(super) const MOST_COPIED: i64 = 128 << 20;

/// Returns whether products over zeros may hold a copy of so many rows.
pub(super) fn can_be_copied(latents: i64, columns: i64) -> bool {
    latents * columns * PLAIN.0.elt_size_in_bytes() as i64 <= MOST_COPIED
}

/// Returns whether products over all latents can pass over those that are off: in float32 on the CPU, where all latents
/// reconstruct together, without heads, and the decoder is not too large to be copied.
pub(super) fn passes_over_zeros(cfg: &SAEConfig, kind: Kind, device: Device) -> bool {
    let is_one = can_be_copied(cfg.d_sae(), cfg.d_model) && cfg.variant.prefixes(cfg).len() == 1;
    is_one && (kind, device) == PLAIN && cfg.hooks.heads().is_none()
}

/// Returns for how many bytes of panels a step over all latents has room.
pub(super) fn room_for_panels(cfg: &SAEConfig, kind: Kind, device: Device) -> i64 {
    let copied = if passes_over_zeros(cfg, kind, device) {
        cfg.d_sae() * cfg.d_model * PLAIN.0.elt_size_in_bytes() as i64
    } else {
        0
    };
    MOST_COPIED - copied
}

/// Returns whether the form of the next step depends on how many pairs take part in this one.
pub(super) fn depends_on_density(cfg: &SAEConfig, kind: Kind, device: Device, has_kernels: bool) -> bool {
    (has_kernels || can_be_sparse(cfg, kind, device)) && !cfg.act_fn.selects_k()
}

/// Returns whether our own kernels for GPUs, which are there, go over the latents that take part: always where they can and a
/// number selects of each token, else where fewer than about as many pairs take part as on the CPU.
pub(super) fn is_by_kernels(cfg: &SAEConfig, form: Form, k: i64, density: Option<f64>) -> bool {
    if cfg.act_fn.selects_k() && cfg.act_fn.is_per_token() {
        return k <= MOST_CHOSEN;
    }
    match form {
        Form::Dense => false,
        Form::Sparse => true,
        Form::Auto => expected(cfg, k, density).is_some_and(|density| density < DENSE_FROM),
    }
}

/// Returns for how many of `all` pairs our own kernels for GPUs make room.
pub(super) fn most_pairs(form: Form, all: i64) -> i64 {
    match form {
        Form::Sparse => all,
        Form::Auto | Form::Dense => (all as f64 * NO_ROOM_FROM) as i64,
    }
}
