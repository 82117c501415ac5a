use super::super::choose::tests::drawn;
use super::super::choose::{Chooser, Wanted};
use super::super::screen::Rows;
use super::*;

/// Returns the cut of scores by sorting.
fn sorted(hidden_pre: &[f32], latents: usize, factor: &[f32], count: usize) -> Cut {
    let scores = hidden_pre.chunks(latents).flat_map(|row| {
        let heads = factor.chunks(latents);
        heads.flat_map(move |factor| row.iter().zip(factor).map(|(value, factor)| value * factor))
    });
    Cut::largest(&mut scores.filter_map(rank).collect::<Vec<_>>(), count)
}

/// Returns the cut of rows that come `at_a_time`, and how often they have been looked at.
fn found(
    hidden_pre: &[f32],
    (latents, at_a_time): (usize, usize),
    factor: &[f32],
    count: usize,
) -> (Cut, usize) {
    let mut search = CutSearch::default();
    search.begin(count, hidden_pre.len() / latents);
    for round in 1..9 {
        for rows in hidden_pre.chunks(latents * at_a_time) {
            search.look(rows, latents, factor);
        }
        let least = search.least();
        if let Some(cut) = search.end() {
            assert!(least.is_none_or(|least| least.rank <= cut.rank || cut.rank == 0));
            return (cut, round);
        }
    }
    panic!("no cut of {count}");
}

const LATENTS: usize = 37;
const ROWS: usize = 50;

/// Returns batches that are all strange in another way.
fn batches() -> Vec<Vec<f32>> {
    const EARLY: usize = 900;
    let strange = [
        0.0,
        -0.0,
        0.25,
        0.25,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        -f32::NAN,
        1e-44,
        1e-40,
        f32::MAX,
    ];
    let plain = drawn(LATENTS * ROWS, 7);
    let mut with_strange = plain.clone();
    let places = with_strange.iter_mut().step_by(29);
    places
        .zip(strange.iter().cycle())
        .for_each(|(number, strange)| *number = *strange);
    let each = |change: &dyn Fn(usize, f32) -> f32| {
        let changed = plain.iter().enumerate().map(|(at, number)| change(at, *number));
        changed.collect::<Vec<f32>>()
    };
    // In some the last rows are far from the first ones.
    vec![
        each(&|_, number| number),
        with_strange,
        each(&|at, number| number * 2f32.powi(at as i32 / 60)),
        each(&|at, number| number * 0.5f32.powi(at as i32 / 20)),
        each(&|_, _| 0.5),
        each(&|_, _| f32::NAN),
        each(&|at, number| if at < EARLY { -1.0 } else { number }),
        each(&|at, number| if at < EARLY { f32::NAN } else { number }),
    ]
}

#[test]
fn the_cut_is_that_of_sorting_whatever_the_drawn() {
    let ones = vec![1f32; LATENTS];
    let heads: Vec<f32> = drawn(2 * LATENTS, 11).iter().map(|number| number.abs()).collect();
    let all = LATENTS * ROWS;
    for (number, batch) in batches().iter().enumerate() {
        let factor = [&ones, &heads][number % 2];
        for count in [0, 1, 17, 400, all / 2, 2 * all + 1] {
            let expected = sorted(batch, LATENTS, factor, count);
            for at_a_time in [7, ROWS] {
                let (cut, rounds) = found(batch, (LATENTS, at_a_time), factor, count);
                assert_eq!(cut, expected, "{number}, {count}, {at_a_time}");
                assert!(rounds <= 3, "{number}, {count}, {at_a_time}: {rounds} rounds");
            }
        }
    }
}

#[test]
fn rows_like_the_first_ones_are_looked_at_once() {
    const LATENTS: usize = 512;
    let batch = drawn(LATENTS * 2048, 3);
    let ones = vec![1f32; LATENTS];
    for count in [2048 * 5, 2048 * 60, 2048 * 200] {
        assert_eq!(found(&batch, (LATENTS, 256), &ones, count).1, 1, "{count}");
    }
}

#[test]
fn no_rows_have_a_cut() {
    assert_eq!(found(&[], (3, 2), &[1.0; 3], 5), (Cut { rank: 0, ties: 0 }, 1));
}

#[test]
fn what_a_cut_takes_of_blocks_is_what_it_takes_of_the_batch() {
    const LATENTS: usize = 40;
    let mut batch = drawn(LATENTS * 60, 5);
    batch.iter_mut().step_by(3).for_each(|number| *number = 0.5);
    let factor: Vec<f32> = [1.0, 2.0]
        .iter()
        .flat_map(|factor| vec![*factor; LATENTS])
        .collect();
    for count in [3, 500, 900, 3000] {
        let all = sorted(&batch, LATENTS, &factor, count);
        let (mut chooser, mut rows, mut whole) = (Chooser::default(), Rows::default(), Rows::default());
        let mut add = |rows: &[f32], cut: &mut Cut, out: &mut Rows| {
            chooser.begin(out);
            chooser.add((rows, LATENTS), &factor, Wanted::Over(cut), out);
        };
        add(&batch, &mut all.clone(), &mut whole);
        assert_eq!(whole.index.len(), count);
        let (mut left, mut index) = (all, Vec::new());
        for block in batch.chunks(7 * LATENTS) {
            add(block, &mut left, &mut rows);
            index.extend_from_slice(&rows.index);
        }
        assert_eq!(index, whole.index);
        assert_eq!(left.ties, 0);
    }
}
