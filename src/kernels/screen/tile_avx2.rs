//! Products and screening with AVX2: tiles of 6 rows by 16 latents, whose sums stay in registers over the whole length.

use std::arch::x86_64::*;

use super::super::rounded::PANEL;
use super::block::Block;
use super::weights::{Line, Weights};

/// The rows of a tile.
pub const ROWS: usize = 6;

/// The lanes of a register.
const HALF: usize = PANEL / 2;
/// For each mask of 8 lanes the lanes that it names, ascending, a byte each.
static NAMED: [u64; 1 << HALF] = named();

type Sums = [[__m256i; 2]; ROWS];

const fn named() -> [u64; 1 << HALF] {
    let mut named = [0; 1 << HALF];
    let mut mask = 0;
    while mask < named.len() {
        let (mut lane, mut found) = (0, 0);
        while lane < HALF {
            if mask >> lane & 1 == 1 {
                named[mask] |= (lane as u64) << (8 * found);
                found += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    named
}

/// Screens all rows of a block, which has tiles of [`ROWS`], against all latents: appends to each row's list those whose
/// upper bound reaches its limit.
#[target_feature(enable = "avx2,fma")]
pub fn screen(weights: &Weights, block: &mut Block) {
    for panel in 0..weights.panels() {
        for tile in 0..block.tiles() {
            let sums = product(block.tile(tile), weights.lines(panel));
            for (row, sums) in sums.iter().enumerate() {
                survive(weights, panel, tile * ROWS + row, sums, block);
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

/// Appends the latents of one panel that survive to the list of a row, given their sums.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn survive(weights: &Weights, panel: usize, slot: usize, sums: &[__m256i; 2], block: &mut Block) {
    let terms = weights.terms(panel);
    let scale = _mm256_set1_ps(block.scale[slot]);
    let row_norm = _mm256_set1_ps(block.norm[slot]);
    let row_residual = _mm256_set1_ps(block.residual[slot]);
    let limit = _mm256_set1_ps(block.limit[slot]);
    let (mut estimates, mut masks) = ([_mm256_setzero_ps(); 2], [0; 2]);
    for half in 0..2 {
        let slope = _mm256_mul_ps(load(&terms.slope, half), scale);
        let estimate = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[half]), slope, load(&terms.offset, half));
        let rest = _mm256_fmadd_ps(row_norm, load(&terms.residual, half), load(&terms.fixed, half));
        let bound = _mm256_fmadd_ps(row_residual, load(&terms.norm, half), rest);
        let survives = _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_add_ps(estimate, bound), limit);
        estimates[half] = estimate;
        masks[half] = _mm256_movemask_ps(survives) as usize;
    }
    if masks != [0; 2] {
        append(weights, panel, slot, (masks, estimates), block);
    }
}

/// Appends the latents of a panel that `masks` name to a row's list.
#[inline]
#[target_feature(enable = "avx2")]
fn append(
    weights: &Weights,
    panel: usize,
    slot: usize,
    (masks, estimates): ([usize; 2], [__m256; 2]),
    block: &mut Block,
) {
    let (index_room, estimate_room) = block.room(slot);
    let mut count = 0;
    for half in 0..2 {
        let lanes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(NAMED[masks[half]] as i64));
        let first = _mm256_set1_epi32((panel * PANEL + half * HALF) as i32);
        let (index, estimate) = (
            &mut index_room[count..][..HALF],
            &mut estimate_room[count..][..HALF],
        );
        // SAFETY: both slices have the 8 entries that are written.
        unsafe {
            _mm256_storeu_si256(index.as_mut_ptr().cast(), _mm256_add_epi32(lanes, first));
            _mm256_storeu_ps(
                estimate.as_mut_ptr(),
                _mm256_permutevar8x32_ps(estimates[half], lanes),
            );
        }
        count += masks[half].count_ones() as usize;
    }
    block.appended(slot, count, weights);
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
    let values = &values[half * HALF..][..HALF];
    // SAFETY: the slice has the 8 entries that are read.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}
