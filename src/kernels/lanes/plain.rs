//! Groups in plain code.

use super::group::{GROUP, Lanes, SUMS};

/// Plain code, whatever the processor.
#[derive(Clone, Copy)]
pub(super) struct Plain;

/// Returns what `each` makes of every place of a group.
#[inline(always)]
fn lanes(each: impl Fn(usize) -> f32) -> [f32; GROUP] {
    std::array::from_fn(each)
}

impl Lanes for Plain {
    type Group = [f32; GROUP];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Group {
        [value; GROUP]
    }

    #[inline(always)]
    fn load(self, from: &[f32; GROUP]) -> Self::Group {
        *from
    }

    #[inline(always)]
    fn store(self, group: Self::Group, into: &mut [f32; GROUP]) {
        *into = group;
    }

    #[inline(always)]
    fn add(self, a: Self::Group, b: Self::Group) -> Self::Group {
        lanes(|k| a[k] + b[k])
    }

    #[inline(always)]
    fn sub(self, a: Self::Group, b: Self::Group) -> Self::Group {
        lanes(|k| a[k] - b[k])
    }

    #[inline(always)]
    fn mul(self, a: Self::Group, b: Self::Group) -> Self::Group {
        lanes(|k| a[k] * b[k])
    }

    #[inline(always)]
    fn div(self, a: Self::Group, b: Self::Group) -> Self::Group {
        lanes(|k| a[k] / b[k])
    }

    #[inline(always)]
    fn sqrt(self, a: Self::Group) -> Self::Group {
        lanes(|k| a[k].sqrt())
    }

    #[inline(always)]
    fn fma(self, a: Self::Group, b: Self::Group, c: Self::Group) -> Self::Group {
        lanes(|k| a[k] * b[k] + c[k])
    }

    #[inline(always)]
    fn max(self, a: Self::Group, b: Self::Group) -> Self::Group {
        lanes(|k| if a[k] > b[k] { a[k] } else { b[k] })
    }

    #[inline(always)]
    fn min(self, a: Self::Group, b: Self::Group) -> Self::Group {
        lanes(|k| if a[k] < b[k] { a[k] } else { b[k] })
    }

    #[inline(always)]
    fn where_over(self, a: Self::Group, b: Self::Group, value: Self::Group) -> Self::Group {
        lanes(|k| if a[k] > b[k] { value[k] } else { 0.0 })
    }

    #[inline(always)]
    fn indicator(self, a: Self::Group) -> Self::Group {
        lanes(|k| f32::from(a[k] != 0.0))
    }

    #[inline(always)]
    fn nonzero_bits(self, a: Self::Group) -> u16 {
        let bits = a.iter().enumerate();
        bits.fold(0, |bits, (k, &number)| bits | u16::from(number != 0.0) << k)
    }

    #[inline(always)]
    fn sum(self, a: Self::Group) -> f32 {
        let eight: [f32; 8] = std::array::from_fn(|k| a[k] + a[k + 8]);
        let four: [f32; 4] = std::array::from_fn(|k| eight[k] + eight[k + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(always)]
    fn add_sums(self, groups: [Self::Group; SUMS], into: &mut [f32; SUMS]) {
        for (sum, group) in into.iter_mut().zip(groups) {
            *sum += self.sum(group);
        }
    }
}
