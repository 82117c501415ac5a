//! What may be selected of the tokens of a batch whose latents compete, in place of all numbers there are of them.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::screen::Rows;
use crate::tensor::Tensor;
use crate::tensor::slices::{numbers, numbers_mut};

/// What may be selected of all latents, and of dead ones.
#[derive(Default)]
pub(super) struct CandidateLists {
    pub(super) of_all: Candidates,
    pub(super) of_dead: Candidates,
}

/// Pairs of a token and a latent, token by token, with numbers of each. Its room serves one step after the other.
#[derive(Default)]
pub(super) struct Candidates {
    ends: Vec<usize>,
    index: Vec<u32>,
    numbers: Vec<Vec<f32>>,
}

impl Candidates {
    /// Forgets all pairs.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.index.clear();
        self.numbers.iter_mut().for_each(Vec::clear);
    }

    /// Returns how many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Adds the pairs `rows` of the next tokens with their numbers out of each of `from (n, m)`, which heads share, whose latents are
    /// numbered one head after the other.
    ///
    /// # Errors
    /// It is not float32 on the CPU; so it is below.
    pub(super) fn add(&mut self, rows: &Rows, from: &[&Tensor]) -> Result<()> {
        let latents = from.first().map_or(1, |from| from.size()[1]) as usize;
        let before = self.index.len();
        self.ends.extend(rows.offsets[1..].iter().map(|end| before + end));
        self.index
            .extend(rows.index.iter().map(|index| index % latents as u32));
        self.numbers.resize_with(from.len(), Vec::new);
        for (into, from) in self.numbers.iter_mut().zip(from) {
            let tokens = numbers(from)?.chunks(latents);
            for (token, range) in tokens.zip(rows.offsets.windows(2)) {
                let index = &self.index[before + range[0]..before + range[1]];
                into.extend(index.iter().map(|index| token[*index as usize]));
            }
        }
        Ok(())
    }

    /// Writes the numbers of the pairs of some tokens, if there are any, into the zeros of each of `into (n, m)`.
    ///
    /// # Errors
    /// It is not float32 on the CPU.
    pub(super) fn put(&self, tokens: &Range<usize>, into: &mut [&mut Tensor]) -> Result<()> {
        for (from, into) in self.numbers.iter().zip(into) {
            let latents = into.size()[1] as usize;
            let ends = self.ends.iter().skip(tokens.start);
            let mut first = tokens.start.checked_sub(1).map_or(0, |before| self.end(before));
            for (end, token) in ends.zip(numbers_mut(into)?.chunks_mut(latents)) {
                for at in std::mem::replace(&mut first, *end)..*end {
                    token[self.index[at] as usize] = from[at];
                }
            }
        }
        Ok(())
    }

    /// Returns where the pairs of a token end.
    fn end(&self, token: usize) -> usize {
        self.ends.get(token).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Device, Kind};

    #[test]
    fn what_is_listed_of_blocks_comes_back_in_its_place() {
        let of = |first: i64| {
            let all = Tensor::arange_start(first, first + 6, (Kind::Float, Device::Cpu));
            all.view([2, 3])
        };
        let rows = |offsets: Vec<usize>, index: Vec<u32>| Rows {
            offsets,
            index,
            ..Rows::default()
        };
        let mut listed = Candidates::default();
        for _ in 0..2 {
            listed.clear();
            // Two heads: latents 3 to 5 are those of the second.
            listed
                .add(&rows(vec![0, 2, 3], vec![0, 5, 1]), &[&of(1), &of(11)])
                .expect("float32");
            listed
                .add(&rows(vec![0, 0, 1], vec![2]), &[&of(21), &of(31)])
                .expect("float32");
        }
        assert_eq!(listed.len(), 4);
        let put = |tokens: Range<usize>| {
            let zeros = || Tensor::zeros([tokens.len() as i64, 3], (Kind::Float, Device::Cpu));
            let (mut one, mut other) = (zeros(), zeros());
            listed.put(&tokens, &mut [&mut one, &mut other]).expect("float32");
            let flat = |of: Tensor| Vec::<f32>::try_from(of.flatten(0, -1)).expect("numbers");
            (flat(one), flat(other))
        };
        assert_eq!(put(0..2).0, [1.0, 0.0, 3.0, 0.0, 5.0, 0.0]);
        assert_eq!(put(0..2).1, [11.0, 0.0, 13.0, 0.0, 15.0, 0.0]);
        assert_eq!(put(2..4).0, [0.0, 0.0, 0.0, 0.0, 0.0, 26.0]);
        assert_eq!(put(1..3).0, [0.0, 5.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(put(2..4).1, [0.0, 0.0, 0.0, 0.0, 0.0, 36.0]);
        listed.clear();
        assert_eq!(listed.len(), 0);
    }
}
