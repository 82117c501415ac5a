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
//! where `g` is the sum of three parts: the rounding of the float32 product ([`rescore::error`]), that of the tensor cores'
//! sums, and that of estimate, bound and score. Products of two float16 numbers are exact in float32. Tensor cores add
//! several of them at once and cut off instead of rounding, with at least 23 bits after the largest addend's first
//! (Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021, section 3): so an addition is
//! off by less than 2⁻²² of the sum of the sizes of all addends, whatever their order, where the norm of float16 rows is
//! at most 1.004 times that of the rows themselves. The norms and residuals are measured and rounded up.

use crate::kernels::rescore;

/// By how much an addition in a tensor core is off at most, relative to the sizes of all addends.
const TENSOR_CORE: f64 = 1.0 / (1 << 22) as f64;
/// What covers the roundings of one score, estimate and bound, as in `screen.cu`.
const SLACK: f64 = 16.0 * 0.5 * f32::EPSILON as f64;

/// Returns what covers the rounding of products of rows of this length, relative to the product of their norms.
pub fn slack(length: i64) -> f64 {
    let sums = (length + 16) as f64 * TENSOR_CORE;
    rescore::error(length as usize) + 1.01 * sums / (1.0 - sums) + SLACK
}
