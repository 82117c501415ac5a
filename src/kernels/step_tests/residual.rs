use super::{Active, Example, Sum, assert_close, bits, examples, large_example, on_any_threads, sets};
use crate::kernels::gather::gather_in;
use crate::kernels::isa::Isa;
use crate::kernels::residual::{Batch, Errors, Prefix, residual_in};
use crate::kernels::tiles::Tiles;

/// What the kernels return for an example.
struct Found {
    residual: Vec<f32>,
    squared: Vec<f64>,
    dots: Vec<f32>,
}

fn found(example: &Example, isa: Isa, width: usize) -> Found {
    let all = Prefix {
        latents: example.latents as u32,
        weight: 1.0,
    };
    found_by(example, &[all], isa, width)
}

/// What the kernels return where prefixes reconstruct; the residuals and squared errors of one prefix after the other.
fn found_by(example: &Example, prefixes: &[Prefix], isa: Isa, width: usize) -> Found {
    let (mut decoder, mut label) = (Tiles::default(), Tiles::default());
    let mut residual: Vec<Tiles> = prefixes.iter().map(|_| Tiles::default()).collect();
    decoder.pack(&example.decoder, example.latents, example.columns, width);
    label.pack(&example.label, example.tokens, example.columns, width);
    let batch = Batch {
        pattern: example.pattern(),
        tokens: (0, example.tokens),
        activation: &example.activation,
        decoder: decoder.view(),
        bias: &example.bias,
        label: &label,
        scale: &example.scale,
        prefixes,
    };
    let mut squared = vec![9.0; prefixes.len() * example.tokens];
    let mut dots = vec![9.0; example.activation.len()];
    let errors = Errors {
        residual: &mut residual,
        squared: &mut squared,
        dots: Some(&mut dots),
    };
    residual_in(isa, batch, errors);
    let mut rows = vec![0.0; prefixes.len() * example.label.len()];
    for (tiles, rows) in residual.iter().zip(rows.chunks_mut(example.label.len().max(1))) {
        tiles.unpack(rows);
    }
    Found {
        residual: rows,
        squared,
        dots,
    }
}

/// Returns reconstructions.
fn reconstructions(example: &Example) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); example.label.len()];
    for row in sums.chunks_mut(example.columns) {
        row.iter_mut()
            .zip(&example.bias)
            .for_each(|(sum, &bias)| sum.add(bias.into()));
    }
    for ((token, latent), &activation) in example.pairs().into_iter().zip(&example.activation) {
        for column in 0..example.columns {
            let weight = example.decoder[latent * example.columns + column];
            sums[token * example.columns + column].add(f64::from(activation) * f64::from(weight));
        }
    }
    sums
}

#[test]
fn residuals_losses_and_gradients_of_activations() {
    for example in examples() {
        let columns = example.columns;
        let mut differences = reconstructions(&example);
        differences
            .iter_mut()
            .zip(&example.label)
            .for_each(|(sum, &label)| sum.add(-f64::from(label)));
        let mut residual = vec![Sum::default(); differences.len()];
        for (at, sum) in residual.iter_mut().enumerate() {
            sum.add_sum(differences[at], example.scale[at / columns].into());
        }
        let mut dots = vec![Sum::default(); example.activation.len()];
        for (dot, (token, latent)) in dots.iter_mut().zip(example.pairs()) {
            for column in 0..columns {
                let weight = example.decoder[latent * columns + column];
                dot.add_sum(residual[token * columns + column], weight.into());
            }
        }
        for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
            let found = found(&example, isa, width);
            assert_close(&found.residual, &residual);
            assert_close(&found.dots, &dots);
            for (token, &squared) in found.squared.iter().enumerate() {
                let row = &differences[token * columns..(token + 1) * columns];
                let value: f64 = row.iter().map(|sum| sum.value * sum.value).sum();
                let size: f64 = row.iter().map(|sum| sum.size * sum.size).sum();
                assert!(
                    (squared - value).abs() <= 1e-6 * size,
                    "{squared} in place of {value}"
                );
            }
        }
    }
}

/// A prefix is what a dictionary of its latents alone is; what a latent sees is the sum over the prefixes that it is in.
#[test]
fn prefixes_reconstruct_by_themselves() {
    for example in examples() {
        let latents = example.latents as u32;
        let mut prefixes: Vec<Prefix> = [(latents / 3, 0.5), (latents / 2, 2.0), (latents, 1.0)]
            .map(|(latents, weight)| Prefix { latents, weight })
            .to_vec();
        prefixes.dedup_by_key(|prefix| prefix.latents);
        for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
            let found = found_by(&example, &prefixes, isa, width);
            let alone: Vec<Found> = prefixes
                .iter()
                .map(|prefix| self::found(&example.of_the_first(prefix.latents as usize), isa, width))
                .collect();
            let (mut residual, mut squared) = (Vec::new(), Vec::new());
            for at in 0..prefixes.len() {
                for place in 0..example.label.len() {
                    let longer = prefixes[at..].iter().zip(&alone[at..]);
                    let blame = longer.map(|(prefix, alone)| prefix.weight * alone.residual[place]);
                    residual.push(blame.sum::<f32>());
                }
                squared.extend(alone[at].squared.iter().map(|squared| *squared as f32));
            }
            assert_near(&found.residual, &residual);
            let ours: Vec<f32> = found.squared.iter().map(|squared| *squared as f32).collect();
            assert_near(&ours, &squared);
            let dots = example.pairs().into_iter().map(|(token, latent)| {
                let at = prefixes.partition_point(|prefix| prefix.latents as usize <= latent);
                let row = (at * example.tokens + token) * example.columns;
                let weights = &example.decoder[latent * example.columns..][..example.columns];
                let products = residual[row..].iter().zip(weights).map(|(a, b)| a * b);
                products.sum::<f32>()
            });
            assert_near(&found.dots, &dots.collect::<Vec<_>>());
        }
    }
}

/// Asserts that numbers agree to four digits of the largest.
fn assert_near(ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0f32, |largest, number| largest.max(number.abs()));
    for (ours, expected) in ours.iter().zip(expected) {
        assert!(
            (ours - expected).abs() <= 1e-4 * largest,
            "{ours} in place of {expected}"
        );
    }
}

#[test]
fn products_of_chosen_rows() {
    for example in examples() {
        let columns = example.columns;
        let mut expected = vec![Sum::default(); example.activation.len()];
        for (sum, (token, latent)) in expected.iter_mut().zip(example.pairs()) {
            for column in 0..columns {
                let left = f64::from(example.label[token * columns + column]);
                sum.add(left * f64::from(example.decoder[latent * columns + column]));
            }
        }
        for isa in sets() {
            let mut dots = vec![9.0; expected.len()];
            gather_in(
                isa,
                example.pattern(),
                &example.label,
                &example.decoder,
                columns,
                &mut dots,
            );
            assert_close(&dots, &expected);
        }
    }
}

#[test]
fn what_is_not_finite_stays_so_and_stays_where_it_is() {
    for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
        let mut example = Example::new(3, 3, 21, Active::Everything);
        example.activation[1] = f32::INFINITY;
        example.decoder[2 * 21 + 20] = f32::NAN;
        example.label[2 * 21 + 4] = f32::NEG_INFINITY;
        let found = found(&example, isa, width);
        assert!(found.residual[..20].iter().all(|number| number.is_infinite()));
        assert!(
            (0..3).all(|token| found.residual[token * 21 + 20].is_nan() && found.squared[token].is_nan())
        );
        assert!(found.residual[21..41].iter().all(|number| number.is_finite()));
        assert!(found.residual[46].is_infinite() && found.residual[47].is_finite());
        assert!(found.dots.iter().all(|dot| !dot.is_finite()));
        example.decoder[2 * 21 + 20] = 1.0;
        example.activation[1] = 0.0;
        let found = self::found(&example, isa, width);
        assert!(found.squared[0].is_finite() && found.squared[1].is_finite());
        assert_eq!(found.squared[2], f64::INFINITY);
        assert!(found.dots[6..].iter().all(|dot| dot.is_infinite()));
    }
}

#[test]
fn threads_make_no_difference() {
    let example = large_example();
    for isa in sets() {
        on_any_threads(|| {
            let found = found(&example, isa, 32);
            let mut dots = vec![0.0; example.activation.len()];
            gather_in(
                isa,
                example.pattern(),
                &example.label,
                &example.decoder,
                example.columns,
                &mut dots,
            );
            let squared = found.squared.iter().map(|squared| squared.to_bits() as u32);
            let all = [&found.residual, &found.dots, &dots];
            all.into_iter()
                .flat_map(|numbers| bits(numbers))
                .chain(squared)
                .collect()
        });
    }
}
