//! Products in plain code.

use super::parts::{PARTS, padded};

/// Computes the products of `x` with the rows of the latents `index`.
pub fn few<'a>(x: &[f32], row: impl Fn(u32) -> &'a [f32], index: &[u32], values: &mut [f32]) {
    for (&latent, value) in index.iter().zip(values) {
        *value = dot(x, row(latent));
    }
}

/// Computes the products of each row of `x` with all `latents` rows of `weight`, one row of `x` after the other.
pub fn all(x: &[&[f32]], weight: &[f32], latents: usize, values: &mut [f32]) {
    for (x, values) in x.iter().zip(values.chunks_exact_mut(latents)) {
        for (row, value) in weight.chunks_exact(x.len()).zip(values) {
            *value = dot(x, row);
        }
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0f32; PARTS];
    let (left, left_rest) = left.as_chunks::<PARTS>();
    let (right, right_rest) = right.as_chunks::<PARTS>();
    for (left, right) in left.iter().zip(right) {
        add(left, right, &mut sums);
    }
    add(&padded(left_rest), &padded(right_rest), &mut sums);
    let mut half = PARTS / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

fn add(left: &[f32; PARTS], right: &[f32; PARTS], sums: &mut [f32; PARTS]) {
    for lane in 0..PARTS {
        sums[lane] += left[lane] * right[lane];
    }
}
