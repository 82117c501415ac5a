//! What latents add to the logits, and the facts of dictionaries with several decoders.

use super::blobs::{Reader, Writer, pairs, read_pairs};
use super::failure::broken;
use super::store::Store;
use crate::error::Result;

/// A token and what is added to its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogit {
    /// The token.
    pub token: u32,
    /// What an activation of 1 adds.
    pub logit: f32,
}

/// What a latent's decoder row adds to the logits of the vocabulary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// The tokens it raises most, first the most.
    pub top: Vec<TokenLogit>,
    /// The tokens it lowers most, first the most.
    pub bottom: Vec<TokenLogit>,
    /// Smallest and largest logit: the edges of `histogram`.
    pub range: (f32, f32),
    /// Tokens by logit, in 50 equal bins.
    pub histogram: Vec<u32>,
}

/// Figures of a latent that has a decoder row for each of several hook points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heads {
    /// Norm of each row, `(heads)`.
    pub norms: Vec<f32>,
    /// Cosines between rows, `(heads, heads)`.
    pub cosines: Vec<f32>,
    /// Products of rows, `(heads, heads)`.
    pub inner: Vec<f32>,
}

fn tokens(bytes: &[u8]) -> Option<Vec<TokenLogit>> {
    let pairs = read_pairs(bytes)?.into_iter();
    Some(pairs.map(|(token, logit)| TokenLogit { token, logit }).collect())
}

fn floats(values: &[f32]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(4 * values.len());
    values.iter().for_each(|value| writer.f32(*value));
    writer.done()
}

impl Store {
    /// Returns what a latent adds to the logits; `None` where that was not computed.
    ///
    /// # Errors
    /// A damaged store.
    pub fn logits(&self, latent: u32) -> Result<Option<Logits>> {
        let query = "SELECT top, bottom, histogram FROM logits WHERE latent = ?";
        let blobs = self.row(query, [latent], |row| {
            Ok([row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?])
        })?;
        let Some([top, bottom, histogram]) = blobs else {
            return Ok(None);
        };
        let read = || {
            let mut reader = Reader::new(&histogram);
            Some(Logits {
                top: tokens(&top)?,
                bottom: tokens(&bottom)?,
                range: (reader.f32()?, reader.f32()?),
                histogram: reader.all(Reader::u32)?,
            })
        };
        read()
            .map(Some)
            .ok_or_else(|| broken(self.path(), "the logits of a latent"))
    }

    /// Writes what a latent adds to the logits.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_logits(&self, latent: u32, logits: &Logits) -> Result<()> {
        let blob = |tokens: &[TokenLogit]| pairs(tokens.iter().map(|one| (one.token, one.logit)));
        let mut histogram = Writer::default();
        histogram.f32(logits.range.0);
        histogram.f32(logits.range.1);
        logits.histogram.iter().for_each(|count| histogram.u32(*count));
        self.change(
            "INSERT OR REPLACE INTO logits VALUES (?, ?, ?, ?)",
            (latent, blob(&logits.top), blob(&logits.bottom), histogram.done()),
        )
        .map(drop)
    }

    /// Returns the figures of a latent's several decoder rows; `None` where it has one.
    ///
    /// # Errors
    /// A damaged store.
    pub fn heads(&self, latent: u32) -> Result<Option<Heads>> {
        let query = "SELECT norms, cosines, inner FROM heads WHERE latent = ?";
        let blobs = self.row(query, [latent], |row| {
            Ok([row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?])
        })?;
        let Some(blobs) = blobs else { return Ok(None) };
        let [norms, cosines, inner] = blobs.map(|blob| Reader::new(&blob).all(Reader::f32));
        let read = || {
            Some(Heads {
                norms: norms?,
                cosines: cosines?,
                inner: inner?,
            })
        };
        read()
            .map(Some)
            .ok_or_else(|| broken(self.path(), "the decoders of a latent"))
    }

    /// Writes the figures of a latent's several decoder rows.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_heads(&self, latent: u32, heads: &Heads) -> Result<()> {
        let blobs = [&heads.norms, &heads.cosines, &heads.inner].map(|values| floats(values));
        let [norms, cosines, inner] = blobs;
        self.change(
            "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?)",
            (latent, norms, cosines, inner),
        )
        .map(drop)
    }
}
