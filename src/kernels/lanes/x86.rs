//! Groups in the registers of AVX2 (two of eight numbers) and of AVX-512 (one of sixteen).

use std::arch::x86_64::*;

use super::group::{GROUP, Kernel, Lanes, SUMS};

/// Proof that the processor has AVX2 with fused multiply-add.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Proof that the processor has AVX-512 (F, BW, DQ, VL).
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// Does the work of `kernel` in AVX2.
///
/// # Safety
/// The processor must have AVX2 and fused multiply-add (all that do have POPCNT).
#[target_feature(enable = "avx2,fma,popcnt")]
pub(super) unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// Does the work of `kernel` in AVX-512.
///
/// # Safety
/// The processor must have AVX2, fused multiply-add and AVX-512 (F, BW, DQ, VL) (all that do have POPCNT).
#[target_feature(enable = "avx2,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

impl Avx2 {
    /// Returns four sums of halves of four groups, then the sums of their other halves.
    #[inline(always)]
    fn fold_halves(self, [a, b, c, d]: [[__m256; 2]; 4]) -> __m256 {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe {
            let first = _mm256_hadd_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(b[0], b[1]));
            let second = _mm256_hadd_ps(_mm256_add_ps(c[0], c[1]), _mm256_add_ps(d[0], d[1]));
            _mm256_hadd_ps(first, second)
        }
    }
}

impl Lanes for Avx2 {
    type Group = [__m256; 2];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; GROUP]) -> Self::Group {
        let from = from.as_ptr();
        // SAFETY: `self` proves that the processor has AVX2; 16 numbers stand there.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    fn store(self, group: Self::Group, into: &mut [f32; GROUP]) {
        let into = into.as_mut_ptr();
        // SAFETY: `self` proves that the processor has AVX2; there are 16 places.
        unsafe {
            _mm256_storeu_ps(into, group[0]);
            _mm256_storeu_ps(into.add(8), group[1]);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sub(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn div(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sqrt(self, a: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_sqrt_ps(a[0]), _mm256_sqrt_ps(a[1])] }
    }

    #[inline(always)]
    fn fma(self, a: Self::Group, b: Self::Group, c: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has fused multiply-add.
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }

    #[inline(always)]
    fn max(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn min(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn where_over(self, a: Self::Group, b: Self::Group, value: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe {
            let low = _mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]);
            let high = _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1]);
            [_mm256_and_ps(value[0], low), _mm256_and_ps(value[1], high)]
        }
    }

    #[inline(always)]
    fn indicator(self, a: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe {
            let (zero, one) = (_mm256_setzero_ps(), _mm256_set1_ps(1.0));
            let low = _mm256_cmp_ps::<_CMP_NEQ_UQ>(a[0], zero);
            let high = _mm256_cmp_ps::<_CMP_NEQ_UQ>(a[1], zero);
            [_mm256_and_ps(one, low), _mm256_and_ps(one, high)]
        }
    }

    #[inline(always)]
    fn nonzero_bits(self, a: Self::Group) -> u16 {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe {
            let zero = _mm256_setzero_ps();
            let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a[0], zero));
            let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a[1], zero));
            (low | high << 8) as u16
        }
    }

    #[inline(always)]
    fn sum(self, a: Self::Group) -> f32 {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe {
            let eight = _mm256_add_ps(a[0], a[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn sums_of_two(self, [a, b]: [Self::Group; 2]) -> [f32; 2] {
        // SAFETY: `self` proves that the processor has AVX2.
        unsafe {
            let fours = _mm256_hadd_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(b[0], b[1]));
            let twos = _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps::<1>(fours));
            let sums = _mm_add_ps(twos, _mm_movehdup_ps(twos));
            [_mm_cvtss_f32(sums), _mm_cvtss_f32(_mm_movehl_ps(sums, sums))]
        }
    }

    #[inline(always)]
    fn add_sums(self, groups: [Self::Group; SUMS], into: &mut [f32; SUMS]) {
        // SAFETY: `self` proves that the processor has AVX2; `into` has the 8 places that are read and written.
        unsafe {
            let first = self.fold_halves([groups[0], groups[1], groups[2], groups[3]]);
            let second = self.fold_halves([groups[4], groups[5], groups[6], groups[7]]);
            let low = _mm256_permute2f128_ps::<0x20>(first, second);
            let high = _mm256_permute2f128_ps::<0x31>(first, second);
            let before = _mm256_loadu_ps(into.as_ptr());
            _mm256_storeu_ps(into.as_mut_ptr(), _mm256_add_ps(before, _mm256_add_ps(low, high)));
        }
    }
}

impl Avx512 {
    /// Returns the sums of neighbouring quarters (four numbers each) of `a`, followed by those of `b`.
    #[inline(always)]
    fn fold_quarters(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe {
            _mm512_add_ps(
                _mm512_shuffle_f32x4::<0x88>(a, b),
                _mm512_shuffle_f32x4::<0xdd>(a, b),
            )
        }
    }
}

impl Lanes for Avx512 {
    type Group = __m512;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; GROUP]) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512; 16 numbers stand there.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, group: Self::Group, into: &mut [f32; GROUP]) {
        // SAFETY: `self` proves that the processor has AVX-512; there are 16 places.
        unsafe { _mm512_storeu_ps(into.as_mut_ptr(), group) }
    }

    #[inline(always)]
    fn add(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn fma(self, a: Self::Group, b: Self::Group, c: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::Group, b: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn where_over(self, a: Self::Group, b: Self::Group, value: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), value) }
    }

    #[inline(always)]
    fn indicator(self, a: Self::Group) -> Self::Group {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(mask, _mm512_set1_ps(1.0))
        }
    }

    #[inline(always)]
    fn nonzero_bits(self, a: Self::Group) -> u16 {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn sum(self, a: Self::Group) -> f32 {
        // SAFETY: `self` proves that the processor has AVX-512.
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    fn add_sums(self, groups: [Self::Group; SUMS], into: &mut [f32; SUMS]) {
        let [a, b, c, d, e, f, g, h] = groups;
        let first = self.fold_quarters(self.fold_quarters(a, b), self.fold_quarters(c, d));
        let second = self.fold_quarters(self.fold_quarters(e, f), self.fold_quarters(g, h));
        // SAFETY: `self` proves that the processor has AVX-512; `into` has the 8 places that are read and written.
        unsafe {
            let even = _mm512_shuffle_ps::<0x88>(first, second);
            let pairs = _mm512_add_ps(even, _mm512_shuffle_ps::<0xdd>(first, second));
            let sums = _mm512_add_ps(pairs, _mm512_permute_ps::<0xb1>(pairs));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 4, 8, 12, 2, 6, 10, 14);
            let sums = _mm512_castps512_ps256(_mm512_permutexvar_ps(order, sums));
            let before = _mm256_loadu_ps(into.as_ptr());
            _mm256_storeu_ps(into.as_mut_ptr(), _mm256_add_ps(before, sums));
        }
    }
}
