//! Several sources as one sequence of items, drawn at random by their weights.

use serde::{Deserialize, Serialize};

use super::tokens::{TokenReader, TokenSequence};
use crate::config::Value;
use crate::error::Result;
use crate::tensor::Generator;

/// Draws of sources are seeded apart from the shuffle buffer, so that adding a source does not change its order.
const DRAW_SEED: u64 = 42;

/// What one draw gives.
pub(super) struct Item {
    /// Consecutive sequences of one source, at most one forward pass of them.
    pub sequences: Vec<TokenSequence>,
    /// Which source, by its place in the configuration.
    pub source: usize,
}

/// A source that is being read.
pub(super) struct OpenSource {
    /// The name in the configuration.
    pub name: String,
    /// Relative frequency of its draws.
    pub weight: f64,
    /// Where its sequences come from.
    pub reader: TokenReader,
    /// No more sequences.
    pub ended: bool,
}

/// Sources and the generator that draws among them.
pub(super) struct Mixture {
    sources: Vec<OpenSource>,
    generator: Generator,
    /// Sequences in an item.
    group: usize,
}

/// Where a mixture has got to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MixturePosition {
    /// For each source, the number of the next record.
    pub next_records: Vec<u64>,
    generator: Generator,
}

impl MixturePosition {
    /// The start of `sources` sources.
    pub(super) fn start(sources: usize) -> Self {
        MixturePosition {
            next_records: vec![0; sources],
            generator: Generator::new(DRAW_SEED),
        }
    }

    /// Could this have been written for a mixture of `sources` sources?
    pub(super) fn fits(&self, sources: usize) -> bool {
        self.next_records.len() == sources && self.generator.is_valid()
    }
}

impl Mixture {
    /// Goes on at `position`; the readers of `sources` must have been started there.
    pub(super) fn new(sources: Vec<OpenSource>, position: &MixturePosition, group: usize) -> Self {
        Mixture {
            sources,
            generator: position.generator.clone(),
            group,
        }
    }

    /// Where it has got to: what was handed out counts as done.
    pub(super) fn position(&self) -> MixturePosition {
        MixturePosition {
            next_records: self
                .sources
                .iter()
                .map(|source| source.reader.next_record())
                .collect(),
            generator: self.generator.clone(),
        }
    }

    /// The next item, or `None` when every source has ended.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        while let Some(index) = self.draw() {
            let source = &mut self.sources[index];
            let mut sequences = Vec::with_capacity(self.group);
            while sequences.len() < self.group && !source.ended {
                let next = source.reader.next();
                match next.map_err(|error| error.context(format!("in the source `{}`", source.name)))? {
                    Some(sequence) => sequences.push(sequence),
                    None => source.ended = true,
                }
            }
            if !sequences.is_empty() {
                return Ok(Some(Item {
                    sequences,
                    source: index,
                }));
            }
        }
        Ok(None)
    }

    /// The origin of a record as it is written into `meta`.
    pub(super) fn origin(&self, source: usize, record: u64, model_name: Option<&str>) -> Value {
        serde_json::json!({
            "model_name": model_name,
            "context_idx": record,
            "dataset_name": self.sources[source].name,
            "shard_idx": 0,
            "n_shards": 1,
        })
    }

    /// Groups ready or under way over all sources, and the most there can be.
    pub(super) fn queue_fill(&self) -> (usize, usize) {
        let fills = self.sources.iter().map(|source| source.reader.queue_fill());
        fills.fold((0, 0), |sum, fill| (sum.0 + fill.0, sum.1 + fill.1))
    }

    /// Chooses among the sources that have not ended. One source alone costs no draw.
    fn draw(&mut self) -> Option<usize> {
        let live: Vec<usize> = (0..self.sources.len())
            .filter(|index| !self.sources[*index].ended)
            .collect();
        if live.len() < 2 {
            return live.first().copied();
        }
        let total: f64 = live.iter().map(|index| self.sources[*index].weight).sum();
        let mut left = self.generator.uniform() * total;
        for index in &live {
            left -= self.sources[*index].weight;
            if left < 0.0 {
                return Some(*index);
            }
        }
        live.last().copied()
    }
}
