//! Activations of some tokens from their pre-activations, and what is counted of them.

use super::Latents;
use super::strip::{Numbers, STRIP, Strip, accumulate, group, part};
use super::tanh::tanh;
use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes};
use crate::native::parallel::{Shared, for_ranges};

/// Bounds of each latent, `(width)` each.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// A token is counted whose number is over this one,
    pub any: &'a [f32],
    /// as 1 where it is over this one too, which is not less,
    pub whole: &'a [f32],
    /// and as so much where it is not.
    pub share: f32,
}

/// What is counted of each latent, `(width)` each; added to what stands there.
#[derive(Debug)]
pub struct Counted<'a> {
    /// On how many tokens it is on.
    pub fired: &'a mut [f32],
    /// The sum of its activations.
    pub sum: &'a mut [f32],
    /// The bounds over which what the function sees takes part in a gradient, and how many tokens are over them: those that are
    /// not over the second ones as well count for less.
    pub taking_part: Option<(Bounds<'a>, &'a mut [f32])>,
    /// A stretch `c`, and the sum of `tanh(c · activation · norm)`.
    pub soft: Option<(f32, &'a mut [f32])>,
}

/// Writes the activations of `hidden_pre`, both `(tokens, width)`, and adds to `counted` what there is to count.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn activate(hidden_pre: &[f32], latents: &Latents<'_>, acts: &mut [f32], counted: Counted<'_>) {
    activate_in(Isa::chosen(), hidden_pre, latents, acts, counted);
}

/// Does what [`activate`] does in a set of instructions.
pub(super) fn activate_in(
    isa: Isa,
    hidden_pre: &[f32],
    latents: &Latents<'_>,
    acts: &mut [f32],
    counted: Counted<'_>,
) {
    latents.check();
    let width = latents.norm.len();
    assert!(
        hidden_pre.len() == acts.len() && width > 0 && acts.len().is_multiple_of(width),
        "a number for each latent of each token"
    );
    let bounds = counted.taking_part.as_ref().map(|(bounds, _)| *bounds);
    let stretch = counted.soft.as_ref().map_or(0.0, |(stretch, _)| *stretch);
    let over = counted.taking_part.map(|(_, over)| over);
    let soft = counted.soft.map(|(_, soft)| soft);
    let all = [Some(counted.fired), Some(counted.sum), over, soft].map(|sums| sums.map(Shared::new));
    let rows = Rows {
        hidden_pre,
        acts: &Shared::new(acts),
        width,
        is_jump: latents.threshold.is_some(),
    };
    for_ranges(Strip::count(width), 1, |strips| {
        for number in strips {
            let strip = Strip::new(latents, number);
            let mut of_strip = OfStrip::new(&strip, bounds, stretch);
            let work = OneStrip {
                rows: &rows,
                strip: &strip,
                counted: &mut of_strip,
            };
            lanes::run(isa, work);
            for (all, sums) in all.iter().zip(&of_strip.sums) {
                let Some(all) = all else { continue };
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
    acts: &'a Shared<'a, f32>,
    width: usize,
    is_jump: bool,
}

/// What is counted of the latents of a strip.
struct OfStrip {
    /// As in [`Bounds`].
    any: Numbers,
    whole: Numbers,
    share: f32,
    stretch: f32,
    /// In the order of [`Counted`].
    sums: [Numbers; 4],
}

impl OfStrip {
    fn new(strip: &Strip, bounds: Option<Bounds<'_>>, stretch: f32) -> Self {
        let of = |all: Option<&[f32]>| {
            all.map_or([f32::INFINITY; STRIP], |all| {
                part(all, &strip.range, f32::INFINITY)
            })
        };
        Self {
            any: of(bounds.map(|bounds| bounds.any)),
            whole: of(bounds.map(|bounds| bounds.whole)),
            share: bounds.map_or(0.0, |bounds| bounds.share),
            stretch,
            sums: [[0.0; STRIP]; 4],
        }
    }
}

/// One strip's part of the work.
struct OneStrip<'a> {
    rows: &'a Rows<'a>,
    strip: &'a Strip,
    counted: &'a mut OfStrip,
}

impl Kernel for OneStrip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match (self.rows.is_jump, self.counted.stretch == 0.0) {
            (false, true) => self.all_rows::<L, false, false>(lanes),
            (false, false) => self.all_rows::<L, false, true>(lanes),
            (true, true) => self.all_rows::<L, true, false>(lanes),
            (true, false) => self.all_rows::<L, true, true>(lanes),
        }
    }
}

impl OneStrip<'_> {
    #[inline(always)]
    fn all_rows<L: Lanes, const JUMP: bool, const SOFT: bool>(self, lanes: L) {
        let Self { rows, strip, counted } = self;
        let OfStrip {
            any,
            whole,
            share,
            stretch,
            sums: [fired, sum, overs, softs],
        } = counted;
        let length = strip.range.len();
        let (zero, one) = (lanes.splat(0.0), lanes.splat(1.0));
        let stretch = lanes.splat(*stretch);
        let (share, rest) = (lanes.splat(*share), lanes.splat(1.0 - *share));
        for row in 0..rows.hidden_pre.len() / rows.width {
            let start = row * rows.width + strip.range.start;
            let hidden_pre = &rows.hidden_pre[start..start + length];
            // SAFETY: strips do not overlap, and each is one thread's.
            let acts = unsafe { rows.acts.part(start..start + length) };
            for at in (0..length).step_by(GROUP) {
                let seen = lanes.mul(
                    lanes.load_part(&hidden_pre[at..]),
                    group(lanes, &strip.factor, at),
                );
                let given = if JUMP {
                    // What is off is 0 times itself, so that NaN comes through.
                    let kept = lanes.where_over(seen, group(lanes, &strip.threshold, at), seen);
                    lanes.fma(seen, zero, kept)
                } else {
                    lanes.max(zero, seen)
                };
                let act = lanes.div(given, group(lanes, &strip.divisor, at));
                lanes.store_part(act, &mut acts[at..]);
                let over = lanes.where_over(seen, group(lanes, any, at), share);
                let over = lanes.add(over, lanes.where_over(seen, group(lanes, whole, at), rest));
                accumulate(lanes, fired, at, lanes.where_over(act, zero, one));
                accumulate(lanes, sum, at, act);
                accumulate(lanes, overs, at, over);
                if SOFT {
                    let weighted = lanes.mul(act, group(lanes, &strip.norm, at));
                    let soft = tanh(lanes, lanes.mul(stretch, weighted));
                    accumulate(lanes, softs, at, soft);
                }
            }
        }
    }
}
