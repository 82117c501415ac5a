//! Over which numbers a step goes.

use crate::dictionary::SAEConfig;
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

/// Returns whether latents that take part can be found by themselves: in float32 on the CPU, without a gate.
pub(super) fn can_be_sparse(cfg: &SAEConfig, kind: Kind, device: Device) -> bool {
    kind == Kind::Float && device == Device::Cpu && !cfg.use_glu_encoder
}

/// Returns whether a step over the latents that take part is faster: `k` of each token where a number selects, else about
/// as large a part as the `density` of the step before. Without one nothing is known yet, and all latents it is.
pub(super) fn is_sparse(cfg: &SAEConfig, kind: Kind, device: Device, k: i64, density: Option<f64>) -> bool {
    let density = if cfg.act_fn.selects_k() {
        Some(k as f64 / cfg.d_sae() as f64)
    } else {
        density
    };
    can_be_sparse(cfg, kind, device) && density.is_some_and(|density| density < DENSE_FROM)
}

/// Returns whether the form of the next step depends on how many pairs take part in this one.
pub(super) fn depends_on_density(cfg: &SAEConfig, kind: Kind, device: Device) -> bool {
    can_be_sparse(cfg, kind, device) && !cfg.act_fn.selects_k()
}
