//! Pairs by latent, against a stable sort.

use super::{LARGE, ORDERS};
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Kind, Tensor};

/// Pairs of so many tokens, each with up to `k` of the latents, ascending; what is over holds the number of latents.
fn pairs(tokens: i64, k: i64, latents: i64) -> (Pairs, Vec<Vec<i32>>) {
    let mut draw = Numbers::new((tokens * 7 + k * 3 + latents) as u64);
    let mut each = Vec::new();
    for token in 0..tokens {
        let mut chosen: Vec<i32> = draw
            .numbers((k * (token % 3) / 2).clamp(0, k) as usize)
            .iter()
            .map(|number| (number.abs() * 1e4) as i32 % latents as i32)
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        each.push(chosen);
    }
    let mut index: Vec<i32> = Vec::new();
    for chosen in &each {
        index.extend(chosen);
        index.extend(vec![latents as i32; k as usize - chosen.len()]);
    }
    let listed: Vec<i32> = each.iter().map(|chosen| chosen.len() as i32).collect();
    let index = Tensor::from_slice(&index).view([tokens, k]);
    let pairs = Pairs {
        value: index.to_kind(Kind::Float),
        index,
        listed: Tensor::from_slice(&listed),
        places: None,
    };
    (pairs, each)
}

#[test]
fn pairs_come_by_latent_and_then_by_token() {
    for (tokens, k, latents) in [
        (1, 1, 1),
        (7, 3, 40),
        (32, 5, 63),
        (33, 5, 64),
        (257, 9, 65),
        (300, 40, 1000),
        (700, 2, 300),
    ] {
        let (pairs, each) = pairs(tokens, k, latents);
        let mut expected = Vec::new();
        for (token, chosen) in each.iter().enumerate() {
            let places = (token as i64 * k)..;
            expected.extend(chosen.iter().zip(places).map(|(latent, place)| (*latent, place)));
        }
        expected.sort_unstable();
        let order: Vec<i64> = expected.iter().map(|(_, place)| *place).collect();
        let ends = (0..=latents)
            .map(|latent| expected.iter().filter(|(of, _)| i64::from(*of) < latent).count() as i64);
        let ends: Vec<i64> = ends.collect();
        for emulated in ORDERS.iter().chain([&LARGE]) {
            let what = format!("{tokens} tokens, {k} of {latents}");
            let sorted = ByLatent::new(emulated, &pairs, latents).expect("sorted");
            let (found, bounds) = sorted.parts();
            let found = Vec::<i64>::try_from(found).expect("numbers");
            assert_eq!(found[..order.len()], order, "{what}");
            assert_eq!(Vec::<i64>::try_from(bounds).expect("numbers"), ends, "{what}");
            let counts = Vec::<f32>::try_from(sorted.counts()).expect("numbers");
            let expected: Vec<f32> = ends.windows(2).map(|ends| (ends[1] - ends[0]) as f32).collect();
            assert_eq!(counts, expected, "{what}");
            let total = sorted.total().expect("a number").int64_value(&[]);
            assert_eq!(total, order.len() as i64, "{what}");
        }
    }
}
