//! Exact selection among scores: the largest of a row or of a batch.
//!
//! Only scores above zero can be selected, and NaN comes before all others, so that it is not lost but reaches the loss.
//! Among equal scores the smaller row, then the smaller index comes first.

use std::cmp::Reverse;

use crate::native::parallel::{Shared, for_ranges};

/// Returns the place of a score among others as an integer, the larger the earlier. `None` if it cannot be selected.
pub fn rank(score: f32) -> Option<u32> {
    if score.is_nan() {
        Some(u32::MAX)
    } else {
        (score > 0.0).then(|| score.to_bits())
    }
}

/// Returns the `count`-th largest of `values`, which are reordered. `None` if there are fewer or `count` is zero.
pub fn nth_largest<T: Copy + Ord>(values: &mut [T], count: usize) -> Option<T> {
    if count == 0 || count > values.len() {
        return None;
    }
    let (_, value, _) = values.select_nth_unstable_by_key(count - 1, |&value| Reverse(value));
    Some(*value)
}

/// Returns an integer that is ordered as float32 are. NaN come last or first, by their sign.
pub fn ordered(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// Returns the float32 for which [`ordered`] returned this.
pub fn from_ordered(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) as u32 >> 1) as i32) as u32)
}

/// Sets all but the `count` largest of each row of `width` values to 0; of equal ones the first stay, and NaN is larger than any
/// number. `keys` is room for as many.
///
/// # Panics
/// There is not so much room.
pub fn keep_largest_doubles(values: &mut [f64], (width, count): (usize, usize), keys: &mut [i64]) {
    assert_eq!(values.len(), keys.len(), "every value has room for its key");
    if count >= width {
        return;
    }
    let rows = values.len() / width;
    let (values, keys) = (Shared::new(values), Shared::new(keys));
    for_ranges(rows, GRAIN, |range| {
        for row in range {
            let row = row * width..(row + 1) * width;
            // SAFETY: each row is looked at once.
            let (values, keys) = unsafe { (values.part(row.clone()), keys.part(row)) };
            keep_largest_of_row(values, count, keys);
        }
    });
}

/// How many rows are worth a thread.
const GRAIN: usize = 4;

/// Returns an integer that is ordered as float64 are, NaN above all.
pub(super) fn key_of_double(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    let ordered = bits ^ ((bits >> 63) as u64 >> 1) as i64;
    if value.is_nan() { i64::MAX } else { ordered }
}

fn keep_largest_of_row(values: &mut [f64], count: usize, keys: &mut [i64]) {
    for (key, value) in keys.iter_mut().zip(&*values) {
        *key = key_of_double(*value);
    }
    // There is none where none is kept.
    let cut = nth_largest(keys, count).unwrap_or(i64::MAX);
    let over = keys.iter().filter(|&&key| key > cut).count();
    let mut equal = count - over;
    for value in values {
        let key = key_of_double(*value);
        let is_kept = key > cut || key == cut && equal > 0;
        equal -= usize::from(is_kept && key == cut);
        if !is_kept {
            *value = 0.0;
        }
    }
}

/// Keeps the `count` entries with the largest scores, where `score(index, value)` gives an entry's score, in their order.
/// The indices ascend. Returns the least score kept, if `count` were. `keys` is room to work in.
pub fn keep_largest(
    count: usize,
    index: &mut Vec<u32>,
    value: &mut Vec<f32>,
    score: impl Fn(u32, f32) -> f32,
    keys: &mut Vec<u64>,
) -> Option<f32> {
    let key = |index: u32, value: f32| {
        rank(score(index, value)).map(|rank| u64::from(rank) << 32 | u64::from(!index))
    };
    keys.clear();
    keys.extend(
        index
            .iter()
            .zip(value.iter())
            .filter_map(|(&index, &value)| key(index, value)),
    );
    let last = nth_largest(keys, count);
    keep(index, value, |index, value| {
        key(index, value).is_some_and(|key| Some(key) >= last)
    });
    if count == 0 {
        index.clear();
        value.clear();
    }
    last.map(|key| f32::from_bits((key >> 32) as u32))
}

/// Keeps the entries for which `wanted(index, value)` holds, in their order.
pub fn keep(index: &mut Vec<u32>, value: &mut Vec<f32>, wanted: impl Fn(u32, f32) -> bool) {
    let mut kept = 0;
    for at in 0..index.len() {
        index[kept] = index[at];
        value[kept] = value[at];
        kept += usize::from(wanted(index[at], value[at]));
    }
    index.truncate(kept);
    value.truncate(kept);
}

/// What a selection over a batch keeps: every rank above `rank`, and the first `ties` entries of that rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub rank: u32,
    pub ties: usize,
}

impl Cut {
    /// What keeps nothing.
    pub const NOTHING: Cut = Cut {
        rank: u32::MAX,
        ties: 0,
    };

    /// Returns the cut that keeps the `count` largest of `ranks`, which are reordered, or all if there are fewer.
    pub fn largest(ranks: &mut [u32], count: usize) -> Cut {
        let Some(rank) = nth_largest(ranks, count) else {
            return if count == 0 {
                Cut::NOTHING
            } else {
                Cut { rank: 0, ties: 0 }
            };
        };
        let above = ranks[..count].iter().filter(|&&other| other > rank).count();
        Cut {
            rank,
            ties: count - above,
        }
    }

    /// Returns whether the next entry, which has this score, is kept.
    pub fn takes(&mut self, score: f32) -> bool {
        match rank(score) {
            Some(rank) if rank == self.rank && self.ties > 0 => {
                self.ties -= 1;
                true
            }
            Some(rank) => rank > self.rank,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_doubles_stay_where_they_are() {
        let kept = |count| {
            let mut values = [1.0, 3.0, 0.0, 3.0, 2.0, 3.0];
            keep_largest_doubles(&mut values, (6, count), &mut [0; 6]);
            values
        };
        assert_eq!(kept(0), [0.0; 6]);
        assert_eq!(kept(2), [0.0, 3.0, 0.0, 3.0, 0.0, 0.0]);
        assert_eq!(kept(4), [0.0, 3.0, 0.0, 3.0, 2.0, 3.0]);
        assert_eq!(kept(9), [1.0, 3.0, 0.0, 3.0, 2.0, 3.0]);
        let mut rows = [-f64::NAN, f64::INFINITY, 5.0, 1.0, -1.0, 2.0];
        keep_largest_doubles(&mut rows, (3, 1), &mut [0; 6]);
        assert!(rows[0].is_nan());
        assert_eq!(rows[1..], [0.0, 0.0, 0.0, 0.0, 2.0]);
        keep_largest_doubles(&mut [], (0, 0), &mut []);
    }

    #[test]
    fn ordered_integers_are_ordered_as_their_numbers() {
        let numbers = [
            f32::NEG_INFINITY,
            -2.0,
            -1e-44,
            -0.0,
            0.0,
            1e-44,
            1.5,
            2.0,
            f32::MAX,
            f32::INFINITY,
        ];
        assert!(numbers.is_sorted_by_key(|&number| ordered(number)));
        for number in numbers {
            assert_eq!(from_ordered(ordered(number)).to_bits(), number.to_bits());
        }
    }

    #[test]
    fn the_largest_are_kept_in_their_order() {
        let nan = f32::NAN;
        let value = [1.0, 3.0, -1.0, nan, 3.0, 0.0, 2.0, f32::INFINITY];
        let kept = |count| {
            let (mut index, mut value) = ((10..18).collect::<Vec<_>>(), value.to_vec());
            let least = keep_largest(count, &mut index, &mut value, |_, value| value, &mut Vec::new());
            (index, least)
        };
        assert_eq!(kept(0), (vec![], None));
        assert_eq!(kept(2), (vec![13, 17], Some(f32::INFINITY)));
        assert_eq!(kept(3), (vec![11, 13, 17], Some(3.0)));
        assert_eq!(kept(4), (vec![11, 13, 14, 17], Some(3.0)));
        assert_eq!(kept(6), (vec![10, 11, 13, 14, 16, 17], Some(1.0)));
        assert_eq!(kept(7), (vec![10, 11, 13, 14, 16, 17], None));
        assert!(kept(1).1.is_some_and(f32::is_nan));
    }

    #[test]
    fn a_cut_takes_the_first_of_equal_scores() {
        let scores = [2.0, 1.0, 2.0, -1.0, 5.0, f32::NAN, 2.0];
        for (count, expected) in [
            (0, vec![]),
            (1, vec![5]),
            (3, vec![0, 4, 5]),
            (4, vec![0, 2, 4, 5]),
            (9, vec![0, 1, 2, 4, 5, 6]),
        ] {
            let mut ranks = scores.iter().filter_map(|&score| rank(score)).collect::<Vec<_>>();
            let mut cut = Cut::largest(&mut ranks, count);
            let taken = (0..scores.len())
                .filter(|&at| cut.takes(scores[at]))
                .collect::<Vec<_>>();
            assert_eq!(taken, expected);
        }
    }
}
