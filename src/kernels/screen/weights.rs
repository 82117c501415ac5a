//! The encoder rounded to int16, and the bound on what that changes.
//!
//! A row is `x = s q + r`, a latent's weights are `w = t p + v`, with int16 vectors `q` and `p`. The score that selection
//! compares is `n (x . w + b)`, computed in float32. Screening computes its estimate `n (s t (q . p) + b)`, and by
//! Cauchy-Schwarz the two differ by at most
//!
//! ```text
//! n (|r| |w| + (|x| + |r|) |v| + g |x| |w| + h |b|)
//! ```
//!
//! where `g` covers the rounding of the float32 product (`rescore::error`) and, as `h` does, that of the estimate, of the
//! bound and of the score. Norms count as 2^-30 at least, unless a row is zero altogether: the terms with `g` then cover
//! denormals as well, even where the processor takes them as zero. A bound that scores are compared with is taken off the
//! estimate.

use super::super::isa::Isa;
use super::super::rescore;
use super::super::rounded::{LARGEST, PANEL, Rounded, SMALLEST, pack};
use super::problem::{Encoder, Keep};
use crate::native::parallel::{Shared, for_ranges};

/// What covers the roundings of one score, estimate and bound (less than 16), relative to their terms.
const SLACK: f32 = 16.0 * 0.5 * f32::EPSILON;
/// What covers the rounding of a factor of the bound.
const UP: f32 = 1.0 + 8.0 * f32::EPSILON;

/// One pair of entries of each latent of a panel.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Line(pub [u32; PANEL]);

/// The numbers by which sums become estimates and bounds, one array entry a latent.
///
/// For a latent that cannot fire `offset` is minus infinity, for one that no bound holds for `fixed` is infinity.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Terms {
    /// `n t`: estimate = row's scale * slope * sum + offset.
    pub slope: [f32; PANEL],
    /// `n b`, less the latent's bound.
    pub offset: [f32; PANEL],
    /// `n |w|`: bound = row's residual * norm + row's norm * residual + fixed.
    pub norm: [f32; PANEL],
    /// `n |v|`.
    pub residual: [f32; PANEL],
    /// `h n |b|`.
    pub fixed: [f32; PANEL],
}

const NEVER: Terms = Terms {
    slope: [0.0; PANEL],
    offset: [f32::NEG_INFINITY; PANEL],
    norm: [0.0; PANEL],
    residual: [0.0; PANEL],
    fixed: [0.0; PANEL],
};

impl Terms {
    fn set(&mut self, lane: usize, rounded: &Rounded, bias: f32, factor: f32, bound: f32) {
        let usable = rounded.is_usable()
            && bias.abs() <= LARGEST
            && (SMALLEST..=LARGEST).contains(&factor)
            && !bound.is_nan();
        self.slope[lane] = if usable { factor * rounded.scale } else { 0.0 };
        self.offset[lane] = if usable { factor * bias - bound } else { 0.0 };
        self.norm[lane] = if usable {
            factor * rounded.norm.max(SMALLEST) * UP
        } else {
            0.0
        };
        self.residual[lane] = if usable {
            factor * rounded.residual * UP
        } else {
            0.0
        };
        self.fixed[lane] = if usable {
            (factor * bias.abs() + bound.abs()) * SLACK * UP
        } else {
            f32::INFINITY
        };
        if factor == 0.0 || bound == f32::INFINITY && usable {
            self.offset[lane] = f32::NEG_INFINITY;
            self.fixed[lane] = 0.0;
        }
    }
}

/// The rounded weights of all latents, [`PANEL`] of them a panel.
#[derive(Default)]
pub struct Weights {
    lines: Vec<Line>,
    terms: Vec<Terms>,
    pairs: usize,
    /// What multiplies a row's norm to cover the rounding of products.
    slack: f32,
}

impl Weights {
    /// Rounds all weights, to a number of panels that is a multiple of `group`.
    pub fn fill(&mut self, isa: Isa, encoder: &Encoder, keep: Keep, group: usize) {
        let (latents, width) = (encoder.latents(), encoder.width);
        let panels = latents.div_ceil(PANEL).next_multiple_of(group);
        let pairs = width.div_ceil(2);
        self.pairs = pairs;
        self.slack = rescore::error(width) as f32 + SLACK;
        self.lines.resize(panels * pairs, Line::default());
        self.terms.resize(panels, NEVER);
        let lines = Shared::new(&mut self.lines);
        let terms = Shared::new(&mut self.terms);
        for_ranges(panels, 8, |range| {
            for panel in range {
                // SAFETY: panels do not overlap, and each is filled once.
                let (lines, terms) = unsafe {
                    (
                        lines.part(panel * pairs..(panel + 1) * pairs),
                        terms.part(panel..panel + 1),
                    )
                };
                fill_panel(isa, encoder, keep, panel * PANEL, lines, &mut terms[0]);
            }
        });
    }

    /// Returns the number of panels.
    pub fn panels(&self) -> usize {
        self.terms.len()
    }

    /// Returns the number of pairs of entries of a row.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Returns the lines of one panel, a pair of entries each.
    pub fn lines(&self, panel: usize) -> &[Line] {
        &self.lines[panel * self.pairs..(panel + 1) * self.pairs]
    }

    /// Returns the terms of the latents of one panel.
    pub fn terms(&self, panel: usize) -> &Terms {
        &self.terms[panel]
    }

    /// Returns what multiplies a latent's norm and residual in the bound for a row that was rounded so.
    pub fn row_terms(&self, rounded: &Rounded) -> (f32, f32) {
        if rounded.norm == 0.0 {
            return (0.0, 0.0);
        }
        let residual = rounded.residual + self.slack * rounded.norm.max(SMALLEST);
        (residual * UP, (rounded.norm + rounded.residual) * UP)
    }

    /// Returns the bound for a latent and a row with these terms.
    pub fn bound(&self, latent: u32, (residual, norm): (f32, f32)) -> f32 {
        let (panel, lane) = (latent as usize / PANEL, latent as usize % PANEL);
        let terms = &self.terms[panel];
        residual * terms.norm[lane] + (norm * terms.residual[lane] + terms.fixed[lane])
    }
}

fn fill_panel(isa: Isa, encoder: &Encoder, keep: Keep, first: usize, lines: &mut [Line], terms: &mut Terms) {
    let count = encoder.latents().saturating_sub(first).min(PANEL);
    let mut rounded = [Rounded::default(); PANEL];
    let row = |at: usize| &encoder.weight[(first + at) * encoder.width..][..encoder.width];
    // SAFETY: a line is so many plain integers, without padding.
    let packed =
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<u32>(), lines.len() * PANEL) };
    if count == 0 {
        packed.fill(0);
    }
    pack(isa, row, PANEL, packed, &mut rounded[..count]);
    *terms = NEVER;
    for (lane, rounded) in rounded[..count].iter().enumerate() {
        let latent = first + lane;
        let factor = encoder.factor.map_or(1.0, |factor| factor[latent]);
        let bound = keep.bounds().map_or(0.0, |bounds| bounds[latent]);
        terms.set(lane, rounded, encoder.bias[latent], factor, bound);
    }
}
