//! The figures of latents.

use super::blobs::{Reader, Writer};
use super::failure::broken;
use super::flags::Flags;
use super::store::Store;
use crate::error::Result;

/// The figures of one latent. Figures that need the dictionary's weights are `None` until they were computed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latent {
    /// Its number.
    pub latent: u32,
    /// Counted tokens on which it fires.
    pub act_times: u64,
    /// Contexts in which it fires.
    pub contexts: u64,
    /// Its largest activation; 0 for one that never fires.
    pub max: f64,
    /// Its mean activation over the tokens on which it fires.
    pub mean: f64,
    /// The sum of the squares of its activations.
    pub sum_squares: f64,
    /// Part of the counted tokens on which it fires.
    pub density: f64,
    /// Part of its firings that are on the first counted token of a context.
    pub first_share: f64,
    /// The token on which it fires most.
    pub top_token: Option<u32>,
    /// Part of its firings that are on that token.
    pub top_token_share: f64,
    /// `‖W_E[:, i]‖`.
    pub encoder_norm: Option<f64>,
    /// `‖W_D[i]‖`.
    pub decoder_norm: Option<f64>,
    /// Cosine of its encoder column and decoder row.
    pub encoder_decoder: Option<f64>,
    /// The other latent with the largest decoder cosine.
    pub nearest: Option<u32>,
    /// That cosine.
    pub nearest_cosine: Option<f64>,
    /// Skew of what it adds to the logits of the vocabulary.
    pub logit_skew: Option<f64>,
    /// Kurtosis of the same; 3 for a normal distribution.
    pub logit_kurtosis: Option<f64>,
    /// What stands out.
    pub flags: Flags,
}

/// The figures of all latents of an analysis, by number.
pub type Scalars = Vec<Latent>;

/// How a latent's positive activations are distributed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// 64 equal bins on (0, max].
    pub linear: Vec<u32>,
    /// Power of two at the lower edge of the first of `octaves`.
    pub exponent: i32,
    /// Bins from 2^e to 2^(e+1).
    pub octaves: Vec<u32>,
}

const COLUMNS: &str = "SELECT latent, act_times, contexts, max, mean, sum_squares, density, first_share, top_token, \
     top_token_share, encoder_norm, decoder_norm, encoder_decoder, nearest, nearest_cosine, logit_skew, logit_kurtosis, \
     flags FROM latent";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Latent> {
    Ok(Latent {
        latent: row.get(0)?,
        act_times: row.get::<_, i64>(1)? as u64,
        contexts: row.get::<_, i64>(2)? as u64,
        max: row.get(3)?,
        mean: row.get(4)?,
        sum_squares: row.get(5)?,
        density: row.get(6)?,
        first_share: row.get(7)?,
        top_token: row.get(8)?,
        top_token_share: row.get(9)?,
        encoder_norm: row.get(10)?,
        decoder_norm: row.get(11)?,
        encoder_decoder: row.get(12)?,
        nearest: row.get(13)?,
        nearest_cosine: row.get(14)?,
        logit_skew: row.get(15)?,
        logit_kurtosis: row.get(16)?,
        flags: Flags(row.get(17)?),
    })
}

impl Store {
    /// Returns the figures of all latents of an analysis, in the order of their numbers.
    ///
    /// # Errors
    /// A damaged store.
    pub fn scalars(&self, analysis: i64) -> Result<Scalars> {
        let query = format!("{COLUMNS} WHERE analysis = ? ORDER BY latent");
        self.rows(&query, [analysis], read)
    }

    /// Returns the figures of one latent; `None` if the analysis has none of that number.
    ///
    /// # Errors
    /// A damaged store.
    pub fn latent(&self, analysis: i64, latent: u32) -> Result<Option<Latent>> {
        self.row(
            &format!("{COLUMNS} WHERE analysis = ? AND latent = ?"),
            (analysis, latent),
            read,
        )
    }

    /// Writes the figures of a latent in the place of those there are.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_latent(&self, analysis: i64, one: &Latent) -> Result<()> {
        let values: [&dyn rusqlite::ToSql; 19] = [
            &analysis,
            &one.latent,
            &(one.act_times as i64),
            &(one.contexts as i64),
            &one.max,
            &one.mean,
            &one.sum_squares,
            &one.density,
            &one.first_share,
            &one.top_token,
            &one.top_token_share,
            &one.encoder_norm,
            &one.decoder_norm,
            &one.encoder_decoder,
            &one.nearest,
            &one.nearest_cosine,
            &one.logit_skew,
            &one.logit_kurtosis,
            &one.flags.0,
        ];
        let statement =
            "INSERT OR REPLACE INTO latent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.change(statement, &values[..]).map(drop)
    }

    /// Returns how a latent's activations are distributed; `None` where that was not counted.
    ///
    /// # Errors
    /// A damaged store.
    pub fn histogram(&self, analysis: i64, latent: u32) -> Result<Option<Histogram>> {
        let query = "SELECT linear, octaves FROM histogram WHERE analysis = ? AND latent = ?";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
        let Some((linear, octaves)) = self.row(query, (analysis, latent), read)? else {
            return Ok(None);
        };
        let read = || {
            let mut reader = Reader::new(&octaves);
            Some(Histogram {
                linear: Reader::new(&linear).all(Reader::u32)?,
                exponent: reader.i32()?,
                octaves: reader.all(Reader::u32)?,
            })
        };
        read().map(Some).ok_or_else(|| broken(self.path(), "a histogram"))
    }

    /// Writes how a latent's activations are distributed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_histogram(&self, analysis: i64, latent: u32, histogram: &Histogram) -> Result<()> {
        let mut linear = Writer::with_capacity(4 * histogram.linear.len());
        histogram.linear.iter().for_each(|count| linear.u32(*count));
        let mut octaves = Writer::with_capacity(4 + 4 * histogram.octaves.len());
        octaves.i32(histogram.exponent);
        histogram.octaves.iter().for_each(|count| octaves.u32(*count));
        self.change(
            "INSERT OR REPLACE INTO histogram VALUES (?, ?, ?, ?)",
            (analysis, latent, linear.done(), octaves.done()),
        )
        .map(drop)
    }
}
