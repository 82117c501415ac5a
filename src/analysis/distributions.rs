//! Exact histograms of activations, for the latents of a band.

/// Equal bins on (0, max].
pub(super) const BINS: usize = 64;

/// Counts in [`BINS`] bins for each latent.
pub(super) struct Distributions {
    first: u32,
    pub(super) counts: Vec<u32>,
}

impl Distributions {
    /// Returns counts of 0 for the latents from `first` on, `latents` of them.
    pub(super) fn new(first: u32, latents: u32) -> Self {
        Distributions {
            first,
            counts: vec![0; latents as usize * BINS],
        }
    }

    /// Counts an activation of a latent of the band whose largest is `max`: in bin ⌊64 v/max⌋, the last one for `max`
    /// itself.
    pub(super) fn add(&mut self, latent: u32, value: f32, max: f32) {
        let bin = (BINS as f64 * f64::from(value) / f64::from(max)) as usize;
        self.counts[(latent - self.first) as usize * BINS + bin.min(BINS - 1)] += 1;
    }

    /// Returns the counts of a latent.
    pub(super) fn of(&self, latent: u32) -> &[u32] {
        &self.counts[(latent - self.first) as usize * BINS..][..BINS]
    }
}
