//! What latents do to the model: activations with some latents changed, and which latents made it say something.

mod attribution;
mod change;

pub use attribution::{Attribution, Part, attribute};
pub use change::{Amount, LatentChange, edits};

use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};

/// Returns the hook points that a dictionary reads and writes.
///
/// # Errors
/// A dictionary that reads several at a time.
fn hook_points(sae: &SparseAutoEncoder) -> Result<[&str; 2]> {
    match (sae.cfg.reads().as_slice(), sae.cfg.writes().as_slice()) {
        ([reads], [writes]) if sae.cfg.hooks.heads().is_none() => Ok([reads, writes]),
        (several, _) => Err(Error::input(format!(
            "the dictionary reads {} hook points together, and its latents can only be changed or followed at one",
            several.len()
        ))
        .hint("encode with `sae.encode`, and change activations with closures in `run_with_hooks`")),
    }
}
