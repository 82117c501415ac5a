//! What stays on the device from step to step.

use crate::kernels::cuda::estimate::Counted;
use crate::kernels::cuda::prefixes::Prefixes;

/// What is on the device from step to step.
#[derive(Default)]
pub(in super::super) struct Held {
    /// The prefixes that reconstruct.
    pub(super) prefixes: Option<Prefixes>,
    /// How screening went since that was asked for.
    pub(in super::super) counted: Option<Counted>,
}
