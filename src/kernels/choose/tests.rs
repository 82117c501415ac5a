use super::super::select::rank;
use super::*;

/// Numbers from −1 to 1 that look random.
pub fn drawn(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Numbers with ties, zeros, NaN and infinity among them.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let strange = [0.0, -0.0, 0.25, 0.25, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    drawn(count, seed)
        .into_iter()
        .enumerate()
        .map(|(at, number)| {
            if at % 29 == 0 {
                strange[at / 29 % strange.len()]
            } else {
                number
            }
        })
        .collect()
}

/// All pairs of each row, one head after the other.
fn pairs(hidden_pre: &[f32], latents: usize, heads: usize) -> Vec<Vec<(u32, f32)>> {
    let of_row = |row: &[f32]| {
        let all = (0..heads * latents).map(|at| (at as u32, row[at % latents]));
        all.collect()
    };
    hidden_pre.chunks(latents).map(of_row).collect()
}

/// What is selected of a batch.
#[derive(Clone, Copy, Debug)]
enum Keep<'a> {
    Largest(usize),
    Above(&'a [f32]),
    Batch(usize),
}

/// All of a batch at once, by sorting.
fn sorted(hidden_pre: &[f32], latents: usize, factor: &[f32], keep: Keep<'_>) -> Rows {
    let mut rows = Rows {
        offsets: vec![0],
        ..Rows::default()
    };
    let score = |(index, value): (u32, f32)| value * factor[index as usize];
    let mut put = |pairs: Vec<(u32, f32)>| {
        rows.index.extend(pairs.iter().map(|pair| pair.0));
        rows.value.extend(pairs.iter().map(|pair| pair.1));
        rows.offsets.push(rows.index.len());
    };
    let hidden = pairs(hidden_pre, latents, factor.len() / latents).into_iter();
    match keep {
        Keep::Largest(count) => {
            for pairs in hidden {
                let mut kept: Vec<(u32, f32)> = Vec::new();
                for head in pairs.chunks(latents) {
                    let mut order: Vec<(u32, f32)> = head
                        .iter()
                        .copied()
                        .filter(|pair| rank(score(*pair)).is_some())
                        .collect();
                    order.sort_by_key(|pair| (std::cmp::Reverse(rank(score(*pair))), pair.0));
                    order.truncate(count);
                    order.sort_by_key(|pair| pair.0);
                    kept.extend(order);
                }
                put(kept);
            }
        }
        Keep::Batch(_) => {
            let mut cut = cut_of(hidden_pre, latents, factor, keep);
            hidden.for_each(|pairs| put(pairs.into_iter().filter(|pair| cut.takes(score(*pair))).collect()));
        }
        Keep::Above(bounds) => hidden.for_each(|pairs| {
            let over = |pair: &(u32, f32)| {
                let score = score(*pair);
                score > bounds[pair.0 as usize] || score.is_nan()
            };
            put(pairs.into_iter().filter(over).collect());
        }),
    }
    rows
}

/// Returns the cut of a batch whose latents compete, and else one that takes nothing.
fn cut_of(hidden_pre: &[f32], latents: usize, factor: &[f32], keep: Keep<'_>) -> Cut {
    let Keep::Batch(count) = keep else {
        return Cut::NOTHING;
    };
    let pairs = pairs(hidden_pre, latents, factor.len() / latents)
        .into_iter()
        .flatten();
    let ranks = pairs.filter_map(|(index, value)| rank(value * factor[index as usize]));
    Cut::largest(&mut ranks.collect::<Vec<_>>(), count)
}

#[test]
fn what_is_selected_is_what_sorting_selects() {
    for (rows, latents, heads) in [(1, 1, 1), (7, 5, 2), (40, 100, 3), (33, 64, 1)] {
        let hidden_pre = numbers(rows * latents, 7);
        let factor: Vec<f32> = numbers(heads * latents, 11)
            .iter()
            .map(|number| if number.is_finite() { number.abs() } else { 0.0 })
            .collect();
        let bounds: Vec<f32> = factor.iter().map(|factor| factor * 0.5).collect();
        let few = [
            Keep::Largest(0),
            Keep::Largest(3),
            Keep::Largest(latents),
            Keep::Above(&bounds),
        ];
        let batch = [0, 1, rows * 3, rows * latents * heads].map(Keep::Batch);
        for keep in few.into_iter().chain(batch) {
            let (mut chooser, mut out) = (Chooser::default(), Rows::default());
            for _ in 0..2 {
                chooser.begin(&mut out);
                let mut cut = cut_of(&hidden_pre, latents, &factor, keep);
                for block in hidden_pre.chunks(latents * 9) {
                    let wanted = match keep {
                        Keep::Largest(count) => Wanted::Largest(count),
                        Keep::Above(bounds) => Wanted::Above(bounds),
                        Keep::Batch(_) => Wanted::Over(&mut cut),
                    };
                    chooser.add((block, latents), &factor, wanted, &mut out);
                }
                let expected = sorted(&hidden_pre, latents, &factor, keep);
                let shape = (rows, latents, heads, keep);
                assert_eq!(
                    (&out.offsets, &out.index),
                    (&expected.offsets, &expected.index),
                    "{shape:?}"
                );
                assert_eq!(out.bare, expected.bare);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&out.value), bits(&expected.value), "{shape:?}");
            }
        }
    }
}
