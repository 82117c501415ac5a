//! Several sources as one sequence of items, drawn at random by their weights.

use serde::{Deserialize, Serialize};

use super::packing::TokenSequence;
use super::position::SourcePosition;
use super::tokens::TokenReader;
use crate::activations::cache::CacheWalk;
use crate::activations::draws::Draws;
use crate::activations::stream::Batch;
use crate::config::Value;
use crate::error::Result;
use crate::text::Skipped;

/// What one draw gives.
pub(super) enum Item {
    /// Consecutive sequences of one source, at most one forward pass of them.
    Sequences {
        /// Which source, by its place in the configuration.
        source: usize,
        sequences: Vec<TokenSequence>,
    },
    /// Rows that are computed already: a chunk of a cache.
    Rows(Batch),
}

/// A source that is being read.
pub(super) struct OpenSource {
    /// The name in the configuration.
    pub name: String,
    /// Relative frequency of its draws.
    pub weight: f64,
    /// Where its items come from.
    pub origin: SourceReader,
    /// Nothing is left.
    pub ended: bool,
    /// What an interruption left of an item.
    pub partial: Vec<TokenSequence>,
}

/// The kinds of sources.
pub(super) enum SourceReader {
    Tokens(Box<TokenReader>),
    Cache(Box<CacheWalk>),
}

/// Sources and the generator that draws among them.
pub(super) struct Mixture {
    sources: Vec<OpenSource>,
    draws: Draws,
    /// The source that was drawn for an item which an interruption left unfinished.
    drawn: Option<usize>,
    /// Sequences in an item.
    group: usize,
    /// Which part of the data sets is read, of how many.
    shard: (u32, u32),
}

/// Where a mixture has got to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MixturePosition {
    pub sources: Vec<SourcePosition>,
    draws: Draws,
}

impl MixturePosition {
    /// Returns the start of `sources` sources.
    pub(super) fn start(sources: usize) -> Self {
        MixturePosition {
            sources: vec![SourcePosition::default(); sources],
            draws: Draws::new(),
        }
    }

    /// Returns whether this can have been written for a mixture of `sources` sources.
    pub(super) fn fits(&self, sources: usize) -> bool {
        self.sources.len() == sources && self.draws.is_valid()
    }
}

impl OpenSource {
    /// The next item; `None` when nothing is left.
    fn next(&mut self, index: usize, group: usize) -> Result<Option<Item>> {
        match &mut self.origin {
            SourceReader::Cache(cache) => {
                let rows = cache.next()?;
                self.ended = rows.is_none();
                Ok(rows.map(Item::Rows))
            }
            SourceReader::Tokens(reader) => {
                while self.partial.len() < group && !self.ended {
                    match reader.next()? {
                        Some(sequence) => self.partial.push(sequence),
                        None => self.ended = true,
                    }
                }
                let sequences = std::mem::take(&mut self.partial);
                let item = Item::Sequences {
                    source: index,
                    sequences,
                };
                Ok(match &item {
                    Item::Sequences { sequences, .. } if sequences.is_empty() => None,
                    _ => Some(item),
                })
            }
        }
    }

    fn position(&self) -> SourcePosition {
        match &self.origin {
            SourceReader::Tokens(reader) => reader.position(),
            SourceReader::Cache(cache) => SourcePosition {
                next: cache.next_number(),
                ..SourcePosition::default()
            },
        }
    }
}

impl Mixture {
    /// Goes on at `position`; the readers of `sources` must have been started there.
    pub(super) fn new(
        sources: Vec<OpenSource>,
        position: &MixturePosition,
        group: usize,
        shard: (u32, u32),
    ) -> Self {
        Mixture {
            sources,
            draws: position.draws.clone(),
            drawn: None,
            group,
            shard,
        }
    }

    /// Returns where it has got to: what was handed out counts as done.
    pub(super) fn position(&self) -> MixturePosition {
        MixturePosition {
            sources: self.sources.iter().map(OpenSource::position).collect(),
            draws: self.draws.clone(),
        }
    }

    /// Returns the next item, or `None` when every source has ended.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            let sources = self.sources.iter().enumerate();
            let live: Vec<(usize, f64)> = sources
                .filter(|(_, source)| !source.ended)
                .map(|(index, source)| (index, source.weight))
                .collect();
            let Some(index) = self.drawn.take().or_else(|| self.draws.choose(&live)) else {
                return Ok(None);
            };
            let source = &mut self.sources[index];
            let item = source.next(index, self.group).map_err(|error| {
                self.drawn = Some(index);
                error.context(format!("in the source `{}`", source.name))
            })?;
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    /// Returns the origin of a record as it is written into `meta`.
    pub(super) fn origin(&self, source: usize, record: u64, model_name: Option<&str>) -> Value {
        serde_json::json!({
            "model_name": model_name,
            "context_idx": record,
            "dataset_name": self.sources[source].name,
            "shard_idx": self.shard.0,
            "n_shards": self.shard.1,
        })
    }

    /// Returns the bad records that were left out so far, under the names of their sources.
    pub(super) fn skipped(&self) -> impl Iterator<Item = (&str, &Skipped)> {
        self.sources.iter().filter_map(|source| match &source.origin {
            SourceReader::Tokens(reader) => Some((source.name.as_str(), reader.skipped())),
            SourceReader::Cache(_) => None,
        })
    }

    /// Returns what is ready or under way over all sources, and the most there can be.
    pub(super) fn queue_fill(&self) -> (usize, usize) {
        let fills = self.sources.iter().map(|source| match &source.origin {
            SourceReader::Tokens(reader) => reader.queue_fill(),
            SourceReader::Cache(_) => (0, 0),
        });
        fills.fold((0, 0), |sum, fill| (sum.0 + fill.0, sum.1 + fill.1))
    }
}
