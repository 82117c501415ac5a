//! The penalty `‖w‖_p` of rows of weighted activations, with its derivative.

use std::ops::Range;

use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes};
use crate::native::parallel::{Shared, for_ranges};

/// How many numbers are worth a thread.
const GRAIN: usize = 1 << 14;

/// Which numbers are a row.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// So many after the other.
    Of(usize),
    /// From one of these places to the next.
    Between(&'a [usize]),
}

impl Rows<'_> {
    /// Returns whether no two rows share a number.
    fn are_apart(self) -> bool {
        match self {
            Rows::Of(_) => true,
            Rows::Between(ends) => ends.is_sorted(),
        }
    }

    fn range(self, row: usize) -> Range<usize> {
        match self {
            Rows::Of(width) => row * width..(row + 1) * width,
            Rows::Between(ends) => ends[row]..ends[row + 1],
        }
    }
}

/// Writes to `norms` the `‖w‖_p` of each of the `rows` of weighted activations `w = act · norm`, and to `slopes` their derivatives
/// times `share`: `share · sign(w) |w|^(p−1) ‖w‖^(1−p)`, 0 where the norm is. The norms of latents, `norm`, begin anew where
/// there are fewer than activations.
///
/// # Panics
/// Panics where lengths do not agree, rows overlap or reach from one round of norms into the next, or `p` is below 1.
pub fn power(
    (acts, norm): (&[f32], &[f32]),
    rows: Rows<'_>,
    (p, share): (i32, f32),
    slopes: &mut [f32],
    norms: &mut [f32],
) {
    power_in(Isa::chosen(), (acts, norm), rows, (p, share), slopes, norms);
}

/// Does what [`power`] does in a set of instructions.
pub(super) fn power_in(
    isa: Isa,
    (acts, norm): (&[f32], &[f32]),
    rows: Rows<'_>,
    (p, share): (i32, f32),
    slopes: &mut [f32],
    norms: &mut [f32],
) {
    assert_eq!(acts.len(), slopes.len(), "every activation has a place");
    assert!(rows.are_apart() && p > 0, "rows follow one another");
    let all = norms.len();
    if all == 0 || norm.is_empty() {
        return;
    }
    let grain = (GRAIN * all / acts.len().max(1)).max(1);
    let (slopes, norms) = (Shared::new(slopes), Shared::new(norms));
    for_ranges(all, grain, |part| {
        for row in part {
            let range = rows.range(row);
            let first = range.start % norm.len();
            let row_of = Row {
                acts: &acts[range.clone()],
                norm: &norm[first..first + range.len()],
                p,
                share,
                // SAFETY: each thread has rows of its own.
                slopes: unsafe { slopes.part(range) },
            };
            // SAFETY: as above.
            let norm_of_row = unsafe { norms.part(row..row + 1) };
            norm_of_row[0] = lanes::run(isa, row_of);
        }
    });
}

/// A row.
struct Row<'a> {
    acts: &'a [f32],
    norm: &'a [f32],
    p: i32,
    share: f32,
    slopes: &'a mut [f32],
}

impl Kernel for Row<'_> {
    /// The norm of the row.
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> f32 {
        let zero = lanes.splat(0.0);
        let mut sum = zero;
        let numbers = self.acts.chunks(GROUP).zip(self.norm.chunks(GROUP));
        for ((acts, norm), slopes) in numbers.zip(self.slopes.chunks_mut(GROUP)) {
            let weighted = lanes.mul(lanes.load_part(acts), lanes.load_part(norm));
            let size = lanes.max(weighted, lanes.sub(zero, weighted));
            let slope = raised(lanes, size, self.p.unsigned_abs() - 1);
            sum = lanes.fma(slope, size, sum);
            let signed = lanes.sub(
                lanes.where_over(weighted, zero, slope),
                lanes.where_over(zero, weighted, slope),
            );
            lanes.store_part(signed, slopes);
        }
        let norm = lanes.sum(sum).powf(1.0 / self.p as f32);
        let factor = if norm == 0.0 {
            0.0
        } else {
            self.share * norm.powi(1 - self.p)
        };
        let factor = lanes.splat(factor);
        for slopes in self.slopes.chunks_mut(GROUP) {
            lanes.store_part(lanes.mul(lanes.load_part(slopes), factor), slopes);
        }
        norm
    }
}

/// Returns the numbers to this power.
#[inline(always)]
fn raised<L: Lanes>(lanes: L, mut base: L::Group, mut power: u32) -> L::Group {
    let mut product = lanes.splat(1.0);
    while power > 0 {
        if power % 2 == 1 {
            product = lanes.mul(product, base);
        }
        base = lanes.mul(base, base);
        power /= 2;
    }
    product
}
