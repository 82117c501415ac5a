//! The most frequent keys of each of many rows, in little memory: the Space-Saving algorithm
//! (<https://doi.org/10.1007/978-3-540-30570-5_27>).

use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;

/// Marks a place without a key.
pub(super) const NONE: u32 = u32::MAX;

/// For each row, a fixed number of keys with counts that are never too low. A key with more than 1 / width of a row's
/// occurrences is among them for sure, and all keys are, with their exact counts, where there are no more than places.
pub(super) struct Frequent {
    width: usize,
    pub(super) key: Vec<u32>,
    pub(super) count: Vec<u32>,
}

/// Where a key was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Its index in `key` and `count`.
    pub(super) at: usize,
    /// Whether it took the place of another key, or an empty one.
    pub(super) is_new: bool,
}

impl Frequent {
    /// Returns `width` empty places for each of so many rows.
    pub(super) fn new(rows: usize, width: usize) -> Self {
        Frequent {
            width,
            key: vec![NONE; rows * width],
            count: vec![0; rows * width],
        }
    }

    /// Counts a key of a row.
    pub(super) fn add(&mut self, row: usize, key: u32) -> Place {
        let first = row * self.width;
        let keys = &mut self.key[first..first + self.width];
        let counts = &mut self.count[first..first + self.width];
        if let Some(at) = keys.iter().position(|known| *known == key) {
            counts[at] = counts[at].saturating_add(1);
            let at = first + at;
            return Place { at, is_new: false };
        }
        // An empty place has the count 0, so it is the least.
        let least = counts.iter().enumerate().min_by_key(|(_, count)| **count);
        let at = least.map_or(0, |(at, _)| at);
        keys[at] = key;
        counts[at] = counts[at].saturating_add(1);
        let at = first + at;
        Place { at, is_new: true }
    }

    /// Returns the places of a row.
    pub(super) fn places(&self, row: usize) -> std::ops::Range<usize> {
        row * self.width..(row + 1) * self.width
    }

    /// Writes everything.
    pub(super) fn pack(&self, packed: &mut Packed) {
        packed.u32s(&self.key);
        packed.u32s(&self.count);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other rows.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let (key, count) = (unpacked.u32s()?, unpacked.u32s()?);
        if key.len() != self.key.len() || count.len() != key.len() {
            return Err(broken());
        }
        (self.key, self.count) = (key, count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_keys_are_found_among_many_and_few_are_exact() {
        let mut frequent = Frequent::new(2, 32);
        for at in 0..6000u32 {
            frequent.add(1, if at % 3 == 0 { 7 } else { 1000 + at });
            frequent.add(0, at % 5);
        }
        let of = |row: usize, key: u32| {
            let mut places = frequent.places(row);
            let at = places.find(|at| frequent.key[*at] == key).expect("there");
            frequent.count[at]
        };
        assert!((2000..2200).contains(&of(1, 7)), "{}", of(1, 7));
        for key in 0..5 {
            assert_eq!(of(0, key), 1200);
        }
    }
}
