//! Soft counts of activations.

use super::tanh::tanh;
use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes};
use crate::native::parallel::{Shared, for_ranges};

/// How many numbers are worth a thread.
const GRAIN: usize = 1 << 14;

/// Writes `tanh(stretch · act · norm)` of each activation, whose latent's norm stands at the same place.
///
/// # Panics
/// Panics where lengths do not agree.
pub fn soft_counts(acts: &[f32], norm: &[f32], stretch: f32, soft: &mut [f32]) {
    soft_counts_in(Isa::chosen(), acts, norm, stretch, soft);
}

/// Does what [`soft_counts`] does in a set of instructions.
pub(super) fn soft_counts_in(isa: Isa, acts: &[f32], norm: &[f32], stretch: f32, soft: &mut [f32]) {
    assert!(
        acts.len() == norm.len() && acts.len() == soft.len(),
        "every activation has a norm and a place"
    );
    let soft = Shared::new(soft);
    for_ranges(acts.len(), GRAIN, |range| {
        let part = Part {
            acts: &acts[range.clone()],
            norm: &norm[range.clone()],
            stretch,
            // SAFETY: the ranges do not overlap.
            soft: unsafe { soft.part(range) },
        };
        lanes::run(isa, part);
    });
}

/// The numbers of one thread.
struct Part<'a> {
    acts: &'a [f32],
    norm: &'a [f32],
    stretch: f32,
    soft: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let stretch = lanes.splat(self.stretch);
        let numbers = self.acts.chunks(GROUP).zip(self.norm.chunks(GROUP));
        for ((acts, norm), soft) in numbers.zip(self.soft.chunks_mut(GROUP)) {
            let weighted = lanes.mul(lanes.load_part(acts), lanes.load_part(norm));
            lanes.store_part(tanh(lanes, lanes.mul(stretch, weighted)), soft);
        }
    }
}
