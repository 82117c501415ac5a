//! Products and screening with AVX-512: tiles of 12 rows by 32 latents, whose sums stay in registers over the whole length.

use std::arch::x86_64::*;

use super::super::rounded::PANEL;
use super::block::Block;
use super::weights::{Line, Terms, Weights};

/// The rows of a tile.
pub const ROWS: usize = 12;
/// The panels of a tile.
pub const GROUP: usize = 2;

type Sums = [[__m512i; GROUP]; ROWS];

/// Screens all rows of a block, which has tiles of [`ROWS`], against all latents: appends to each row's list those whose
/// upper bound reaches its limit.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub fn screen(weights: &Weights, block: &mut Block) {
    for group in 0..weights.panels() / GROUP {
        let lines: [&[Line]; GROUP] = std::array::from_fn(|at| weights.lines(group * GROUP + at));
        for tile in 0..block.tiles() {
            let sums = product(block.tile(tile), lines);
            for (at, panel) in (group * GROUP..(group + 1) * GROUP).enumerate() {
                let column = sums.map(|row| row[at]);
                survive(weights, panel, tile * ROWS, &column, block);
            }
        }
    }
}

/// Returns the products of the rows of a tile and the latents of its panels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn product(rows: &[u32], lines: [&[Line]; GROUP]) -> Sums {
    let mut sums = [[_mm512_setzero_si512(); GROUP]; ROWS];
    let (rows, _) = rows.as_chunks::<ROWS>();
    for (pair, rows) in rows.iter().enumerate() {
        let line = lines.map(|lines| load_line(&lines[pair]));
        for row in 0..ROWS {
            let entries = _mm512_set1_epi32(rows[row] as i32);
            for at in 0..GROUP {
                sums[row][at] = _mm512_dpwssd_epi32(sums[row][at], entries, line[at]);
            }
        }
    }
    sums
}

/// Appends the latents of one panel that survive to the lists of the rows of a tile, which begins at slot `first`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn survive(weights: &Weights, panel: usize, first: usize, sums: &[__m512i; ROWS], block: &mut Block) {
    let Terms {
        slope,
        offset,
        norm,
        residual,
        fixed,
    } = weights.terms(panel);
    let [slope, offset, norm, residual, fixed] =
        [slope, offset, norm, residual, fixed].map(|term| load(term));
    for (row, &sum) in sums.iter().enumerate() {
        let slot = first + row;
        let slope = _mm512_mul_ps(slope, _mm512_set1_ps(block.scale[slot]));
        let estimate = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), slope, offset);
        let rest = _mm512_fmadd_ps(_mm512_set1_ps(block.norm[slot]), residual, fixed);
        let bound = _mm512_fmadd_ps(_mm512_set1_ps(block.residual[slot]), norm, rest);
        let limit = _mm512_set1_ps(block.limit[slot]);
        let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_add_ps(estimate, bound), limit);
        if mask != 0 {
            append(weights, panel, slot, mask, estimate, block);
        }
    }
}

/// Appends the latents of a panel that `mask` names to a row's list.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn append(
    weights: &Weights,
    panel: usize,
    slot: usize,
    mask: __mmask16,
    estimate: __m512,
    block: &mut Block,
) {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let latents = _mm512_add_epi32(lanes, _mm512_set1_epi32((panel * PANEL) as i32));
    let (index, estimates) = block.room(slot);
    let (index, estimates) = (&mut index[..PANEL], &mut estimates[..PANEL]);
    // SAFETY: both slices have the 16 entries that are written.
    unsafe {
        _mm512_storeu_si512(
            index.as_mut_ptr().cast(),
            _mm512_maskz_compress_epi32(mask, latents),
        );
        _mm512_storeu_ps(estimates.as_mut_ptr(), _mm512_maskz_compress_ps(mask, estimate));
    }
    block.appended(slot, mask.count_ones() as usize, weights);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_line(line: &Line) -> __m512i {
    // SAFETY: a line has 64 bytes and begins at a multiple of 64.
    unsafe { _mm512_load_si512(std::ptr::from_ref(line).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[f32; PANEL]) -> __m512 {
    // SAFETY: the array has the 16 entries that are read.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}
