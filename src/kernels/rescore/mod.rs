//! Exact products of one row with few: the pre-activations of the latents that screening leaves.
//!
//! The order of the sum depends on nothing but the length of the rows: 32 partial sums, entry `i` in sum `i % 32`, halved
//! five times. So a value has the same bits whichever way it is asked for. AVX2 and AVX-512 agree as well, since both fuse;
//! plain code does not.

mod parts;
mod plain;
#[cfg(target_arch = "x86_64")]
mod vectors;

use self::parts::PARTS;
use super::isa::Isa;

/// Returns the largest error of a product of rows of this length, relative to the product of their norms.
pub fn error(length: usize) -> f64 {
    let roundings = (length.div_ceil(PARTS) + 8) as f64 * 0.5 * f64::from(f32::EPSILON);
    roundings / (1.0 - roundings)
}

/// Computes the pre-activations of the latents `index` for a row `x`: `values[i] = x . weight[index[i]] + bias[index[i]]`.
///
/// `weight` has a row of the length of `x` for each latent. The slices `index` and `values` are equally long.
pub fn products(isa: Isa, x: &[f32], weight: &[f32], bias: &[f32], index: &[u32], values: &mut [f32]) {
    let row = |latent: u32| &weight[latent as usize * x.len()..][..x.len()];
    match isa {
        // SAFETY: whoever passes a set has checked that the processor has it.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { vectors::few_avx512(x, row, index, values) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { vectors::few_avx2(x, row, index, values) },
        _ => plain::few(x, row, index, values),
    }
    for (value, &latent) in values.iter_mut().zip(index) {
        *value += bias[latent as usize];
    }
}

/// Computes all pre-activations of a few rows: of `x[i]` those from `values[i * S]` on, for the `S` entries of `bias`. They
/// have the same bits as from [`products`].
pub fn all_products(isa: Isa, x: &[&[f32]], weight: &[f32], bias: &[f32], values: &mut [f32]) {
    match isa {
        // SAFETY: whoever passes a set has checked that the processor has it.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { vectors::all_avx512(x, weight, bias.len(), values) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { vectors::all_avx2(x, weight, bias.len(), values) },
        _ => plain::all(x, weight, bias.len(), values),
    }
    for values in values.chunks_exact_mut(bias.len()) {
        for (value, bias) in values.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the product of two rows of one length.
    fn dot(isa: Isa, left: &[f32], right: &[f32]) -> f32 {
        let mut product = [0.0];
        products(isa, left, right, &[0.0], &[0], &mut product);
        product[0]
    }

    #[test]
    fn products_are_accurate_and_the_same_everywhere() {
        for length in [1, 2, 31, 32, 33, 100, 768, 9001] {
            let number = |at: usize| ((at * 7919 + length) % 2003) as f32 / 1000.0 - 1.0;
            let x = (0..length).map(number).collect::<Vec<_>>();
            let weight = (0..7 * length).map(|at| number(at + 17)).collect::<Vec<_>>();
            let bias = [0.5, 0.0, -0.25, 1.0, 2.0, 0.0, 3.0];
            let index = [6, 0, 3, 3, 1, 5, 2];
            let mut fused = None;
            for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
                let mut values = [0.0; 7];
                products(isa, &x, &weight, &bias, &index, &mut values);
                for (&latent, &value) in index.iter().zip(&values) {
                    let row = &weight[latent as usize * length..][..length];
                    let pairs = x.iter().zip(row).map(|(&x, &w)| (f64::from(x), f64::from(w)));
                    let exact = pairs.map(|(x, w)| x * w).sum::<f64>() + f64::from(bias[latent as usize]);
                    let size = (length as f64 * 0.4).max(1.0) + 4.0;
                    assert!((f64::from(value) - exact).abs() < 2.0 * error(length) * size);
                    assert_eq!(value, dot(isa, &x, row) + bias[latent as usize]);
                }
                for count in 1..8 {
                    let mut all = vec![0.0; count * 7];
                    all_products(isa, &vec![&x[..]; count], &weight, &bias, &mut all);
                    for all in all.chunks(7) {
                        assert!(
                            index
                                .iter()
                                .zip(&values)
                                .all(|(&at, &value)| all[at as usize] == value)
                        );
                    }
                }
                if isa != Isa::Plain {
                    assert_eq!(*fused.get_or_insert(values), values);
                }
            }
        }
    }
}
