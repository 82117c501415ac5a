//! How far estimates can be from pre-activations.
//!
//! As in [`screen`](crate::kernels::screen), with float16 in place of short integers. A row is `x = q + r` with `q` in
//! float16 times a power of two, a latent's weights are `w = p + v`, and the estimate is `q . p`, computed by tensor cores.
//! (bfloat16, as fast, has three bits less: of 131,072 latents it leaves several hundred candidates.) By Cauchy-Schwarz
//! the score `n (x . w + b)`, computed in float32, and its estimate `n (q . p + b)` differ by at most
//!
//! ```text
//! n (|r| |w| + (|x| + |r|) |v| + g |x| |w| + h |b|)
//! ```
//!
//! where `g` is the sum of three parts: the rounding of the float32 product ([`rescore::error`], which holds for any order of
//! as many partial sums), that of the tensor cores' sums, and that of estimate, bound and score. Products of two float16
//! numbers are exact in float32. Tensor cores add `n` of them and what was summed before at once, `n` being 4 or more: all
//! are cut off, instead of rounded, at 23 bits or more after the largest one's first, and the sum is cut off once more
//! (Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021, section 3). Each cut is off by
//! less than 2⁻²³ of the sum of the sizes of all products, which is at most 1.001 `|q| |p|`; there is one for each product
//! and one for each sum. Where a product is computed without tensor cores, there are fewer roundings, of half that. The norms
//! and residuals are measured and rounded up.

use crate::kernels::rescore;

/// By how much cutting off an addend in a tensor core is off at most, relative to the sizes of all addends.
const CUT: f64 = 1.0 / (1 << 23) as f64;
/// The fewest products that are added at once.
const AT_ONCE: f64 = 4.0;
/// What covers the roundings of one score, estimate and bound, as in `screen.cu`.
const SLACK: f64 = 16.0 * 0.5 * f32::EPSILON as f64;

/// Returns what covers the rounding of products of rows of this length, relative to the product of their norms.
pub fn slack(length: i64) -> f64 {
    let sums = (length + 16) as f64 * (1.0 + 1.0 / AT_ONCE) * CUT;
    // A lane takes four numbers at a time, so that it may have three more than its part.
    rescore::error(length as usize + 3 * 32) + 1.01 * sums / (1.0 - sums) + SLACK
}
