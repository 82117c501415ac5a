//! Opens a factory's sources at any position.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::mixture::{Mixture, MixturePosition, OpenSource, SourceReader};
use super::model::Encoder;
use super::position::SourcePosition;
use super::tokens::{TokenReader, Tokenising};
use crate::activations::cache::CacheWalk;
use crate::activations::config::ActivationFactoryConfig;
use crate::activations::settings::{ActivationFactoryDatasetSource, ActivationFactorySource};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::text::{Dataset, RecordKind};

/// Everything it takes to start reading again somewhere else.
pub(in crate::activations) struct SourceOpener {
    pub config: ActivationFactoryConfig,
    pub datasets: BTreeMap<String, Dataset>,
    pub encoder: Arc<dyn Encoder>,
    /// Which part of each data set is read, of how many; for `meta`.
    pub shard: (u32, u32),
    /// What the fetching of chunks from elsewhere listens to.
    pub context: RunContext,
}

impl SourceOpener {
    /// Starts reading every source at its place in `position`.
    pub(super) fn open(&self, position: &MixturePosition) -> Result<Mixture> {
        let mut opened = Vec::new();
        for (index, (source, start)) in self.config.sources.iter().zip(&position.sources).enumerate() {
            let origin = match source {
                ActivationFactorySource::Dataset(source) => self
                    .tokens(source, start)
                    .map(|reader| SourceReader::Tokens(Box::new(reader))),
                ActivationFactorySource::Activations(source) => {
                    CacheWalk::start(&self.config, source, start.next, &self.context)
                        .map(|cache| SourceReader::Cache(Box::new(cache)))
                }
            };
            opened.push(OpenSource {
                name: source.name().to_string(),
                weight: source.sample_weights(),
                origin: origin.map_err(|error| error.under(format!("[{index}]")).under("sources"))?,
                ended: false,
                partial: Vec::new(),
            });
        }
        Ok(Mixture::new(
            opened,
            position,
            self.config.model_batch_size,
            self.shard,
        ))
    }

    fn tokens(&self, source: &ActivationFactoryDatasetSource, start: &SourcePosition) -> Result<TokenReader> {
        let dataset = self
            .datasets
            .get(&source.name)
            .ok_or_else(|| Error::input(format!("no data set was given for the source `{}`", source.name)))?;
        let longest = self.encoder.max_length();
        let window = self.config.context_size.filter(|_| self.config.packed);
        let how = Tokenising {
            kind: if source.is_dataset_tokenized {
                RecordKind::Tokens
            } else {
                RecordKind::Text
            },
            prepend_bos: source.prepend_bos,
            passes: source.passes,
            limit: match window {
                Some(_) => usize::MAX,
                None => self.config.context_size.unwrap_or(longest).min(longest),
            },
            window,
            encoder: self.encoder.clone(),
        };
        TokenReader::start(dataset, &how, self.config.num_workers, start)
    }
}
