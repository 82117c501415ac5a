//! The activation factory: from data sets and a model to a stream of batches.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::activation_stream::ActivationStream;
use super::config::{ActivationFactoryConfig, ActivationFactoryTarget};
use super::forward::{Forward, SpecialIds};
use super::mixture::{MixturePosition, OpenSource};
use super::model::{ActivationModel, Encoder};
use super::source::{ActivationFactoryDatasetSource, ActivationFactorySource};
use super::tokens::{TokenReader, Tokenising};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::text::{Dataset, RecordKind};

/// Makes activation streams by one configuration.
#[derive(Clone, Debug)]
pub struct ActivationFactory {
    config: ActivationFactoryConfig,
}

/// What a stream is made from.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The model; needed by data set sources.
    pub model: Option<Rc<dyn ActivationModel>>,
    /// The model's name, for `meta`.
    pub model_name: Option<String>,
    /// Source name → data set.
    pub datasets: BTreeMap<String, Dataset>,
}

impl ActivationFactory {
    /// Checks the configuration.
    ///
    /// # Errors
    /// What [`ActivationFactoryConfig::validate`] refuses.
    pub fn new(config: ActivationFactoryConfig) -> Result<Self> {
        config.validate()?;
        Ok(ActivationFactory { config })
    }

    /// The configuration.
    pub fn config(&self) -> &ActivationFactoryConfig {
        &self.config
    }

    /// Starts reading. The stream's items depend on the configuration, the data and the seeds, never on timing.
    ///
    /// # Errors
    /// A source without its data set, no model, hook points that the model does not have, missing columns.
    pub fn process(&self, inputs: Inputs, context: &RunContext) -> Result<ActivationStream> {
        self.check_datasets(&inputs)?;
        let model = inputs.model.clone().ok_or_else(|| {
            Error::input("a data set source needs a model, but none was given")
                .hint("pass `model` to `process`")
        })?;
        if self.config.target != ActivationFactoryTarget::Activations1D && self.config.context_size.is_none()
        {
            return Err(Error::input(format!(
                "target \"{}\" stacks sequences, so they need one length",
                self.config.target
            ))
            .hint("set `context_size`")
            .under("context_size"));
        }
        for (index, hook_point) in self.config.hook_points.iter().enumerate() {
            model
                .check_hook_point(hook_point)
                .map_err(|error| error.under(format!("[{index}]")).under("hook_points"))?;
        }
        let encoder = model.encoder();
        self.check_length(encoder.as_ref())?;
        let special = SpecialIds {
            bos: encoder.bos_id(),
            pad: encoder.pad_id(),
            ignored: self.config.ignore_token_ids.clone(),
        };
        let forward = Forward {
            model: Some(model),
            target: self.config.target,
            hook_points: self.config.hook_points.clone(),
            model_batch_size: self.config.model_batch_size,
            context_size: self.config.context_size,
            dtype: self.config.override_dtype,
            special,
        };
        let opener = SourceOpener {
            config: self.config.clone(),
            datasets: inputs.datasets,
            encoder,
        };
        ActivationStream::new(opener, forward, inputs.model_name, context.clone())
    }

    fn check_datasets(&self, inputs: &Inputs) -> Result<()> {
        for (index, source) in self.config.sources.iter().enumerate() {
            let ActivationFactorySource::Dataset(source) = source else {
                continue;
            };
            if !inputs.datasets.contains_key(&source.name) {
                let names: Vec<&String> = inputs.datasets.keys().collect();
                let error = match names.is_empty() {
                    true => Error::input(format!("no data set was given for the source `{}`", source.name))
                        .hint("pass `datasets`, a map from source names to data sets, to `process`"),
                    false => Error::unknown("data set", &source.name, &names),
                };
                return Err(error.under("name").under(format!("[{index}]")).under("sources"));
            }
        }
        Ok(())
    }

    fn check_length(&self, encoder: &dyn Encoder) -> Result<()> {
        match self.config.context_size {
            Some(size) if size > encoder.max_length() => Err(Error::input(format!(
                "sequences of {size} tokens are longer than the {} that the model takes",
                encoder.max_length()
            ))
            .under("context_size")),
            _ => Ok(()),
        }
    }
}

/// Opens the sources of a stream at any position.
pub(super) struct SourceOpener {
    pub config: ActivationFactoryConfig,
    pub datasets: BTreeMap<String, Dataset>,
    pub encoder: std::sync::Arc<dyn Encoder>,
}

impl SourceOpener {
    /// Starts reading every source at its place in `position`.
    pub(super) fn open(&self, position: &MixturePosition) -> Result<Vec<OpenSource>> {
        let sources = self.config.sources.iter().zip(&position.next_records).enumerate();
        sources
            .map(|(index, (source, start))| {
                let reader = match source {
                    ActivationFactorySource::Dataset(source) => self.reader(source, *start),
                    ActivationFactorySource::Activations(_) => {
                        Err(Error::input("sources of cached activations cannot be read yet"))
                    }
                };
                Ok(OpenSource {
                    name: source.name().to_string(),
                    weight: source.sample_weights(),
                    reader: reader.map_err(|error| error.under(format!("[{index}]")).under("sources"))?,
                    ended: false,
                })
            })
            .collect()
    }

    fn reader(&self, source: &ActivationFactoryDatasetSource, start: u64) -> Result<TokenReader> {
        let dataset = self
            .datasets
            .get(&source.name)
            .ok_or_else(|| Error::input(format!("no data set was given for the source `{}`", source.name)))?;
        let longest = self.encoder.max_length();
        let how = Tokenising {
            kind: match source.is_dataset_tokenized {
                true => RecordKind::Tokens,
                false => RecordKind::Text,
            },
            prepend_bos: source.prepend_bos,
            limit: self.config.context_size.unwrap_or(longest).min(longest),
            encoder: self.encoder.clone(),
        };
        TokenReader::start(dataset, &how, self.config.num_workers, start)
    }
}
