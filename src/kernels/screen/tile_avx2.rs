//! Products and screening with AVX2: tiles of 6 rows by 16 latents, whose sums stay in registers over the whole length.

use std::arch::x86_64::*;

use super::super::rounded::PANEL;
use super::block::Block;
use super::tile_plain::survive;
use super::weights::{Line, Terms, Weights};

/// The rows of a tile.
pub const ROWS: usize = 6;

type Sums = [[__m256i; 2]; ROWS];

/// Screens all rows of a block, which has tiles of [`ROWS`], against all latents: appends to each row's list those whose
/// upper bound reaches its limit.
#[target_feature(enable = "avx2,fma")]
pub fn screen(weights: &Weights, block: &mut Block) {
    for panel in 0..weights.panels() {
        for tile in 0..block.tiles() {
            let sums = product(block.tile(tile), weights.lines(panel));
            for (row, sums) in sums.iter().enumerate() {
                let slot = tile * ROWS + row;
                if reaches(weights.terms(panel), slot, sums, block) {
                    survive(weights, panel, slot, &stored(sums), block);
                }
            }
        }
    }
}

/// Returns the products of the rows of a tile and the latents of a panel.
#[inline]
#[target_feature(enable = "avx2")]
fn product(rows: &[u32], lines: &[Line]) -> Sums {
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    for (rows, line) in rows.as_chunks::<ROWS>().0.iter().zip(lines) {
        let line = load_line(line);
        for row in 0..ROWS {
            let entries = _mm256_set1_epi32(rows[row] as i32);
            for half in 0..2 {
                let products = _mm256_madd_epi16(entries, line[half]);
                sums[row][half] = _mm256_add_epi32(sums[row][half], products);
            }
        }
    }
    sums
}

/// Returns whether the upper bound of any latent of a panel reaches the limit of a row.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn reaches(terms: &Terms, slot: usize, sums: &[__m256i; 2], block: &Block) -> bool {
    let scale = _mm256_set1_ps(block.scale[slot]);
    let row_norm = _mm256_set1_ps(block.norm[slot]);
    let row_residual = _mm256_set1_ps(block.residual[slot]);
    let limit = _mm256_set1_ps(block.limit[slot]);
    let mut any = _mm256_setzero_ps();
    for (half, &sum) in sums.iter().enumerate() {
        let slope = _mm256_mul_ps(load(&terms.slope, half), scale);
        let estimate = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), slope, load(&terms.offset, half));
        let rest = _mm256_fmadd_ps(row_norm, load(&terms.residual, half), load(&terms.fixed, half));
        let bound = _mm256_fmadd_ps(row_residual, load(&terms.norm, half), rest);
        any = _mm256_or_ps(
            any,
            _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_add_ps(estimate, bound), limit),
        );
    }
    _mm256_movemask_ps(any) != 0
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_line(line: &Line) -> [__m256i; 2] {
    let line = std::ptr::from_ref(line).cast::<__m256i>();
    // SAFETY: a line has 64 bytes and begins at a multiple of 64.
    unsafe { [_mm256_load_si256(line), _mm256_load_si256(line.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[f32; PANEL], half: usize) -> __m256 {
    let values = &values[half * 8..][..8];
    // SAFETY: the slice has the 8 entries that are read.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn stored(sums: &[__m256i; 2]) -> [i32; PANEL] {
    let mut stored = [0; PANEL];
    for (half, &sum) in stored.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        // SAFETY: the half has the 32 bytes that are written.
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), sum) };
    }
    stored
}
