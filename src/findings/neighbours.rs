//! The latents that are nearest to a latent.

use super::blobs::{pairs, read_pairs};
use super::failure::broken;
use super::store::Store;
use crate::error::Result;

/// In what way latents are near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// Cosine of decoder rows.
    Decoder,
    /// Tokens on which both fire, divided by those on which either does.
    Jaccard,
    /// Pearson correlation of their activations over the counted tokens, zeros included.
    Pearson,
}

impl Near {
    /// All of them.
    pub const ALL: [Near; 3] = [Near::Decoder, Near::Jaccard, Near::Pearson];

    /// Returns its name in the store and in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Near::Decoder => "decoder",
            Near::Jaccard => "jaccard",
            Near::Pearson => "pearson",
        }
    }
}

/// A near latent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its number.
    pub latent: u32,
    /// How near it is.
    pub value: f32,
}

impl Store {
    /// Returns the latents nearest to `latent`, nearest first; none where they were not computed.
    ///
    /// # Errors
    /// A damaged store.
    pub fn neighbours(&self, analysis: i64, latent: u32, near: Near) -> Result<Vec<Neighbour>> {
        let query = "SELECT data FROM neighbour WHERE analysis = ? AND latent = ? AND kind = ?";
        let data = self.row(query, (analysis, latent, near.name()), |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        let pairs = read_pairs(&data.unwrap_or_default())
            .ok_or_else(|| broken(self.path(), "the neighbours of a latent"))?;
        Ok(pairs
            .into_iter()
            .map(|(latent, value)| Neighbour { latent, value })
            .collect())
    }

    /// Writes the latents nearest to `latent`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_neighbours(&self, analysis: i64, latent: u32, near: Near, found: &[Neighbour]) -> Result<()> {
        let data = pairs(found.iter().map(|one| (one.latent, one.value)));
        self.change(
            "INSERT OR REPLACE INTO neighbour VALUES (?, ?, ?, ?)",
            (analysis, latent, near.name(), data),
        )
        .map(drop)
    }
}
