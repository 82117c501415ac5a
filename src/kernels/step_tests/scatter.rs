use super::{Example, Numbers, Sum, assert_close, bits, examples, large_example, on_any_threads, sets};
use crate::kernels::by_latent::ByLatent;
use crate::kernels::isa::Isa;
use crate::kernels::marked::Marked;
use crate::kernels::rest::{Rest, Sums};
use crate::kernels::scatter::{Addends, Given, Onto, scatter_in};
use crate::kernels::strided::Strided;
use crate::kernels::tiles::Tiles;

/// Returns the gradient of the decoder, where labels are taken for residuals.
fn found(example: &Example, isa: Isa, width: usize) -> Vec<f32> {
    found_onto(example, isa, width, Onto::default())
}

/// Returns the same added onto something.
fn found_onto(example: &Example, isa: Isa, width: usize, onto: Onto<'_>) -> Vec<f32> {
    let (mut order, mut tokens, mut weight) = (ByLatent::default(), Tiles::default(), vec![]);
    order.sort(example.pattern());
    order.permute(&example.activation, &mut weight);
    tokens.pack(&example.label, example.tokens, example.columns, width);
    let mut gradient = vec![9.0; example.decoder.len()];
    // Also in two parts, which are of the same tokens here.
    let middle = example.latents / 3;
    let addends = [middle, example.latents].map(|end| Addends { end, tokens: &tokens });
    scatter_in(isa, order.pattern(), &weight, &addends, onto, &mut gradient);
    gradient
}

#[test]
fn gradients_of_weights() {
    for example in examples() {
        let columns = example.columns;
        let mut expected = vec![Sum::default(); example.decoder.len()];
        for ((token, latent), &activation) in example.pairs().into_iter().zip(&example.activation) {
            for column in 0..columns {
                let number = f64::from(example.label[token * columns + column]);
                expected[latent * columns + column].add(f64::from(activation) * number);
            }
        }
        for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
            assert_close(&found(&example, isa, width), &expected);
        }
    }
}

#[test]
fn gradients_are_added_onto_rows_times_their_factors() {
    for example in examples() {
        let (columns, factor) = (example.columns, Numbers::new(5).numbers(example.latents));
        for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
            let alone = found(&example, isa, width);
            let nothing = vec![0.0; alone.len()];
            for (given, rows) in [
                (Given::Nothing, nothing),
                (Given::Rows(&factor, &example.decoder), example.decoder.clone()),
                (
                    Given::Row(&factor, &example.bias),
                    example.bias.repeat(example.latents),
                ),
            ] {
                for held in [false, true] {
                    let mut expected = vec![Sum::default(); alone.len()];
                    for (at, expected) in expected.iter_mut().enumerate() {
                        expected.add(alone[at].into());
                        expected.add(f64::from(factor[at / columns]) * f64::from(rows[at]));
                        // What stands there in these tests.
                        expected.add(if held { 9.0 } else { 0.0 });
                    }
                    let onto = Onto { held, given };
                    assert_close(&found_onto(&example, isa, width, onto), &expected);
                }
            }
        }
    }
}

#[test]
fn sums_over_the_tokens_that_latents_do_not_have() {
    for example in examples().into_iter().chain([large_example()]) {
        let columns = example.columns;
        let mut all = vec![0.0; columns];
        for row in example.label.chunks(columns) {
            all.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        let mut expected = vec![Sum::default(); example.decoder.len()];
        for sums in expected.chunks_mut(columns) {
            for (sum, all) in sums.iter_mut().zip(&all) {
                sum.add(f64::from(*all));
            }
        }
        for (token, latent) in example.pairs() {
            for column in 0..columns {
                let number = f64::from(example.label[token * columns + column]);
                expected[latent * columns + column].add(-number);
            }
        }
        let mut without = vec![example.tokens as f32; example.latents];
        for (_, latent) in example.pairs() {
            without[latent] -= 1.0;
        }
        let (mut rest, mut marked) = (Rest::default(), Marked::default());
        // What was there before counts for nothing.
        for example in [&large_example(), &example] {
            rest.take(Strided::whole(&example.label, example.tokens, example.columns));
            marked.clear(example.tokens, example.latents);
            for (token, latent) in example.pairs() {
                marked.mark(token, &[latent as u32]);
            }
        }
        for isa in sets() {
            let (mut sums, mut dots) = (vec![9.0; expected.len()], vec![9.0; example.latents]);
            let mut counts = dots.clone();
            let mut add_up = |held: bool, factor: f32, sums: &mut [f32]| {
                let found = Sums {
                    held,
                    factor: &vec![factor; example.latents],
                    sums,
                    dots: &mut dots,
                    counts: &mut counts,
                };
                rest.add_up_in(isa, &marked, &all, &example.decoder, found);
            };
            add_up(false, 2.0, &mut sums);
            add_up(true, -1.0, &mut sums);
            assert_close(&sums, &expected);
            assert_eq!(counts, without);
            let mut products = vec![Sum::default(); example.latents];
            for (at, (sum, weight)) in sums.iter().zip(&example.decoder).enumerate() {
                products[at / columns].add(f64::from(*sum) * f64::from(*weight));
            }
            assert_close(&dots, &products);
        }
    }
}

#[test]
fn pairs_in_the_order_of_latents() {
    for example in examples().into_iter().chain([large_example()]) {
        let (mut order, mut values) = (ByLatent::default(), vec![]);
        order.sort(large_example().pattern());
        order.sort(example.pattern());
        order.permute(&example.activation, &mut values);
        let mut expected: Vec<_> = example.pairs().into_iter().zip(&example.activation).collect();
        expected.sort_by_key(|&((token, latent), _)| (latent, token));
        let pattern = order.pattern();
        let latents = (0..example.latents).flat_map(|latent| pattern.row(latent).map(move |_| latent));
        let pairs: Vec<_> = pattern
            .index()
            .iter()
            .map(|&token| token as usize)
            .zip(latents)
            .zip(&values)
            .collect();
        assert_eq!(pairs, expected);
        let mut sums = vec![Sum::default(); example.latents];
        expected
            .iter()
            .for_each(|&((_, latent), &value)| sums[latent].add(value.into()));
        let mut found = vec![9.0; example.latents];
        order.add_sums(&values, &mut found);
        sums.iter_mut().for_each(|sum| sum.add(9.0));
        assert_close(&found, &sums);
    }
}

#[test]
fn what_is_not_finite_stays_so_and_stays_where_it_is() {
    for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
        let mut example = Example::new(4, 3, 19, super::Active::Everything);
        example.activation[1] = f32::NAN;
        example.label[3 * 19 + 18] = f32::INFINITY;
        let gradient = found(&example, isa, width);
        assert!(gradient[19..38].iter().all(|number| number.is_nan()));
        assert!([18, 56].into_iter().all(|at| gradient[at].is_infinite()));
        assert!(
            gradient[..18]
                .iter()
                .chain(&gradient[38..56])
                .all(|number| number.is_finite())
        );
    }
}

#[test]
fn threads_make_no_difference() {
    let example = large_example();
    for isa in sets() {
        on_any_threads(|| {
            let mut order = ByLatent::default();
            order.sort(example.pattern());
            bits(&found(&example, isa, 16))
                .chain(order.pattern().index().iter().copied())
                .collect()
        });
    }
}

#[test]
fn tiles_hold_the_matrix() {
    for example in examples() {
        for width in [16, 32] {
            let (mut tiles, mut back) = (Tiles::default(), vec![9.0; example.decoder.len()]);
            tiles.pack(&example.decoder, example.latents, example.columns, width);
            tiles.unpack(&mut back);
            assert_eq!(back, example.decoder);
        }
    }
}
