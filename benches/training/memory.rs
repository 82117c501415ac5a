//! How much memory the process holds, as Linux tells; nothing where it does not.

use std::fs;

use super::cases::Case;

/// Largest room that may be taken besides parameters, gradients, moments and batches.
const BLOCK: u64 = 256 << 20;

/// Returns how many bytes of the process are in memory now.
pub fn now() -> Option<u64> {
    field("VmRSS:")
}

/// Returns how many bytes were in memory at most since [`forget_peak`].
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// Begins to look for the peak anew.
pub fn forget_peak() {
    // Where that is not allowed the peak is that of the whole process, and what is shown is too much.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Returns what a training of `case` may hold: parameters of so many bytes, their gradients and moments, the encoder in
/// 16 bits, three batches, and one block.
pub fn bound(case: &Case, parameters: u64) -> u64 {
    let width = (case.d_model * case.heads) as u64;
    4 * parameters + 2 * width * case.d_sae as u64 + 3 * case.batch_bytes() + BLOCK
}
