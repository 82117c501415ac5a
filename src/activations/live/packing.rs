//! Joins token sequences and cuts them into windows of one length, so that nothing is padded.

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// What the last window left of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Leftover {
    ids: Vec<i64>,
    record: u64,
    /// The text begins with BOS, so its further windows do too.
    with_bos: bool,
}

/// Makes windows of one source's texts, which stand in them one after another, each with its BOS if it has one. A
/// window that begins within such a text begins with BOS too, as every sequence does without packing. The last window
/// may be short.
pub(super) struct Packer {
    length: usize,
    bos: Option<i64>,
    left: Leftover,
}

impl Packer {
    /// Goes on with what was left over. `length` is at least 2.
    pub(super) fn new(length: usize, bos: Option<i64>, left: Leftover) -> Self {
        Packer { length, bos, left }
    }

    /// Returns what the windows so far have left over.
    pub(super) fn left(&self) -> &Leftover {
        &self.left
    }

    /// Returns the next window, under the number of the record in which it begins; `more` gives the next text.
    pub(super) fn next(
        &mut self,
        mut more: impl FnMut() -> Result<Option<TokenSequence>>,
    ) -> Result<Option<TokenSequence>> {
        let mut window = Vec::with_capacity(self.length);
        let mut record = None;
        while window.len() < self.length {
            let within = !self.left.ids.is_empty();
            if !within {
                let Some(text) = more()? else {
                    break;
                };
                self.left = Leftover {
                    with_bos: self.bos.is_some() && text.ids.first() == self.bos.as_ref(),
                    ids: text.ids,
                    record: text.record,
                };
                if self.left.ids.is_empty() {
                    continue;
                }
            }
            if window.is_empty() && within && self.left.with_bos {
                window.extend(self.bos);
            }
            record.get_or_insert(self.left.record);
            let count = self.left.ids.len().min(self.length - window.len());
            window.extend(self.left.ids.drain(..count));
        }
        Ok(record.map(|record| TokenSequence { ids: window, record }))
    }
}

/// The token ids of one record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TokenSequence {
    /// The ids, not padded.
    pub ids: Vec<i64>,
    /// The record's number in the data set, from 0.
    pub record: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(length: usize, texts: &[&[i64]]) -> Vec<Vec<i64>> {
        let mut packer = Packer::new(length, Some(0), Leftover::default());
        let mut texts = texts.iter().zip(0u64..);
        let mut windows = Vec::new();
        loop {
            let more = || {
                Ok(texts.next().map(|(ids, record)| TokenSequence {
                    ids: ids.to_vec(),
                    record,
                }))
            };
            match packer.next(more).expect("texts") {
                Some(window) => windows.push(window.ids),
                None => return windows,
            }
        }
    }

    #[test]
    fn texts_are_joined_and_windows_within_a_text_begin_with_its_bos() {
        let texts: [&[i64]; 4] = [&[0, 1, 2], &[], &[0, 3, 4, 5, 6, 7, 8], &[9, 10]];
        assert_eq!(
            windows(4, &texts),
            [vec![0, 1, 2, 0], vec![0, 3, 4, 5], vec![0, 6, 7, 8], vec![9, 10]]
        );
        assert_eq!(windows(3, &[&[1, 2, 3, 4]]), [vec![1, 2, 3], vec![4]]);
        assert_eq!(windows(3, &[]), Vec::<Vec<i64>>::new());
    }
}
