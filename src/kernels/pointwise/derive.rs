//! Derivatives of a loss by the pre-activations of some tokens, and what is summed of them for each latent.

use std::ops::Range;

use super::Latents;
use super::strip::{Numbers, STRIP, Strip, accumulate, group, part};
use super::tanh::tanh;
use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes};
use crate::native::parallel::{Shared, for_ranges};

/// The slope of the sparsity penalty by a weighted activation `w`, activation times norm.
#[derive(Clone, Copy, Debug)]
pub enum Penalty<'a> {
    /// There is no penalty.
    None,
    /// So much where `w` is over 0.
    Linear(f32),
    /// `steepness · (1 − tanh²(stretch · w))`.
    Tanh {
        /// The stretch.
        stretch: f32,
        /// The steepness of each latent, `(width)`.
        steepness: &'a [f32],
    },
    /// These numbers, `(tokens, width)`.
    Given(&'a [f32]),
}

/// What is summed of each latent over the tokens, `(width)` each; added to what stands there.
#[derive(Debug)]
pub struct Sums<'a> {
    /// The penalty itself but for factors: `w`, or `tanh(stretch · w)`. Nothing is added where slopes are given.
    pub penalty: &'a mut [f32],
    /// The derivative by the norm: slope times activation.
    pub by_norm: &'a mut [f32],
    /// The derivative by what the function gave, over the window around the threshold.
    pub near: &'a mut [f32],
    /// How far pre-activations are below the threshold, and how many are.
    pub below: &'a mut [f32],
    pub below_count: &'a mut [f32],
}

/// What thresholds take part in besides the activation function.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thresholds<'a> {
    /// Half the width of the window.
    pub half_window: f32,
    /// What a pre-activation costs for each unit that it is below its threshold, `(width)`.
    pub cost: Option<&'a [f32]>,
    /// Derivatives come out as if each pre-activation gained by a unit what one below its threshold costs: then those that are
    /// off and below have none.
    pub is_lifted: bool,
}

/// Turns the derivatives `by` activations into those by the pre-activations `hidden_pre`, with what the penalty and the
/// thresholds add, and adds up `sums`. All matrices are `(tokens, width)`.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn derive(
    (hidden_pre, acts): (&[f32], &[f32]),
    latents: &Latents<'_>,
    (penalty, thresholds): (Penalty<'_>, Thresholds<'_>),
    by: &mut [f32],
    sums: Sums<'_>,
) {
    derive_in(
        Isa::chosen(),
        (hidden_pre, acts),
        latents,
        (penalty, thresholds),
        by,
        sums,
    );
}

/// Does what [`derive()`] does in a set of instructions.
pub(super) fn derive_in(
    isa: Isa,
    (hidden_pre, acts): (&[f32], &[f32]),
    latents: &Latents<'_>,
    (penalty, thresholds): (Penalty<'_>, Thresholds<'_>),
    by: &mut [f32],
    sums: Sums<'_>,
) {
    latents.check();
    let width = latents.norm.len();
    assert!(
        hidden_pre.len() == by.len() && acts.len() == by.len() && width > 0 && by.len().is_multiple_of(width),
        "a number for each latent of each token"
    );
    if let Penalty::Given(slopes) = penalty {
        assert_eq!(slopes.len(), by.len(), "a slope for each number");
    }
    let rows = Rows {
        hidden_pre,
        acts,
        by: &Shared::new(by),
        width,
        penalty,
        is_jump: latents.threshold.is_some(),
    };
    let all = [
        sums.penalty,
        sums.by_norm,
        sums.near,
        sums.below,
        sums.below_count,
    ]
    .map(Shared::new);
    for_ranges(Strip::count(width), 1, |strips| {
        for number in strips {
            let strip = Strip::new(latents, number);
            let mut of_strip = OfStrip::new(&strip, penalty, thresholds);
            let work = OneStrip {
                rows: &rows,
                strip: &strip,
                of_strip: &mut of_strip,
            };
            lanes::run(isa, work);
            for (all, sums) in all.iter().zip(&of_strip.sums) {
                // SAFETY: strips do not overlap, and each is one thread's.
                let all = unsafe { all.part(strip.range.clone()) };
                all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
            }
        }
    });
}

/// The numbers that are read and written.
struct Rows<'a> {
    hidden_pre: &'a [f32],
    acts: &'a [f32],
    by: &'a Shared<'a, f32>,
    width: usize,
    penalty: Penalty<'a>,
    is_jump: bool,
}

/// What is known and summed of the latents of a strip.
struct OfStrip {
    steepness: Numbers,
    half_window: f32,
    cost: Numbers,
    lift: Numbers,
    /// In the order of [`Sums`].
    sums: [Numbers; 5],
}

impl OfStrip {
    fn new(strip: &Strip, penalty: Penalty<'_>, thresholds: Thresholds<'_>) -> Self {
        let cost = thresholds
            .cost
            .map_or([0.0; STRIP], |cost| part(cost, &strip.range, 0.0));
        Self {
            steepness: match penalty {
                Penalty::Tanh { steepness, .. } => part(steepness, &strip.range, 0.0),
                _ => [0.0; STRIP],
            },
            half_window: thresholds.half_window,
            lift: if thresholds.is_lifted { cost } else { [0.0; STRIP] },
            cost,
            sums: [[0.0; STRIP]; 5],
        }
    }
}

/// One strip's part of the work.
struct OneStrip<'a> {
    rows: &'a Rows<'a>,
    strip: &'a Strip,
    of_strip: &'a mut OfStrip,
}

/// The kinds of penalties, told apart outside of the loops.
const NONE: u8 = 0;
const LINEAR: u8 = 1;
const TANH: u8 = 2;
const GIVEN: u8 = 3;

impl Kernel for OneStrip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match (self.rows.is_jump, self.rows.penalty) {
            (false, Penalty::None) => self.all_rows::<L, false, NONE>(lanes),
            (false, Penalty::Linear(_)) => self.all_rows::<L, false, LINEAR>(lanes),
            (false, Penalty::Tanh { .. }) => self.all_rows::<L, false, TANH>(lanes),
            (false, Penalty::Given(_)) => self.all_rows::<L, false, GIVEN>(lanes),
            (true, Penalty::None) => self.all_rows::<L, true, NONE>(lanes),
            (true, Penalty::Linear(_)) => self.all_rows::<L, true, LINEAR>(lanes),
            (true, Penalty::Tanh { .. }) => self.all_rows::<L, true, TANH>(lanes),
            (true, Penalty::Given(_)) => self.all_rows::<L, true, GIVEN>(lanes),
        }
    }
}

impl OneStrip<'_> {
    #[inline(always)]
    fn all_rows<L: Lanes, const JUMP: bool, const PENALTY: u8>(mut self, lanes: L) {
        let (rows, length) = (self.rows, self.strip.range.len());
        let zero = lanes.splat(0.0);
        for row in 0..rows.acts.len() / rows.width {
            let start = row * rows.width + self.strip.range.start;
            let place = start..start + length;
            // SAFETY: strips do not overlap, and each is one thread's.
            let by_row = unsafe { rows.by.part(place.clone()) };
            let (acts, hidden_pre) = (&rows.acts[place.clone()], &rows.hidden_pre[place.clone()]);
            for at in (0..length).step_by(GROUP) {
                let mut by = lanes.load_part(&by_row[at..]);
                let act = lanes.load_part(&acts[at..]);
                if PENALTY != NONE {
                    let norm = group(lanes, &self.strip.norm, at);
                    let slope = self.slope::<L, PENALTY>(lanes, (&place, at), lanes.mul(act, norm));
                    accumulate(lanes, &mut self.of_strip.sums[1], at, lanes.mul(slope, act));
                    by = lanes.fma(slope, norm, by);
                }
                let mut by_pre = lanes.where_over(act, zero, by);
                if JUMP {
                    let h = lanes.load_part(&hidden_pre[at..]);
                    by_pre = lanes.sub(by_pre, self.thresholds(lanes, at, h, by));
                }
                lanes.store_part(by_pre, &mut by_row[at..]);
            }
        }
    }

    /// Returns the penalty's slope by the weighted activations at a place, and adds up the penalty.
    #[inline(always)]
    fn slope<L: Lanes, const PENALTY: u8>(
        &mut self,
        lanes: L,
        (row, at): (&Range<usize>, usize),
        weighted: L::Group,
    ) -> L::Group {
        let OfStrip { steepness, sums, .. } = &mut *self.of_strip;
        match self.rows.penalty {
            Penalty::Given(slopes) if PENALTY == GIVEN => lanes.load_part(&slopes[row.clone()][at..]),
            Penalty::Tanh { stretch, .. } if PENALTY == TANH => {
                let soft = tanh(lanes, lanes.mul(lanes.splat(stretch), weighted));
                accumulate(lanes, &mut sums[0], at, soft);
                let slope = lanes.sub(lanes.splat(1.0), lanes.mul(soft, soft));
                lanes.mul(slope, group(lanes, steepness, at))
            }
            Penalty::Linear(constant) if PENALTY == LINEAR => {
                accumulate(lanes, &mut sums[0], at, weighted);
                lanes.where_over(weighted, lanes.splat(0.0), lanes.splat(constant))
            }
            _ => lanes.splat(0.0),
        }
    }

    /// Adds up what thresholds gain from pre-activations `h` with derivatives `by` by what was given for them, and returns
    /// what those below their thresholds cost, less what all are lifted by.
    #[inline(always)]
    fn thresholds<L: Lanes>(&mut self, lanes: L, at: usize, h: L::Group, by: L::Group) -> L::Group {
        let (strip, of_strip) = (self.strip, &mut *self.of_strip);
        let (zero, one) = (lanes.splat(0.0), lanes.splat(1.0));
        let threshold = group(lanes, &strip.threshold, at);
        let seen = lanes.mul(h, group(lanes, &strip.factor, at));
        let away = lanes.sub(seen, threshold);
        let away = lanes.max(away, lanes.sub(zero, away));
        let by_given = lanes.div(by, group(lanes, &strip.divisor, at));
        let near = lanes.where_over(lanes.splat(of_strip.half_window), away, by_given);
        let under = lanes.sub(threshold, h);
        let cost = group(lanes, &of_strip.cost, at);
        let [_, _, nears, below, below_count] = &mut of_strip.sums;
        accumulate(lanes, nears, at, lanes.where_over(seen, zero, near));
        accumulate(lanes, below, at, lanes.where_over(under, zero, under));
        accumulate(lanes, below_count, at, lanes.where_over(under, zero, one));
        lanes.sub(
            lanes.where_over(under, zero, cost),
            group(lanes, &of_strip.lift, at),
        )
    }
}
