//! Which sequences go through the model together, so that little is padded.

use std::cmp::Reverse;

use crate::tensor::Device;

/// What a pass costs besides its tokens, in tokens: packing the weights on a CPU, starting kernels on a GPU. On a CPU
/// `scripts/bench models --lengths` finds 20 in bfloat16 and 40 to 90 in float32.
fn tokens_of_a_pass(device: Device) -> usize {
    match device {
        Device::Cpu => 32,
        _ => 512,
    }
}

/// Returns groups of at most `most` sequences of these lengths, by their numbers, longest first: those for which padding
/// and passes together cost least on `device`. Equal lengths make full groups.
pub(super) fn groups(lengths: &[(usize, usize)], most: usize, device: Device) -> Vec<Vec<usize>> {
    let mut sorted = lengths.to_vec();
    sorted.sort_by_key(|(_, length)| Reverse(*length));
    let each = tokens_of_a_pass(device);
    // The least cost of the first so many sequences, and where the last group of them begins.
    let mut least = vec![(0, 0)];
    for end in 1..=sorted.len() {
        let starts = end.saturating_sub(most.max(1))..end;
        let costs = starts.map(|start| (least[start].0 + each + sorted[start].1 * (end - start), start));
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
        groups(&numbered, most, Device::Cpu)
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
                tokens_of_a_pass(Device::Cpu) + longest.unwrap_or(0) * group.len()
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
