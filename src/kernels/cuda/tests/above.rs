//! Encoding of what is above its bound against the kernels of the processor.

use super::ORDERS;
use super::cases::{Case, by_row};
use crate::kernels::cuda::above::{Above, Bounds, above, above_within};
use crate::kernels::cuda::estimate::Counted;
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::screen::{Keep, Rows};
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Device, Kind, Tensor};

/// Bounds of a case, and spans above them.
struct Over {
    bounds: Vec<f32>,
    spans: Option<Vec<f32>>,
}

impl Over {
    fn new(case: &Case, size: f32, has_spans: bool) -> Self {
        let mut draw = Numbers::new(case.latents() as u64);
        let mut sizes = |size: f32| -> Vec<f32> {
            let drawn = draw.numbers(case.latents());
            drawn.iter().map(|number| number.abs() * size).collect()
        };
        Over {
            bounds: sizes(size),
            spans: has_spans.then(|| sizes(2.0 * size)),
        }
    }
}

/// Returns what is found, with estimates of at most `bytes` at a time, and how many pairs that are.
fn found(case: &Case, over: &Over, order: usize, bytes: i64) -> (Above, i64) {
    let given = case.given();
    let bounds = Tensor::from_slice(&over.bounds);
    let spans = over.spans.as_ref().map(|spans| Tensor::from_slice(spans));
    let bounds = Bounds {
        bounds: &bounds,
        spans: spans.as_ref(),
    };
    let mut counted = Counted::new(Device::Cpu).expect("room to count");
    let encoder = given.encoder();
    let most = (i64::MAX, bytes);
    let (count, found) =
        above_within(&ORDERS[order], &given.x, (&encoder, &bounds), most, &mut counted).expect("found");
    let found = found.expect("there is room");
    let counts = counted.counts().expect("counts");
    let bare = found.bare.as_ref().map_or(0, listed);
    assert_eq!(
        (counts.rows, counts.full, counts.candidates as i64),
        (case.rows(), 0, count - bare)
    );
    (found, count)
}

fn listed(pairs: &Pairs) -> i64 {
    pairs.listed.sum(Kind::Int64).int64_value(&[])
}

/// Compares with the processor what is found, all rows at once and two rows at a time.
fn check(case: &Case, over: &Over, what: &str) {
    let expected = case.expected(Keep::Above(&over.bounds));
    for order in [0, 1] {
        let bytes = if order == 0 {
            1 << 30
        } else {
            8 * case.latents() as i64
        };
        let (found, count) = found(case, over, order, bytes);
        let mut rows = by_row(&found.pairs, case.latents());
        assert_eq!(
            rows.iter().map(Vec::len).sum::<usize>() as i64 + found.bare.as_ref().map_or(0, listed),
            count,
            "{what}"
        );
        // A few are not above their bounds, which their numbers tell.
        for row in &mut rows {
            row.retain(|(latent, value)| {
                let bound = over.bounds[*latent as usize];
                let score = case.score(*latent as usize, *value);
                score > bound || score.is_nan() || bound.is_nan()
            });
        }
        if let Some(bare) = &found.bare {
            add_bare(case, over, &expected, &bare_rows(bare), &mut rows);
        }
        case.check(&rows, &expected, what);
    }
}

fn bare_rows(bare: &Pairs) -> Vec<Vec<u32>> {
    let values = bare.value.zeros_like();
    let bare = bare.with_values(&values).expect("pairs");
    let rows = by_row(&bare, usize::MAX);
    rows.iter()
        .map(|row| row.iter().map(|(latent, _)| *latent).collect())
        .collect()
}

/// Gives the bare pairs the numbers that they should have, and sees that these are within their spans.
fn add_bare(case: &Case, over: &Over, expected: &Rows, bare: &[Vec<u32>], rows: &mut [Vec<(u32, f32)>]) {
    let spans = over.spans.as_ref().expect("there are spans");
    for (row, bare) in bare.iter().enumerate() {
        for latent in bare {
            let range = expected.offsets[row]..expected.offsets[row + 1];
            let place = expected.index[range.clone()]
                .binary_search(latent)
                .expect("it is above");
            let value = expected.value[range.start + place];
            let at = *latent as usize;
            let score = case.score(at, value);
            assert!(
                over.bounds[at] < score && score < over.bounds[at] + spans[at],
                "{score}"
            );
            rows[row].push((*latent, value));
        }
        rows[row].sort_by_key(|(latent, _)| *latent);
    }
}

#[test]
fn odd_sizes_find_what_the_processor_finds() {
    for (rows, width, latents) in [
        (1, 1, 1),
        (3, 5, 1),
        (2, 16, 40),
        (13, 7, 33),
        (20, 33, 700),
        (5, 300, 513),
    ] {
        let mut case = Case::new(rows, width, latents);
        let what = format!("{rows} x {width} x {latents}");
        for (size, has_spans) in [(0.0, false), (1.0, false), (1.0, true), (100.0, true)] {
            check(&case, &Over::new(&case, size, has_spans), &what);
        }
        case.factor = None;
        check(&case, &Over::new(&case, 0.5, true), "without factors");
    }
}

#[test]
fn spans_leave_most_of_what_is_within_without_a_number() {
    let case = Case::new(12, 40, 300);
    let over = Over {
        bounds: vec![0.1; 300],
        spans: Some(vec![1.0; 300]),
    };
    let (found, count) = found(&case, &over, 0, 1 << 30);
    let bare = listed(&found.bare.expect("some are bare"));
    assert!(bare > count / 3, "{bare} of {count}");
}

#[test]
fn nothing_everything_and_more_than_there_is_room_for() {
    let mut case = Case::new(4, 6, 90);
    check(&case, &Over::new(&case, 1e9, false), "nothing");
    case.bias.fill(1e4);
    case.factor = None;
    let all = Over::new(&case, 1.0, false);
    check(&case, &all, "everything");
    let given = case.given();
    let bounds = Tensor::from_slice(&all.bounds);
    let bounds = Bounds {
        bounds: &bounds,
        spans: None,
    };
    for (most, has_room) in [(359, false), (360, true)] {
        let mut counted = Counted::new(Device::Cpu).expect("room to count");
        let (count, found) = above(
            &ORDERS[0],
            &given.x,
            &given.encoder(),
            &bounds,
            most,
            &mut counted,
        )
        .expect("found");
        assert_eq!((count, found.is_some()), (360, has_room));
    }
    case.x.clear();
    check(&case, &all, "no rows");
}

#[test]
fn numbers_without_a_bound_are_found_all_the_same() {
    let plain = Case::new(4, 9, 150);
    Case::each_odd(4, |case, odd, what| {
        for has_spans in [false, true] {
            let mut over = Over::new(&plain, 1.0, has_spans);
            check(case, &over, what);
            over.bounds[33] = odd.abs();
            check(case, &over, &format!("{what} and as a bound"));
        }
    });
}

#[test]
fn every_size_of_number_is_exact() {
    for x in [1e-44f32, 1e-38, 1e-22, 1.0, 1e11, 1e19] {
        for weight in [1e-30f32, 1.0, 1e15] {
            let mut case = Case::new(3, 19, 37);
            case.x.iter_mut().for_each(|value| *value *= x);
            case.weight.iter_mut().for_each(|value| *value *= weight);
            case.bias.iter_mut().for_each(|value| *value *= x);
            let over = Over::new(&case, x * weight, false);
            check(&case, &over, &format!("x {x}, weights {weight}"));
        }
    }
}
