//! The partial sums of a product.

/// How many partial sums a product has.
pub(super) const PARTS: usize = 32;
/// How many latents are multiplied with several rows before the next ones are: their weights stay in the cache.
pub(super) const LATENTS: usize = 64;

/// Returns the last, shorter part of a row, filled up with zeros.
pub(super) fn padded(rest: &[f32]) -> [f32; PARTS] {
    let mut part = [0.0; PARTS];
    part[..rest.len()].copy_from_slice(rest);
    part
}
