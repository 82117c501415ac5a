//! Products with AVX2 and AVX-512: several latents at a time, while the rows of the next ones are fetched.

use std::arch::x86_64::*;

use super::parts::{LATENTS, PARTS, padded};

type Part = [f32; PARTS];

/// Defines two functions. The first computes the products of a row with those of the latents `index`, `$at_once` at a time,
/// the second those of several rows `x` with all rows of `weight`, `$block` by `$rows` at a time.
macro_rules! products {
    ($few:ident, $at_once:literal, $all:ident, $block:literal x $rows:literal, $dots:ident, $features:literal) => {
        /// Computes the products of `x` with the rows of the latents `index`.
        #[target_feature(enable = $features)]
        pub fn $few<'a>(x: &[f32], row: impl Fn(u32) -> &'a [f32], index: &[u32], values: &mut [f32]) {
            let (groups, rest) = index.as_chunks::<$at_once>();
            let (values, rest_values) = values.as_chunks_mut::<$at_once>();
            for (at, (group, values)) in groups.iter().zip(values).enumerate() {
                let next = groups.get(at + 1).unwrap_or(group);
                [*values] = $dots([x], group.map(&row), next.map(&row));
            }
            for (&latent, value) in rest.iter().zip(rest_values) {
                [[*value]] = $dots([x], [row(latent)], []);
            }
        }

        /// Computes the products of each row of `x` with all `latents` rows of `weight`, one row of `x` after the other.
        #[target_feature(enable = $features)]
        pub fn $all(x: &[&[f32]], weight: &[f32], latents: usize, values: &mut [f32]) {
            let width = weight.len() / latents;
            let row = |latent: usize| &weight[latent * width..][..width];
            let (blocks, rest) = x.as_chunks::<$block>();
            for start in (0..latents).step_by(LATENTS) {
                let end = latents.min(start + LATENTS);
                for (block, x) in blocks.iter().enumerate() {
                    for first in (start..end).step_by($rows) {
                        // Where fewer are left, the last ones are computed twice.
                        let rows = std::array::from_fn(|at| row((first + at).min(latents - 1)));
                        let sums: [[f32; $rows]; $block] = $dots(*x, rows, []);
                        for (at, sums) in sums.iter().enumerate() {
                            let count = $rows.min(end - first);
                            let place = (block * $block + at) * latents + first;
                            values[place..place + count].copy_from_slice(&sums[..count]);
                        }
                    }
                }
                for (at, x) in rest.iter().enumerate() {
                    let place = (blocks.len() * $block + at) * latents;
                    for latent in start..end {
                        [[values[place + latent]]] = $dots([*x], [row(latent)], []);
                    }
                }
            }
        }
    };
}

products!(few_avx512, 4, all_avx512, 3 x 4, dots_avx512, "avx2,fma,avx512f,avx512dq");
products!(few_avx2, 2, all_avx2, 2 x 1, dots_avx2, "avx2,fma");

/// Defines a function that returns the products of some rows `x` with `rows`, and asks for the rows `next`.
macro_rules! dots {
    ($name:ident, $vector:ty, $vectors:literal, $zero:ident, $add:ident, $load:ident, $total:ident, $features:literal) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $name<const BLOCK: usize, const ROWS: usize, const NEXT: usize>(
            x: [&[f32]; BLOCK],
            rows: [&[f32]; ROWS],
            next: [&[f32]; NEXT],
        ) -> [[f32; ROWS]; BLOCK] {
            let mut sums = [[[$zero(); $vectors]; ROWS]; BLOCK];
            let x = x.map(|x| x.as_chunks::<PARTS>());
            let rows = rows.map(|row| row.as_chunks::<PARTS>());
            let next = next.map(|row| row.as_chunks::<PARTS>().0);
            let whole = rows[0].0.len();
            for at in 0..whole {
                for next in next {
                    fetch(&next[at]);
                }
                let x: [[$vector; $vectors]; BLOCK] = std::array::from_fn(|block| $load(&x[block].0[at]));
                for row in 0..ROWS {
                    let weights = $load(&rows[row].0[at]);
                    for block in 0..BLOCK {
                        for part in 0..$vectors {
                            sums[block][row][part] =
                                $add(x[block][part], weights[part], sums[block][row][part]);
                        }
                    }
                }
            }
            if !rows[0].1.is_empty() {
                for row in 0..ROWS {
                    let weights = $load(&padded(rows[row].1));
                    for block in 0..BLOCK {
                        let x = $load(&padded(x[block].1));
                        for part in 0..$vectors {
                            sums[block][row][part] = $add(x[part], weights[part], sums[block][row][part]);
                        }
                    }
                }
            }
            sums.map(|sums| sums.map(|sums| $total(sums)))
        }
    };
}

dots!(
    dots_avx512,
    __m512,
    2,
    _mm512_setzero_ps,
    _mm512_fmadd_ps,
    load_avx512,
    total_avx512,
    "avx2,fma,avx512f,avx512dq"
);
dots!(
    dots_avx2,
    __m256,
    4,
    _mm256_setzero_ps,
    _mm256_fmadd_ps,
    load_avx2,
    total_avx2,
    "avx2,fma"
);

#[inline]
#[target_feature(enable = "avx512f")]
fn load_avx512(part: &Part) -> [__m512; 2] {
    // SAFETY: a part has 32 entries.
    unsafe {
        [
            _mm512_loadu_ps(part.as_ptr()),
            _mm512_loadu_ps(part.as_ptr().add(16)),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_avx2(part: &Part) -> [__m256; 4] {
    // SAFETY: a part has 32 entries.
    std::array::from_fn(|quarter| unsafe { _mm256_loadu_ps(part.as_ptr().add(8 * quarter)) })
}

/// Asks for the two cache lines of a part.
#[inline]
fn fetch(part: &Part) {
    // SAFETY: both addresses lie in the part.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(part.as_ptr().cast());
        _mm_prefetch::<_MM_HINT_T0>(part.as_ptr().add(16).cast());
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
fn total_avx512([low, high]: [__m512; 2]) -> f32 {
    let sum = _mm512_add_ps(low, high);
    total(_mm256_add_ps(
        _mm512_castps512_ps256(sum),
        _mm512_extractf32x8_ps::<1>(sum),
    ))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn total_avx2([first, second, third, fourth]: [__m256; 4]) -> f32 {
    total(_mm256_add_ps(
        _mm256_add_ps(first, third),
        _mm256_add_ps(second, fourth),
    ))
}

/// Returns the sum of eight parts, halved until one is left.
#[inline]
#[target_feature(enable = "avx2")]
fn total(sums: __m256) -> f32 {
    let sums = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
    let sums = _mm_add_ps(sums, _mm_movehl_ps(sums, sums));
    _mm_cvtss_f32(_mm_add_ss(sums, _mm_movehdup_ps(sums)))
}
