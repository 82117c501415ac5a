//! Which sequences go through the model together, so that little is padded.

use std::cmp::Reverse;

use crate::tensor::Device;

/// What a pass may be and costs.
#[derive(Clone, Copy, Debug)]
pub(in crate::activations) struct Limits {
    /// Sequences in a pass.
    most: usize,
    /// Tokens in a pass of more sequences than that, padding included; 0: there are none of those.
    tokens: usize,
    /// What a pass costs besides its tokens, in tokens: packing the weights on a CPU, starting kernels on a GPU. On a CPU
    /// `scripts/bench models --lengths` finds 20 in bfloat16 and 40 to 90 in float32; at 24 less than 3% is padded of texts as
    /// unequal as the paragraphs of WikiText.
    each: usize,
}

/// Sequences in a pass on a GPU at most, however short.
const MOST_SHORT: usize = 1024;

impl Limits {
    /// Returns those of passes on `device` of at most `most` sequences of `longest` tokens. A GPU takes more short ones in
    /// as much memory, since it is the number of passes that costs.
    pub(in crate::activations) fn of(device: Device, most: usize, longest: usize) -> Self {
        let most = most.max(1);
        match device {
            Device::Cpu => Limits {
                most,
                tokens: 0,
                each: 24,
            },
            _ => Limits {
                most,
                tokens: most.saturating_mul(longest),
                each: 2048,
            },
        }
    }

    /// The sequences that one of `length`, the longest, may be in a pass with, itself included.
    fn with(&self, length: usize) -> usize {
        let short = (self.tokens / length.max(1)).min(MOST_SHORT);
        self.most.max(short)
    }
}

/// Returns groups of sequences of these lengths within `limits`, by their numbers, longest first: those for which padding
/// and passes together cost least. Equal lengths make full groups.
pub(super) fn groups(lengths: &[(usize, usize)], limits: Limits) -> Vec<Vec<usize>> {
    let mut sorted = lengths.to_vec();
    sorted.sort_by_key(|(_, length)| Reverse(*length));
    // The least cost of the first so many sequences, and where the last group of them begins.
    let mut least = vec![(0, 0)];
    for end in 1..=sorted.len() {
        // The longer the first, the fewer go with it.
        let starts = (0..end).rev();
        let starts = starts.take_while(|start| end - start <= limits.with(sorted[*start].1));
        let costs = starts.map(|start| {
            let cost = least[start].0 + limits.each + sorted[start].1 * (end - start);
            (cost, start)
        });
        // Of equals the shortest, so that of equal lengths the last group is the one that is not full.
        least.extend(costs.min_by_key(|(cost, start)| (*cost, Reverse(*start))));
    }
    let mut groups = Vec::new();
    let mut end = sorted.len();
    while end > 0 {
        let start = least[end].1;
        groups.push(sorted[start..end].iter().map(|(number, _)| *number).collect());
        end = start;
    }
    groups.reverse();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[usize], most: usize) -> Vec<Vec<usize>> {
        let numbered: Vec<(usize, usize)> = lengths.iter().copied().enumerate().collect();
        groups(&numbered, Limits::of(Device::Cpu, most, 256))
    }

    #[test]
    fn a_gpu_takes_more_short_sequences_in_as_much_memory() {
        let on_gpu = |lengths: &[usize], most: usize, longest: usize| {
            let numbered: Vec<(usize, usize)> = lengths.iter().copied().enumerate().collect();
            groups(&numbered, Limits::of(Device::Cuda(0), most, longest))
        };
        assert_eq!(on_gpu(&[256; 5], 2, 256), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(
            on_gpu(&[200, 60, 61, 62, 63, 64], 1, 256),
            [vec![0], vec![5, 4, 3], vec![2, 1]]
        );
        let sizes: Vec<usize> = on_gpu(&[1; 3000], 16, 256).iter().map(Vec::len).collect();
        assert_eq!(sizes, [MOST_SHORT, MOST_SHORT, 3000 - 2 * MOST_SHORT]);
        // A sequence is never longer than said; if it were, as many would go as were asked for.
        assert_eq!(on_gpu(&[300, 300], 2, 256), [[0, 1]]);
    }

    #[test]
    fn lengths_that_are_far_apart_do_not_share_a_pass() {
        assert_eq!(of(&[], 4), Vec::<Vec<usize>>::new());
        assert_eq!(of(&[9], 4), [[0]]);
        assert_eq!(of(&[7; 6], 4), [vec![0, 1, 2, 3], vec![4, 5]]);
        assert_eq!(of(&[10, 200, 12, 198], 4), [[1, 3], [2, 0]]);
        assert_eq!(of(&[10, 200, 12, 198], 1), [[1], [3], [2], [0]]);
        // A pass of its own would cost more than the padding.
        assert_eq!(of(&[20, 30, 25], 4), [[1, 2, 0]]);
    }

    #[test]
    fn no_other_groups_cost_less() {
        let lengths = [3, 90, 41, 40, 88, 200, 7, 41];
        let cost = |groups: &[Vec<usize>]| -> usize {
            let each = |group: &Vec<usize>| {
                let longest = group.iter().map(|number| lengths[*number]).max();
                24 + longest.unwrap_or(0) * group.len()
            };
            groups.iter().map(each).sum()
        };
        let mut sorted: Vec<usize> = (0..lengths.len()).collect();
        sorted.sort_by_key(|number| Reverse(lengths[*number]));
        // Every way of cutting the sorted sequences: a bit for each place between two of them.
        let all = (0u32..1 << (lengths.len() - 1)).map(|cuts| {
            let mut groups = vec![vec![sorted[0]]];
            for (place, number) in sorted[1..].iter().enumerate() {
                if cuts >> place & 1 == 1 {
                    groups.push(Vec::new());
                }
                groups.last_mut().expect("a group").push(*number);
            }
            groups
        });
        let allowed = all.filter(|groups| groups.iter().all(|group| group.len() <= 3));
        let best = allowed.map(|groups| cost(&groups)).min().expect("some");
        let ours = of(&lengths, 3);
        assert_eq!(cost(&ours), best, "{ours:?}");
        assert!(ours.iter().all(|group| group.len() <= 3));
    }
}
