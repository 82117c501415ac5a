//! From batches of a stream to contexts with the latents that fire in them.

use std::ops::Range;

use super::active::ActiveEncoder;
use super::settings::FeatureAnalyzerConfig;
use crate::activations::Batch;
use crate::config::Value;
use crate::dictionary::{Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::findings::Place;
use crate::kernels::screen::Rows;
use crate::tensor::{DType, Device, Kind, Tensor};

/// The longest context: positions are kept in 16 bits.
const LONGEST: i64 = 1 << 16;

/// One latent on one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) latent: u32,
    pub(super) position: u16,
    pub(super) value: f32,
}

/// One context with what fires in it.
pub(super) struct Seen<'a> {
    /// Its place in the stream, from 0.
    pub(super) ordinal: u32,
    /// Its tokens.
    pub(super) tokens: &'a [u32],
    /// The positions that count.
    pub(super) counted: &'a [u32],
    /// Where it came from.
    pub(super) place: Place,
    /// The latents that fire, token by token; the latents of a token ascend.
    rows: &'a Rows,
    row: Range<usize>,
    /// The same, latent by latent; the positions of a latent ascend.
    pub(super) entries: &'a [Entry],
}

impl Seen<'_> {
    /// Returns the latents that fire on each counted token, and how strongly.
    pub(super) fn by_token(&self) -> impl Iterator<Item = (&[u32], &[f32])> {
        self.row.clone().map(|row| {
            let range = self.rows.offsets[row]..self.rows.offsets[row + 1];
            (&self.rows.index[range.clone()], &self.rows.value[range])
        })
    }

    /// Returns the entries of each latent that fires.
    pub(super) fn by_latent(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|a, b| a.latent == b.latent)
    }
}

/// Makes contexts of batches.
pub(super) struct ContextReader<'a> {
    sae: &'a SparseAutoEncoder,
    config: &'a FeatureAnalyzerConfig,
    encoder: ActiveEncoder<'a>,
    /// The number of the next context.
    pub(super) next: u32,
    /// Positions that were read.
    pub(super) tokens: u64,
    /// Of these, those that count.
    pub(super) counted: u64,
}

impl<'a> ContextReader<'a> {
    /// Returns a reader at the beginning of a stream.
    ///
    /// # Errors
    /// A dictionary that cannot encode.
    pub(super) fn new(
        sae: &'a SparseAutoEncoder,
        config: &'a FeatureAnalyzerConfig,
        amp: Option<DType>,
    ) -> Result<Self> {
        Ok(ContextReader {
            sae,
            config,
            encoder: ActiveEncoder::new(sae, amp)?,
            next: 0,
            tokens: 0,
            counted: 0,
        })
    }

    /// Returns whether all tokens were read that are wanted.
    pub(super) fn is_done(&self) -> bool {
        self.tokens >= self.config.total_analyzing_tokens
    }

    /// Hands each context of `batch` to `look`, until all tokens that are wanted were read.
    ///
    /// # Errors
    /// A batch that does not fit the dictionary; what `look` says.
    pub(super) fn read(
        &mut self,
        batch: &Batch,
        mut look: impl FnMut(&Seen<'_>) -> Result<()>,
    ) -> Result<()> {
        let tokens = self.check(batch)?;
        let (contexts, length) = (tokens.size()[0], tokens.size()[1]);
        let left = self.config.total_analyzing_tokens.saturating_sub(self.tokens);
        // Those beyond the end are not looked at, so that batches of any size end alike.
        let wanted = contexts.min(left.div_ceil(length as u64) as i64);
        let ids = Vec::<i64>::try_from(
            tokens
                .f_to_device(Device::Cpu)?
                .f_to_kind(Kind::Int64)?
                .f_reshape([-1])?,
        )?;
        let ids: Vec<u32> = ids
            .into_iter()
            .map(|id| u32::try_from(id).unwrap_or(u32::MAX))
            .collect();
        let mask = self.mask(batch, &tokens)?;
        let counted = counted(&mask, wanted, length)?;
        require_countable(&counted)?;
        let x = self.normalised(batch, &mask)?;
        let rows = self.encoder.encode(&x.f_narrow(0, 0, wanted)?, &mask, &counted)?;
        let mut row = 0;
        let mut entries = Vec::new();
        for (index, counted) in counted.iter().enumerate() {
            let of_context = row..row + counted.len();
            row = of_context.end;
            by_latent(&rows, of_context.clone(), counted, &mut entries);
            let seen = Seen {
                ordinal: self.next,
                tokens: &ids[index * length as usize..][..length as usize],
                counted,
                place: place(batch.meta.as_ref().and_then(|meta| meta.get(index))),
                rows: &rows,
                row: of_context,
                entries: &entries,
            };
            look(&seen)?;
            self.next = self
                .next
                .checked_add(1)
                .ok_or_else(|| Error::input("an analysis has at most 2^32 contexts"))?;
            self.tokens += length as u64;
            self.counted += counted.len() as u64;
        }
        Ok(())
    }

    /// Refuses a batch that does not fit; returns its tokens `(B, T)`.
    fn check(&self, batch: &Batch) -> Result<Tensor> {
        for hook in self.sae.cfg.reads() {
            let size = batch.at(hook)?.size();
            let width = size.last().copied().unwrap_or(0);
            if size.len() != 3 {
                return Err(Error::input(format!(
                    "an analysis reads whole contexts, but the activations at `{hook}` have the shape {size:?}"
                ))
                .hint("use a factory with target \"activations-2d\""));
            }
            let fits = match self.sae.cfg.hooks.heads() {
                Some(_) => width <= self.sae.cfg.d_model,
                None => width == self.sae.cfg.d_model,
            };
            if !fits {
                return Err(Error::input(format!(
                    "the activations at `{hook}` are {width} wide, but the dictionary's d_model is {}",
                    self.sae.cfg.d_model
                ))
                .hint("analyse the dictionary on the model that it was trained on"));
            }
        }
        let size = batch.at(self.sae.cfg.reads()[0])?.size();
        let tokens = batch.tokens.as_ref().ok_or_else(|| {
            Error::input("an analysis needs tokens, but the stream's batches have none")
                .hint("generate the cache with its tokens, or run the model live")
        })?;
        if tokens.size() != size[..2] {
            return Err(Error::input(format!(
                "a batch has tokens of shape {:?} and activations of shape {size:?}",
                tokens.size()
            )));
        }
        if size[1] > LONGEST {
            return Err(Error::input(format!(
                "contexts of {} tokens are longer than the {LONGEST} that an analysis takes",
                size[1]
            ))
            .hint("set a smaller `context_size`"));
        }
        Ok(tokens.shallow_clone())
    }

    /// Returns which positions count, int32 `(B, T)` on the CPU.
    fn mask(&self, batch: &Batch, tokens: &Tensor) -> Result<Tensor> {
        let tokens = tokens.f_to_device(Device::Cpu)?;
        let mask = match (&self.config.ignore_token_ids, &batch.mask) {
            (Some(ignored), _) => {
                let ignored = Tensor::f_from_slice(ignored.as_slice())?;
                Tensor::f_isin(&tokens, &ignored, false, true)?
            }
            (None, Some(mask)) if mask.size() != tokens.size() => {
                return Err(Error::input(format!(
                    "a batch has tokens of shape {:?} and a mask of shape {:?}",
                    tokens.size(),
                    mask.size()
                )));
            }
            (None, Some(mask)) => mask.f_to_device(Device::Cpu)?.f_ne(0.0)?,
            (None, None) => tokens.f_ones_like()?.f_ne(0.0)?,
        };
        Ok(mask.f_to_kind(Kind::Int)?)
    }

    /// Returns the batch's activations as the dictionary reads them, `(B, T, [heads,] d)`.
    fn normalised(&self, batch: &Batch, mask: &Tensor) -> Result<Tensor> {
        let pass = Pass::counting(Some(mask));
        let parts = self.sae.cfg.reads().into_iter().map(|hook| {
            let x = batch.at(hook)?.f_to_device(self.sae.device())?;
            self.sae.normalize_with(&x, hook, &pass)
        });
        self.sae.join(parts.collect::<Result<_>>()?)
    }
}

/// Returns the positions that count of each of the first `contexts` contexts.
fn counted(mask: &Tensor, contexts: i64, length: i64) -> Result<Vec<Vec<u32>>> {
    let mask = Vec::<i32>::try_from(mask.f_reshape([-1])?)?;
    let rows = mask.chunks(length.max(1) as usize).take(contexts as usize);
    let positions = |row: &[i32]| {
        (0..)
            .zip(row)
            .filter(|(_, one)| **one != 0)
            .map(|(at, _)| at)
            .collect()
    };
    Ok(rows.map(positions).collect())
}

/// Refuses contexts in which a latent may fire more often than samples can say.
fn require_countable(counted: &[Vec<u32>]) -> Result<()> {
    match counted.iter().map(Vec::len).max() {
        Some(most) if most > usize::from(u16::MAX) => Err(Error::input(format!(
            "{most} positions of a context count, and an analysis takes 65,535"
        ))
        .hint("set a smaller `context_size`, or leave one out by the mask, as that of BOS")),
        _ => Ok(()),
    }
}

/// Orders the entries of some rows by latent, then by position.
fn by_latent(rows: &Rows, range: Range<usize>, counted: &[u32], entries: &mut Vec<Entry>) {
    entries.clear();
    for (row, position) in range.zip(counted) {
        let of_row = rows.offsets[row]..rows.offsets[row + 1];
        let values = rows.index[of_row.clone()].iter().zip(&rows.value[of_row]);
        let firing = values.filter(|(_, value)| **value > 0.0);
        entries.extend(firing.map(|(latent, value)| Entry {
            latent: *latent,
            position: *position as u16,
            value: *value,
        }));
    }
    entries.sort_unstable_by_key(|entry| (u64::from(entry.latent) << 16) | u64::from(entry.position));
}

/// Returns where a context came from, as far as its batch says.
fn place(meta: Option<&Value>) -> Place {
    let number = |key: &str| meta?.get(key)?.as_u64();
    let small = |key: &str| u32::try_from(number(key)?).ok();
    Place {
        dataset: meta
            .and_then(|meta| meta.get("dataset_name")?.as_str())
            .map(str::to_string),
        shard: small("shard_idx").zip(small("n_shards")),
        record: number("context_idx"),
        start: number("start"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_have_as_many_positions_as_can_be_counted() {
        let counting = |skipped: i64| {
            let mask = Tensor::ones([1, LONGEST], (Kind::Int, Device::Cpu));
            let _ = mask.narrow(1, 0, skipped).fill_(0);
            require_countable(&counted(&mask, 1, LONGEST).expect("counted"))
        };
        counting(1).expect("without BOS they can be counted");
        let said = counting(0).expect_err("one too many").to_string();
        assert!(said.contains("65536 positions"), "{said}");
    }
}
