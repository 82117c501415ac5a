//! What a step by hand holds besides parameters, gradients and moments.

use super::dense::{kept_bytes, rows_at_a_time, tensors, tile_bytes};
use super::form::is_sparse;
use super::gpu::{is_measured, refusal};
use super::panels;
use super::sparse::rows_shared;
use crate::dictionary::SAEConfig;
use crate::kernels::cuda::estimate::ESTIMATE_BYTES;
use crate::tensor::{Device, Kind};

/// About how many numbers of each latent a step holds, with penalties and thresholds.
const VECTORS: u64 = 30;

/// Bytes of what a step notes of a pair of a token and a latent that takes part.
const PAIR_BYTES: u64 = 80;
/// The same where the pairs of a batch compete: more of them wait for what they have to be over.
const COMPETING_PAIR_BYTES: u64 = 230;

/// Returns an estimate in bytes for batches of `rows` tokens on `device`; `looks_ahead` says whether something of the whole batch
/// has to be known before its parts are looked at.
pub(in crate::train) fn step_bytes(cfg: &SAEConfig, looks_ahead: bool, device: Device, rows: u64) -> u64 {
    let heads = cfg.hooks.heads().unwrap_or(1) as u64;
    let (d, n) = (heads * cfg.d_model as u64, cfg.d_sae() as u64);
    let kind = cfg.dtype.kind();
    let width = kind.elt_size_in_bytes() as u64;
    // Input, label, reconstruction and its derivative.
    let batch = 4 * rows * d * width + VECTORS * heads * n * width;
    // Nothing is known yet of what takes part.
    if is_sparse(cfg, (kind, device), (cfg.top_k, None), false) {
        // Of every pair its places in several orders and some numbers.
        let pairs = rows * heads * cfg.top_k as u64;
        let noted = if cfg.act_fn.is_per_token() {
            PAIR_BYTES
        } else {
            COMPETING_PAIR_BYTES
        };
        // The encoder in short integers; with heads a block of pre-activations, and where they compete what of it is over 0.
        let screened = match cfg.hooks.heads() {
            Some(_) => {
                let waiting = if cfg.act_fn.is_per_token() { 0 } else { heads };
                let block = rows_shared(n as i64, rows as i64) as u64 * n * width;
                (1 + waiting) * block + panels::bytes(cfg, device, 1)
            }
            None => n * d * Kind::Int16.elt_size_in_bytes() as u64,
        };
        return batch + screened + pairs * noted;
    }
    // Others go over all latents, or begin so; where the kernels are asked for, they may take less.
    let is_by_kernels = refusal(cfg).is_none() && is_measured(cfg, false);
    if matches!(device, Device::Cuda(_)) && is_by_kernels {
        // The encoder in float16, the estimates of all latents, and of every pair its place and some numbers.
        let estimates = (rows * n * Kind::Float.elt_size_in_bytes() as u64).min(ESTIMATE_BYTES as u64);
        let pairs = rows * cfg.top_k as u64;
        return batch + n * d * Kind::Half.elt_size_in_bytes() as u64 + estimates + pairs * PAIR_BYTES;
    }
    let block = rows_at_a_time(cfg, device, rows as i64) as u64;
    let kept = if block < rows && looks_ahead {
        kept_bytes(cfg, rows as i64) as u64
    } else {
        0
    };
    let panels = panels::bytes(cfg, device, panels::matrices(cfg, device));
    batch + tensors(cfg, device) * block * heads * n * width + kept + tile_bytes(cfg, device, block) + panels
}
