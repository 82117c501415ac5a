//! Products and screening in plain code.

use super::super::rounded::PANEL;
use super::block::Block;
use super::weights::{Line, Terms, Weights};

/// The rows of a tile.
pub const ROWS: usize = 4;

/// Screens all rows of a block, which has tiles of [`ROWS`], against all latents: appends to each row's list those whose
/// upper bound reaches its limit.
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
fn product(rows: &[u32], lines: &[Line]) -> [[i32; PANEL]; ROWS] {
    let mut sums = [[0i32; PANEL]; ROWS];
    for (rows, line) in rows.as_chunks::<ROWS>().0.iter().zip(lines) {
        for (sums, &row) in sums.iter_mut().zip(rows) {
            for (sum, &latent) in sums.iter_mut().zip(&line.0) {
                let low = i32::from(row as i16) * i32::from(latent as i16);
                let high = i32::from((row >> 16) as i16) * i32::from((latent >> 16) as i16);
                *sum += low + high;
            }
        }
    }
    sums
}

/// Appends the latents of one panel that survive to the list of a row, given their sums.
pub fn survive(weights: &Weights, panel: usize, slot: usize, sums: &[i32; PANEL], block: &mut Block) {
    let Terms {
        slope,
        offset,
        norm,
        residual,
        fixed,
    } = weights.terms(panel);
    let (scale, limit) = (block.scale[slot], block.limit[slot]);
    let (row_residual, row_norm) = (block.residual[slot], block.norm[slot]);
    let (mut index, mut estimates, mut count) = ([0; PANEL], [0.0; PANEL], 0);
    for lane in 0..PANEL {
        let estimate = sums[lane] as f32 * (scale * slope[lane]) + offset[lane];
        let bound = row_residual * norm[lane] + (row_norm * residual[lane] + fixed[lane]);
        index[count] = (panel * PANEL + lane) as u32;
        estimates[count] = estimate;
        count += usize::from(estimate + bound >= limit);
    }
    let (index_room, estimate_room) = block.room(slot);
    index_room[..count].copy_from_slice(&index[..count]);
    estimate_room[..count].copy_from_slice(&estimates[..count]);
    block.appended(slot, count, weights);
}
