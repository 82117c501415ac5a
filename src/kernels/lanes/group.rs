//! The operations on a group of numbers, and what is written over them.

/// How many numbers a group has.
pub const GROUP: usize = 16;

/// How many groups are summed at a time.
pub const SUMS: usize = 8;

/// A group of numbers in memory, where a cache line starts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Line(pub [f32; GROUP]);

/// The operations on groups in one set of instructions. A value of such a type exists only on a processor that has
/// the set.
pub trait Lanes: Copy {
    /// 16 numbers.
    type Group: Copy;

    /// Returns a group of one number.
    fn splat(self, value: f32) -> Self::Group;

    /// Returns the group that stands in memory.
    fn load(self, from: &[f32; GROUP]) -> Self::Group;

    /// Writes a group to memory.
    fn store(self, group: Self::Group, into: &mut [f32; GROUP]);

    /// Returns `a + b`.
    fn add(self, a: Self::Group, b: Self::Group) -> Self::Group;

    /// Returns `a − b`.
    fn sub(self, a: Self::Group, b: Self::Group) -> Self::Group;

    /// Returns `a · b`.
    fn mul(self, a: Self::Group, b: Self::Group) -> Self::Group;

    /// Returns `a / b`.
    fn div(self, a: Self::Group, b: Self::Group) -> Self::Group;

    /// Returns the square root.
    fn sqrt(self, a: Self::Group) -> Self::Group;

    /// Returns `a · b + c`, rounded once where the processor can.
    fn fma(self, a: Self::Group, b: Self::Group, c: Self::Group) -> Self::Group;

    /// Returns the larger of both, and `b` where either is not a number.
    fn max(self, a: Self::Group, b: Self::Group) -> Self::Group;

    /// Returns the smaller of both, and `b` where either is not a number.
    fn min(self, a: Self::Group, b: Self::Group) -> Self::Group;

    /// Returns `value` where `a` is over `b`, and 0 elsewhere.
    fn where_over(self, a: Self::Group, b: Self::Group, value: Self::Group) -> Self::Group;

    /// Returns 1 where a number is not 0, and 0 elsewhere.
    fn indicator(self, a: Self::Group) -> Self::Group;

    /// Returns which numbers are not 0: a bit each, the first one the lowest.
    fn nonzero_bits(self, a: Self::Group) -> u16;

    /// Returns the sum of the numbers.
    fn sum(self, a: Self::Group) -> f32;

    /// Adds to `into[k]` the sum of group `k`.
    fn add_sums(self, groups: [Self::Group; SUMS], into: &mut [f32; SUMS]);

    /// Returns the sums of the numbers of two groups.
    #[inline(always)]
    fn sums_of_two(self, groups: [Self::Group; 2]) -> [f32; 2] {
        groups.map(|group| self.sum(group))
    }

    /// Returns how many numbers are not 0.
    #[inline(always)]
    fn nonzeros(self, a: Self::Group) -> u32 {
        self.nonzero_bits(a).count_ones()
    }

    /// Returns a group of the first 16 numbers of a slice, followed by zeros where it has fewer.
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> Self::Group {
        if let Some(whole) = from.first_chunk() {
            return self.load(whole);
        }
        let mut whole = [0.0; GROUP];
        whole[..from.len()].copy_from_slice(from);
        self.load(&whole)
    }

    /// Writes a group to the first 16 places of a slice, or to as many as it has.
    #[inline(always)]
    fn store_part(self, group: Self::Group, into: &mut [f32]) {
        if let Some(whole) = into.first_chunk_mut() {
            return self.store(group, whole);
        }
        let mut whole = [0.0; GROUP];
        self.store(group, &mut whole);
        let count = into.len();
        into.copy_from_slice(&whole[..count]);
    }

    /// Returns the group with zeros in place of all but the first `count` numbers.
    #[inline(always)]
    fn keep(self, group: Self::Group, count: usize) -> Self::Group {
        if count >= GROUP {
            return group;
        }
        let mut whole = [0.0; GROUP];
        self.store(group, &mut whole);
        self.load_part(&whole[..count])
    }
}

/// A piece of work that is written once for all sets of instructions.
pub trait Kernel {
    /// What the work returns.
    type Output;

    /// Does the work. An implementation, and what it calls for every group, must be `#[inline(always)]`.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}
