//! Pairs that lie one after the other against the same pairs with room for equally many of each token, and what activation
//! functions make of pairs.

use super::gradients::Example;
use super::{LARGE, ORDERS};
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::decode::{Batch, decode, residual, slopes};
use crate::kernels::cuda::gate::{Gate, gate};
use crate::kernels::cuda::launcher::Launcher;
use crate::kernels::cuda::pairs::{Pairs, Places};
use crate::kernels::cuda::prefixes::Prefixes;
use crate::tensor::{Device, Kind, Tensor};

/// Returns which places of `pairs` hold a pair.
fn is_there(pairs: &Pairs) -> Tensor {
    let place = Tensor::arange(pairs.stride(), (Kind::Int, Device::Cpu)).unsqueeze(0);
    place.lt_tensor(&pairs.listed.unsqueeze(1))
}

/// Returns the same pairs one after the other, and behind them two places that are left over.
fn in_a_row(pairs: &Pairs, latents: i64) -> Pairs {
    let there = is_there(pairs);
    let token = Tensor::arange(pairs.tokens(), (Kind::Int, Device::Cpu)).unsqueeze(1);
    let packed = |x: &Tensor, over: i64| {
        let some = x.masked_select(&there);
        Tensor::cat(&[&some, &some.new_full([2], over, (some.kind(), Device::Cpu))], 0)
    };
    let ends = pairs.listed.cumsum(0, Kind::Int);
    Pairs {
        index: packed(&pairs.index, latents),
        value: packed(&pairs.value, 0),
        listed: pairs.listed.shallow_clone(),
        places: Some(Places {
            starts: Tensor::cat(&[&ends.new_zeros([1], (Kind::Int, Device::Cpu)), &ends], 0),
            token: packed(&token.expand_as(&pairs.index), 0),
        }),
    }
}

/// Everything that is computed of pairs: residuals, squared errors, slopes, sums by latent of rows and of numbers, sums by token.
fn computed(launcher: &dyn Launcher, example: &Example, pairs: &Pairs, prefixes: &Prefixes) -> Vec<Tensor> {
    let batch = Batch {
        pairs,
        reached: &pairs.index,
        decoder: &example.decoder,
        bias: Some(&example.bias),
        label: &example.label,
        prefixes,
        scale: 3.0,
    };
    let (errors, squared) = residual(launcher, &batch).expect("errors");
    let slopes = slopes(launcher, &batch, &errors).expect("slopes");
    let by_latent = ByLatent::new(launcher, pairs, example.latents()).expect("sorted");
    let (sums, weights) = by_latent
        .sums(launcher, &errors, &pairs.value, Some(prefixes))
        .expect("sums");
    let numbers = by_latent.number_sums(launcher, &pairs.value).expect("sums");
    let by_token = pairs.sums_by_token(launcher, &pairs.value).expect("sums");
    let slopes_by_token = pairs.sums_by_token(launcher, &slopes).expect("sums");
    vec![errors, squared, sums, weights, numbers, by_token, slopes_by_token]
}

#[test]
fn pairs_in_a_row_have_the_bits_of_pairs_with_room() {
    for (tokens, k, latents, width, full) in [
        (1, 1, 1, 1, true),
        (1, 1, 3, 1, false),
        (7, 3, 40, 33, false),
        (13, 90, 100, 300, false),
        (5, 40, 40, 64, true),
    ] {
        let example = Example::new(tokens, k, latents, width, full);
        // Pairs that are off are looked at by nobody.
        let _ = example.pairs.value.view([-1]).get(0).zero_();
        let flat = in_a_row(&example.pairs, latents);
        for prefixes in [
            vec![(latents, 1.0)],
            vec![(latents / 3, 0.5), (latents / 2, 0.25), (latents, 2.0)],
        ] {
            let held = Prefixes::new(&prefixes, Device::Cpu).expect("prefixes");
            let expected = computed(&ORDERS[0], &example, &example.pairs, &held);
            for launcher in ORDERS.iter().chain([&LARGE]) {
                let found = computed(launcher, &example, &flat, &held);
                let again = computed(launcher, &example, &example.pairs, &held);
                for (at, (found, expected)) in found.iter().zip(&again).enumerate() {
                    assert!(found.equal(expected), "{tokens}, {prefixes:?}: {at}");
                }
                // Squares are added by threads, of which blocks may have more or fewer.
                let apart = (&found[2] - &expected[2]).abs().max().double_value(&[]);
                assert_eq!(apart, 0.0);
            }
        }
        let close = |found: &Tensor, expected: &Tensor| {
            let apart = (found.to_kind(Kind::Double) - expected).abs().max();
            assert!(apart.double_value(&[]) < 1e-6 * (1.0 + k as f64), "{apart}");
        };
        let held = Prefixes::new(&[(latents, 1.0)], Device::Cpu).expect("prefixes");
        let found = computed(&LARGE, &example, &flat, &held);
        let wide = example.pairs.value.to_kind(Kind::Double);
        close(
            &found[5],
            &wide.sum_dim_intlist([1i64].as_slice(), false, None::<Kind>),
        );
        close(&found[4], &found[3].to_kind(Kind::Double));
    }
}

#[test]
fn tokens_with_few_pairs_and_with_many_are_decoded_at_once() {
    for (tokens, k, latents, width) in [
        (1, 1, 1, 1),
        (9, 40, 90, 13),
        (6, 90, 100, 300),
        (3, 200, 210, 1030),
    ] {
        let example = Example::new(tokens, k, latents, width, false);
        let flat = in_a_row(&example.pairs, latents);
        let held = Prefixes::new(&[(latents, 0.5)], Device::Cpu).expect("prefixes");
        let reached = flat.index.masked_fill(&flat.index.remainder(3).eq(1), -1);
        let is_off = reached.eq(-1);
        let on = flat
            .with_values(&flat.value.masked_fill(&is_off, 0.0))
            .expect("pairs");
        let batch = Batch {
            pairs: &on,
            reached: &reached,
            decoder: &example.decoder,
            bias: Some(&example.bias),
            label: &example.label,
            prefixes: &held,
            scale: 3.0,
        };
        for launcher in ORDERS.iter().chain([&LARGE]) {
            let found = decode(launcher, &batch).expect("decoded").expect("at once");
            let (errors, squared) = residual(launcher, &batch).expect("errors");
            let slopes = slopes(launcher, &batch, &errors).expect("slopes");
            for (found, expected) in [
                (&found.residual, &errors),
                (&found.squared, &squared),
                (&found.slopes, &slopes),
            ] {
                let apart = (found - expected).abs().max().double_value(&[]);
                let size = expected.abs().max().double_value(&[]);
                assert!(
                    apart <= 1e-5 * size,
                    "{tokens} tokens, {width} columns: {apart} of {size}"
                );
            }
        }
    }
}

#[test]
fn what_is_off_is_not_looked_at() {
    let example = Example::new(5, 6, 30, 17, true);
    let is_off = Tensor::arange(30, (Kind::Int64, Device::Cpu))
        .remainder(2)
        .eq(0)
        .view([5, 6]);
    let value = example.pairs.value.masked_fill(&is_off, 0.0);
    let pairs = example.pairs.with_values(&value).expect("pairs");
    let reached = pairs.index.masked_fill(&is_off, -1);
    let off = pairs.index.masked_select(&is_off).to_kind(Kind::Int64);
    let on = pairs
        .index
        .masked_select(&is_off.logical_not())
        .to_kind(Kind::Int64);
    let only_off = Tensor::zeros([30], (Kind::Bool, Device::Cpu))
        .index_fill(0, &off, 1)
        .index_fill(0, &on, 0);
    // Were a row of these read, it would show.
    let decoder = example.decoder.masked_fill(&only_off.unsqueeze(1), f64::NAN);
    assert!(decoder.isnan().any().int64_value(&[]) == 1);
    let held = Prefixes::new(&[(30, 1.0)], Device::Cpu).expect("prefixes");
    let batch = Batch {
        pairs: &pairs,
        reached: &reached,
        decoder: &decoder,
        bias: None,
        label: &example.label,
        prefixes: &held,
        scale: 1.0,
    };
    for launcher in ORDERS {
        let (errors, _) = residual(&launcher, &batch).expect("errors");
        let at_once = decode(&launcher, &batch).expect("decoded").expect("at once");
        assert_eq!(at_once.residual.isnan().any().int64_value(&[]), 0);
        assert_eq!(at_once.slopes.isnan().any().int64_value(&[]), 0);
        let slopes = slopes(&launcher, &batch, &errors).expect("slopes");
        assert_eq!(slopes.masked_select(&is_off).abs().max().double_value(&[]), 0.0);
        assert_eq!(
            (
                errors.isnan().any().int64_value(&[]),
                slopes.isnan().any().int64_value(&[])
            ),
            (0, 0)
        );
    }
}

#[test]
fn activation_functions_leave_what_is_above_and_say_what_is_near() {
    let nan = f32::NAN;
    let index = [0i32, 1, 2, 3, 0, 1, 2, 3, 4];
    let value = [1.0f32, -1.0, 0.5, nan, 0.2, 0.3, 2.0, f32::INFINITY, 0.0];
    let factor = Tensor::from_slice(&[2.0f32, 1.0, 0.5, 1.0]);
    let threshold = Tensor::from_slice(&[1.0f32, 0.35, 0.3, 1.0]);
    let count = index.len() as i64;
    let pairs = Pairs {
        index: Tensor::from_slice(&index),
        value: Tensor::from_slice(&value),
        listed: Tensor::from_slice(&[count as i32 - 1]),
        places: Some(Places {
            starts: Tensor::from_slice(&[0, count as i32 - 1]),
            token: Tensor::zeros([count], (Kind::Int, Device::Cpu)),
        }),
    };
    let zero = 0.0f32;
    for (threshold, acts, on, reached) in [
        (
            None,
            [1.0, zero, 0.5, nan, 0.2, 0.3, 2.0, f32::INFINITY, 0.0],
            [1.0, zero, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0],
            [0, -1, 2, 3, 0, 1, 2, 3, -1],
        ),
        (
            Some(&threshold),
            // Times their factors: 2, -1, 0.25, NaN, 0.4, 0.3, 1, infinity.
            [1.0, 0.0, 0.0, nan, 0.0, 0.0, 2.0, f32::INFINITY, 0.0],
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0],
            [0, -1, 2, 3, -1, 1, 2, 3, -1],
        ),
    ] {
        for launcher in ORDERS {
            let compared = Gate {
                factor: Some(&factor),
                threshold,
                reach: 0.1,
            };
            let gated = gate(&launcher, &pairs, 4, &compared).expect("gated");
            let numbers = |x: &Tensor| Vec::<f32>::try_from(x).expect("numbers");
            let found = numbers(&gated.activation);
            let same = found
                .iter()
                .zip(acts)
                .all(|(a, b)| *a == b || a.is_nan() && b.is_nan());
            assert!(same, "{found:?}");
            assert_eq!(numbers(&gated.on), on);
            assert_eq!(Vec::<i32>::try_from(&gated.reached).expect("numbers"), reached);
        }
    }
}
