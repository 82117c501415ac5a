//! Some neighbouring latents, and how rows of numbers are walked over.

use std::ops::Range;

use super::Latents;
use crate::kernels::lanes::Lanes;

/// How many latents are taken at a time.
pub const STRIP: usize = 512;

/// A number for each latent of a strip.
pub type Numbers = [f32; STRIP];

/// What is known of the latents of a strip, with numbers that change nothing where there are none.
pub struct Strip {
    pub range: Range<usize>,
    pub norm: Numbers,
    pub factor: Numbers,
    pub divisor: Numbers,
    pub threshold: Numbers,
}

impl Strip {
    /// Returns the strip of that number.
    pub fn new(latents: &Latents<'_>, number: usize) -> Self {
        let width = latents.norm.len();
        let range = number * STRIP..((number + 1) * STRIP).min(width);
        let of =
            |all: Option<&[f32]>, neutral| all.map_or([neutral; STRIP], |all| part(all, &range, neutral));
        Self {
            norm: of(Some(latents.norm), 0.0),
            factor: of(latents.scale.map(|(factor, _)| factor), 1.0),
            divisor: of(latents.scale.map(|(_, divisor)| divisor), 1.0),
            threshold: of(latents.threshold, 0.0),
            range,
        }
    }

    /// Returns how many strips there are of `width` latents.
    pub fn count(width: usize) -> usize {
        width.div_ceil(STRIP)
    }
}

/// Returns the numbers of a range, followed by neutral ones.
pub fn part(all: &[f32], range: &Range<usize>, neutral: f32) -> Numbers {
    let mut numbers = [neutral; STRIP];
    numbers[..range.len()].copy_from_slice(&all[range.clone()]);
    numbers
}

/// Returns the group of a strip's numbers that begins at a multiple of the group's size.
#[inline(always)]
pub fn group<L: Lanes>(lanes: L, numbers: &Numbers, at: usize) -> L::Group {
    match numbers[at..].first_chunk() {
        Some(group) => lanes.load(group),
        None => unreachable!("a strip has whole groups"),
    }
}

/// Adds a group of numbers to those of a strip.
#[inline(always)]
pub fn accumulate<L: Lanes>(lanes: L, sums: &mut Numbers, at: usize, group: L::Group) {
    let Some(sums) = sums[at..].first_chunk_mut() else {
        unreachable!("a strip has whole groups")
    };
    lanes.store(lanes.add(lanes.load(sums), group), sums);
}
