//! What a step by hand holds besides parameters, gradients and moments.

use super::dense::{Size, k_aux};
use super::form::{is_sparse, most_sparse};
use super::gpu::{is_measured, refusal};
use super::places::StepLimits;
use crate::dictionary::{LossSettings, SAEConfig};
use crate::kernels::cuda::estimate::ESTIMATE_BYTES;
use crate::kernels::cut::COUNTER_BYTES;
use crate::tensor::{Device, Kind};

/// Bytes of what a step by our own kernels for GPUs notes of a pair of a token and a latent that takes part.
const PAIR_BYTES: u64 = 80;

/// Returns an estimate in bytes for batches of `rows` tokens on `device`, with the loss as it is set, where a number selects from
/// the least to the most that `ks` says.
pub(in crate::train) fn step_bytes(
    cfg: &SAEConfig,
    settings: &LossSettings,
    (device, rows): (Device, u64),
    ks: (i64, i64),
) -> u64 {
    let size = |k: i64| Size {
        cfg,
        device,
        limits: StepLimits::default(),
        k,
        k_aux: k_aux(settings),
        every_over: settings.every_over(),
    };
    // The more pairs the more memory, up to where all latents are looked at.
    let most = size(ks.0).most_of_pairs(rows as i64);
    let of_pairs = most_sparse(cfg, most).clamp(ks.0, ks.1);
    let each = [ks.0, of_pairs, ks.1].map(|k| bytes_with(size(k), settings, rows));
    each.into_iter().max().unwrap_or(0)
}

/// Returns that estimate for one number.
fn bytes_with(size: Size<'_>, settings: &LossSettings, rows: u64) -> u64 {
    let (cfg, device, k) = (size.cfg, size.device, size.k);
    let heads = cfg.hooks.heads().unwrap_or(1) as u64;
    let (d, n) = (heads * cfg.d_model as u64, cfg.d_sae() as u64);
    let kind = cfg.dtype.kind();
    let width = kind.elt_size_in_bytes() as u64;
    // Input, label and reconstruction, besides the derivative by it and what there is of each latent.
    let batch = 3 * rows * d * width + size.other_bytes(rows as i64) as u64;
    let pairs = rows * heads * k as u64;
    // Nothing is known yet of what takes part.
    let room = (false, size.most_of_pairs(rows as i64));
    if is_sparse(cfg, (kind, device), (k, None), room) {
        let says_more = settings.sparsity_loss_type.is_some() || cfg.act_fn.has_thresholds();
        return batch + size.sparse_bytes((rows as i64, pairs as i64), says_more) as u64;
    }
    // Others go over all latents, or begin so; where the kernels are asked for, they may take less.
    let is_by_kernels = refusal(cfg).is_none() && is_measured(cfg, false);
    if matches!(device, Device::Cuda(_)) && is_by_kernels {
        // The encoder in float16, the estimates of all latents, and of every pair its place and some numbers.
        let estimates = (rows * n * Kind::Float.elt_size_in_bytes() as u64).min(ESTIMATE_BYTES as u64);
        return batch + n * d * Kind::Half.elt_size_in_bytes() as u64 + estimates + pairs * PAIR_BYTES;
    }
    let block = size.rows_at_a_time(rows as i64) as u64;
    let competes = !cfg.act_fn.is_per_token();
    let kept = if block < rows && (competes || settings.needs_whole_batch()) {
        size.keeping(rows as i64).1 as u64
    } else {
        0
    };
    let counters = match (kind, competes) {
        (Kind::Float, true) => COUNTER_BYTES,
        // The largest so far.
        (_, true) => {
            let of_dead = rows * heads * size.k_aux.unwrap_or(0).min(n as i64) as u64;
            2 * (pairs + of_dead) * size_of::<i64>() as u64
        }
        (_, false) => 0,
    };
    // Of the tokens in a block their reconstruction too.
    let block = size.block_bytes(block as i64) as u64 + block * d * width;
    batch + block + kept + counters + size.copied_bytes() as u64
}
