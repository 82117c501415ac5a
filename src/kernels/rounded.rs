//! Rows of float32 rounded to int16, with what the rounding cost.
//!
//! A row `r` becomes `scale * q`. Products of int16 are summed exactly in int32 and cost half of a float32 product. By
//! Cauchy-Schwarz no sum, partial ones included, exceeds `|q_1| |q_2|`, so the scale keeps `|q| <= 46300`, whose square is
//! below 2^31, and every `|q_i| <= 32761`, so that a pair of products fits as well.
//!
//! The residual `|r - scale * q|` is measured, not estimated, and it and the norm are rounded up.

use super::compiled::compiled;
use super::isa::Isa;

/// The norm that rounded rows may have.
const LARGEST_NORM: f64 = 46300.0;
/// The size that entries of rounded rows may have, before they are rounded.
const LARGEST_ENTRY: f32 = 32760.0;
/// Rows below this norm are rounded to zero: scales stay far from denormals.
pub const SMALLEST: f32 = 1.0 / (1 << 30) as f32;
/// Rows above this norm, or not finite, are not rounded at all: nothing computed from rounded rows overflows.
pub const LARGEST: f32 = (1u64 << 40) as f32;
/// How many rows one panel has at most.
pub const PANEL: usize = 16;

const LANES: usize = 16;
const CHUNK: usize = 256;

/// How a row was rounded: `row = scale * q + rest` with `|row| <= norm` and `|rest| <= residual`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rounded {
    pub scale: f32,
    pub norm: f32,
    pub residual: f32,
}

impl Rounded {
    /// Returns whether bounds can be computed from it. If not, `q` is zero and the residual infinite.
    pub fn is_usable(&self) -> bool {
        self.norm <= LARGEST
    }
}

/// Rounds `rounded.len()` rows of one length, at most `width` and [`PANEL`] of them, and interleaves them: pair `p` of
/// entries of row `i` becomes `packed[p * width + i]`, the entry `2 p` in its lower half. Missing rows and a missing last
/// entry are zero.
pub fn pack<'a>(
    isa: Isa,
    row: impl Fn(usize) -> &'a [f32],
    width: usize,
    packed: &mut [u32],
    rounded: &mut [Rounded],
) {
    let count = rounded.len();
    let length = if count == 0 { 0 } else { row(0).len() };
    let mut inverse = [0.0; PANEL];
    let mut squares = [0.0; PANEL];
    for at in 0..count {
        (rounded[at], inverse[at]) = scaled(isa, row(at));
    }
    let mut block = [[0i16; CHUNK]; PANEL];
    for (start, packed) in (0..length)
        .step_by(CHUNK)
        .zip(packed.chunks_mut(CHUNK / 2 * width))
    {
        let end = (start + CHUNK).min(length);
        for at in 0..count {
            if end - start < CHUNK {
                block[at].fill(0);
            }
            if rounded[at].is_usable() {
                let values = &row(at)[start..end];
                let chunk = &mut block[at][..end - start];
                squares[at] += f64::from(round_chunk(isa, values, rounded[at].scale, inverse[at], chunk));
            } else {
                block[at].fill(0);
            }
        }
        interleave(&block, width, packed);
    }
    for at in 0..count {
        rounded[at].residual = if !rounded[at].is_usable() {
            f32::INFINITY
        } else if rounded[at].norm == 0.0 {
            0.0
        } else {
            root_above(squares[at], length)
        };
    }
}

/// Returns the scale and norm of a row, and the factor that rounds it.
fn scaled(isa: Isa, row: &[f32]) -> (Rounded, f32) {
    let (squares, peak) = squares_and_peak(isa, row);
    let mut rounded = Rounded::default();
    if squares == 0.0 && peak == 0.0 {
        return (rounded, 0.0);
    }
    rounded.norm = root_above(f64::from(squares), row.len());
    if !(SMALLEST..=LARGEST).contains(&rounded.norm) {
        return (rounded, 0.0);
    }
    // Rounding moves each entry by a half at most, so the norm by half of the root of their number.
    let room = LARGEST_NORM - 0.5 * (row.len() as f64).sqrt() - 1.0;
    rounded.scale = ((f64::from(rounded.norm) / room) as f32).max(peak / LARGEST_ENTRY);
    (rounded, 1.0 / rounded.scale)
}

/// Returns a bound from above of the root of a sum of `count` squares, computed in float32 in [`LANES`] parts, even where
/// denormals count as zero.
fn root_above(squares: f64, count: usize) -> f32 {
    let ulp = f64::from(f32::EPSILON);
    let steps = (count / LANES + 2 * LANES + 8) as f64;
    let flushed = count as f64 * 2f64.powi(-120);
    ((squares * (1.0 + steps * ulp) + flushed).sqrt() * (1.0 + 2.0 * ulp)) as f32
}

compiled! {
    /// Returns the sum of the squares of a row and its largest absolute entry, in which NaN does not count.
    fn squares_and_peak(row: &[f32]) -> (f32, f32) = squares_and_peak_body;
}

#[inline(always)]
fn squares_and_peak_body<const FUSED: bool>(row: &[f32]) -> (f32, f32) {
    let mut squares = [0f32; LANES];
    let mut peaks = [0f32; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            squares[lane] += chunk[lane] * chunk[lane];
            let size = chunk[lane].abs();
            peaks[lane] = if size > peaks[lane] { size } else { peaks[lane] };
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        squares[lane] += value * value;
        peaks[lane] = peaks[lane].max(value.abs());
    }
    (
        squares.iter().sum(),
        peaks.iter().fold(0.0, |peak, &lane| peak.max(lane)),
    )
}

compiled! {
    /// Rounds `values / scale` to `rounded`, and returns the sum of the squares of `values - scale * rounded`.
    fn round_chunk(values: &[f32], scale: f32, inverse: f32, rounded: &mut [i16]) -> f32 = round_chunk_body;
}

#[inline(always)]
fn round_chunk_body<const FUSED: bool>(values: &[f32], scale: f32, inverse: f32, rounded: &mut [i16]) -> f32 {
    let mut squares = [0f32; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    let (rounded_whole, rounded_rest) = rounded.as_chunks_mut::<LANES>();
    for (chunk, rounded) in whole.iter().zip(rounded_whole) {
        for lane in 0..LANES {
            let (nearest, residual) = round_one::<FUSED>(chunk[lane], scale, inverse);
            rounded[lane] = nearest;
            squares[lane] += residual * residual;
        }
    }
    for (lane, (&value, rounded)) in rest.iter().zip(rounded_rest).enumerate() {
        let (nearest, residual) = round_one::<FUSED>(value, scale, inverse);
        *rounded = nearest;
        squares[lane] += residual * residual;
    }
    squares.iter().sum()
}

/// Returns the integer nearest to `value / scale`, and what is left of the value, rounded once.
#[inline(always)]
fn round_one<const FUSED: bool>(value: f32, scale: f32, inverse: f32) -> (i16, f32) {
    // Sums with this number have no fraction, and their lower bits are the integer in two's complement.
    const INTEGERS: f32 = (3 << 22) as f32;
    let shifted = value * inverse + INTEGERS;
    let whole = shifted - INTEGERS;
    let residual = if FUSED {
        (-scale).mul_add(whole, value)
    } else {
        (f64::from(value) - f64::from(scale) * f64::from(whole)) as f32
    };
    (shifted.to_bits() as i16, residual)
}

/// Writes the pairs of entries of `block` row beside row.
fn interleave(block: &[[i16; CHUNK]; PANEL], width: usize, packed: &mut [u32]) {
    for (pair, packed) in packed.chunks_exact_mut(width).enumerate() {
        for (row, packed) in block.iter().zip(packed) {
            let (low, high) = (row[2 * pair] as u16, row[2 * pair + 1] as u16);
            *packed = u32::from(low) | u32::from(high) << 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rounded entries of each row.
    fn unpacked(packed: &[u32], width: usize, row: usize, length: usize) -> Vec<i16> {
        let pairs = packed.chunks(width).map(|pairs| pairs[row]);
        pairs
            .flat_map(|pair| [pair as i16, (pair >> 16) as i16])
            .take(length)
            .collect()
    }

    fn check(isa: Isa, rows: &[Vec<f32>], width: usize) {
        let length = rows[0].len();
        let mut packed = vec![u32::MAX; length.div_ceil(2) * width];
        let mut rounded = vec![Rounded::default(); rows.len()];
        pack(isa, |at| &rows[at], width, &mut packed, &mut rounded);
        for (at, (row, rounded)) in rows.iter().zip(&rounded).enumerate() {
            let entries = unpacked(&packed, width, at, length);
            let square = entries.iter().map(|&entry| i64::from(entry).pow(2)).sum::<i64>();
            assert!(square < 46340 * 46340 && entries.iter().all(|entry| entry.abs() <= 32761));
            let pairs = row.iter().zip(&entries);
            let rest = pairs.map(|(&x, &q)| f64::from(x) - f64::from(rounded.scale) * f64::from(q));
            let rest = rest.map(|rest| rest * rest).sum::<f64>().sqrt();
            let norm = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            assert!(
                rest <= f64::from(rounded.residual) && norm <= f64::from(rounded.norm),
                "{isa:?}"
            );
            if norm > 1e-9 && norm < 1e12 {
                assert!(f64::from(rounded.norm) < norm * 1.001);
                assert!(rest > norm * 1e-7 || f64::from(rounded.residual) < norm * 1e-6);
                assert!(f64::from(rounded.residual) <= rest * 1.001 + norm * 1e-7);
            }
        }
        for row in rows.len()..width {
            assert!(
                unpacked(&packed, width, row, length)
                    .iter()
                    .all(|&entry| entry == 0)
            );
        }
    }

    #[test]
    fn rows_are_rounded_within_their_residual() {
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            for length in [1, 2, 15, 16, 17, 255, 256, 257, 768, 1001] {
                for size in [0.0, 1e-44, 1e-30, 1e-9, 1e-3, 1.0, 77.0, 1e11, 1e13, 1e30] {
                    let number = |at: usize| ((at * 7919 + length) % 2003) as f32 / 1001.0 - 1.0;
                    let spike = |at: usize| if at == length / 2 { 60.0 } else { 1.0 };
                    let even = (0..length).map(|at| number(at) * size).collect::<Vec<_>>();
                    let spiky = (0..length)
                        .map(|at| number(at + 3) * spike(at) * size)
                        .collect::<Vec<_>>();
                    let equal = vec![size; length];
                    check(isa, &[even, spiky, equal], 3 + length % 4);
                }
            }
        }
    }

    #[test]
    fn rows_that_cannot_be_rounded_are_zero_and_said_to_be() {
        for special in [f32::NAN, f32::INFINITY, 1e20, -1e38] {
            let row = [1.0, special, 2.0];
            let (mut packed, mut rounded) = ([7; 2], [Rounded::default()]);
            pack(Isa::chosen(), |_| &row, 1, &mut packed, &mut rounded);
            assert!(!rounded[0].is_usable() && rounded[0].residual == f32::INFINITY && packed == [0; 2]);
        }
    }
}
