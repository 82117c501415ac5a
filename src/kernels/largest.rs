//! What the largest float64 of a batch have to reach, where its numbers come some at a time.

use super::select::{key_of_double, nth_largest};

/// Finds it by the largest numbers so far. It keeps room from one batch to the next.
#[derive(Default)]
pub struct LargestDoubles {
    count: usize,
    /// Keys of the largest numbers so far, in no order: `count` of them after each look, or all above 0.
    keys: Vec<i64>,
    /// What a number has to be over to change anything.
    floor: i64,
}

/// What of a batch is kept: all numbers above a bound, and so many of the first that are equal to it.
#[derive(Clone, Copy, Debug)]
pub struct DoubleCut {
    key: i64,
    equal: usize,
}

impl LargestDoubles {
    /// Begins a batch of which the `count` largest numbers above 0 are kept; NaN is larger than any.
    pub fn begin(&mut self, count: usize) {
        self.count = count;
        self.keys.clear();
        self.floor = if count == 0 { i64::MAX } else { key_of_double(0.0) };
    }

    /// Looks at the next numbers.
    pub fn look(&mut self, values: &[f64]) {
        for value in values {
            let key = key_of_double(*value);
            if key > self.floor {
                self.keys.push(key);
            }
            if self.keys.len() >= 2 * self.count.max(1) {
                self.trim();
            }
        }
    }

    /// Drops all but as many keys as are kept.
    fn trim(&mut self) {
        if let Some(least) = nth_largest(&mut self.keys, self.count) {
            self.keys.truncate(self.count);
            self.floor = least;
        }
    }

    /// Returns what is kept after all numbers.
    pub fn end(&mut self) -> DoubleCut {
        self.trim();
        let key = self.floor;
        let over = self.keys.iter().filter(|&&other| other > key).count();
        DoubleCut {
            key,
            equal: self.count - over,
        }
    }
}

impl DoubleCut {
    /// Sets to 0 what is not kept of the next numbers, none of which is below 0.
    pub fn keep(&mut self, values: &mut [f64]) {
        for value in values {
            let key = key_of_double(*value);
            let is_equal = key == self.key && self.equal > 0;
            self.equal -= usize::from(is_equal);
            if key < self.key || key == self.key && !is_equal {
                *value = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is kept of numbers that come in pieces of so many.
    fn kept(values: &[f64], count: usize, piece: usize) -> Vec<f64> {
        let mut largest = LargestDoubles::default();
        largest.begin(1);
        largest.look(&[9.0]);
        largest.begin(count);
        values.chunks(piece).for_each(|values| largest.look(values));
        let mut cut = largest.end();
        let mut values = values.to_vec();
        values.chunks_mut(piece).for_each(|values| cut.keep(values));
        values
    }

    #[test]
    fn the_largest_stay_and_of_equal_ones_the_first() {
        let values = [1.0, 3.0, 0.0, 3.0, 2.0, 3.0, 0.5, 3.0];
        for piece in [1, 3, 8] {
            let kept = |count| kept(&values, count, piece);
            assert_eq!(kept(0), [0.0; 8]);
            assert_eq!(kept(2), [0.0, 3.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
            assert_eq!(kept(4), [0.0, 3.0, 0.0, 3.0, 0.0, 3.0, 0.0, 3.0]);
            assert_eq!(kept(6), [1.0, 3.0, 0.0, 3.0, 2.0, 3.0, 0.0, 3.0]);
            assert_eq!(kept(7), values);
            assert_eq!(kept(100), values);
        }
    }

    #[test]
    fn nan_is_larger_than_any_number() {
        let found = kept(&[f64::INFINITY, 1.0, f64::NAN, 0.0], 1, 2);
        assert_eq!(found[..2], [0.0, 0.0]);
        assert!(found[2].is_nan() && found[3] == 0.0);
    }
}
