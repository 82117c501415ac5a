//! The activation factory: from data sets and a model to a stream of batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::activation_stream::{ActivationStream, FingerprintFn};
use super::cache::cached_producer;
use super::config::{ActivationFactoryConfig, ActivationFactoryTarget};
use super::fingerprint::{self, Origins};
use super::live::{
    ActivationModel, AheadProducer, DirectProducer, Encoder, Forward, Limits, LiveProducer, SourceOpener,
    SpecialIds,
};
use super::producer::Producer;
use super::settings::{ActivationFactoryActivationsSource, ActivationFactorySource};
use crate::config::{Checked, IntoChecked};
use crate::error::{Error, Result};
use crate::event::{RunContext, StopFlag};
use crate::fingerprint::Fingerprint;
use crate::tensor::{Device, runtime};
use crate::text::Dataset;

/// Batches made ahead if nothing is said. On a CPU, a model and a training that run at the same time need cores of their
/// own, or they take each other's: the quickstart then takes 10% more time on two of them.
fn batches_ahead(device: Device) -> usize {
    match device {
        Device::Cpu if !runtime::has_cores_for_two() => 0,
        _ => 2,
    }
}

/// Makes activation streams by one configuration.
#[derive(Clone, Debug)]
pub struct ActivationFactory {
    config: Checked<ActivationFactoryConfig>,
}

/// What a stream is made from.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The model; needed by data set sources.
    pub model: Option<Arc<dyn ActivationModel>>,
    /// The model's name, for `meta`.
    pub model_name: Option<String>,
    /// Source name → data set.
    pub datasets: BTreeMap<String, Dataset>,
    /// Where the data sets are one part of several that are read side by side: which part, of how many.
    pub shard: Option<(u32, u32)>,
}

impl ActivationFactory {
    /// Checks the configuration.
    ///
    /// # Errors
    /// What [`Config::validate`](crate::config::Config::validate) refuses.
    pub fn new(config: impl IntoChecked<ActivationFactoryConfig>) -> Result<Self> {
        Ok(ActivationFactory {
            config: config.into_checked()?,
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Checked<ActivationFactoryConfig> {
        &self.config
    }

    /// Starts reading. The stream's items depend on the configuration, the data and the seeds, never on timing.
    ///
    /// Sources of cached activations need neither a model nor a data set.
    ///
    /// # Errors
    /// A source without its data set or model, hook points that the model or the cache does not have, missing
    /// columns, damaged caches.
    pub fn process(&self, inputs: Inputs, context: &RunContext) -> Result<ActivationStream> {
        let caches: Option<Vec<&ActivationFactoryActivationsSource>> = self
            .config
            .sources
            .iter()
            .map(|source| match source {
                ActivationFactorySource::Activations(source) => Some(source),
                ActivationFactorySource::Dataset(_) => None,
            })
            .collect();
        let fingerprint = self.fingerprint_later(&inputs, context);
        let producer: Box<dyn Producer> = match caches {
            Some(caches) => {
                if self.config.packed {
                    context
                        .events
                        .warn("`packed` does nothing: cached activations are read as they were written")?;
                }
                Box::new(cached_producer(&self.config, &caches, context)?)
            }
            None => self.live_producer(inputs, context)?,
        };
        Ok(ActivationStream::new(
            producer,
            self.config.batch_size,
            fingerprint,
        ))
    }

    /// The producer that runs the model.
    fn live_producer(&self, inputs: Inputs, context: &RunContext) -> Result<Box<dyn Producer>> {
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
        let forward = self.forward(model, encoder.as_ref())?;
        let opener = SourceOpener {
            config: self.config.clone().into_inner(),
            datasets: inputs.datasets,
            encoder,
            shard: inputs.shard.unwrap_or((0, 1)),
            context: context.clone(),
        };
        let (device, given_up) = (forward.device(), StopFlag::new());
        let producer = LiveProducer::start(
            opener,
            forward,
            inputs.model_name,
            context.clone(),
            given_up.clone(),
        )?;
        match self.config.prefetch.unwrap_or_else(|| batches_ahead(device)) {
            0 => Ok(Box::new(DirectProducer::new(Box::new(producer), device))),
            ahead => Ok(Box::new(AheadProducer::start(
                Box::new(producer),
                ahead,
                given_up,
                device,
            )?)),
        }
    }

    /// How batches go through the model.
    fn forward(&self, model: Arc<dyn ActivationModel>, encoder: &dyn Encoder) -> Result<Forward> {
        let hook_points = &self.config.hook_points;
        let longest = self.config.context_size.unwrap_or_else(|| encoder.max_length());
        let tokens = longest.saturating_mul(self.config.model_batch_size);
        let only_tokens = hook_points.is_empty() || self.config.target == ActivationFactoryTarget::Tokens;
        Ok(Forward {
            limits: Limits::of(model.device(), self.config.model_batch_size, longest),
            device: model.device(),
            memory: model.memory(tokens, if only_tokens { 0 } else { hook_points.len() }),
            capture: if only_tokens {
                None
            } else {
                Some(model.plan(hook_points)?)
            },
            target: self.config.target,
            hook_points: self.config.hook_points.clone(),
            context_size: self.config.context_size,
            dtype: self.config.override_dtype,
            special: SpecialIds {
                bos: encoder.bos_id(),
                pad: encoder.pad_id(),
                ignored: self.config.ignore_token_ids.clone(),
            },
        })
    }

    /// What decides the batches of a stream from `origins`: `activation_factory.…`, `model.…`, `datasets.NAME.…`.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn fingerprint(&self, origins: Origins<'_>, context: &RunContext) -> Result<Fingerprint> {
        fingerprint::fingerprint(&self.config, origins, context)
    }

    /// What will tell what decides the batches of a stream from `inputs`.
    fn fingerprint_later(&self, inputs: &Inputs, context: &RunContext) -> FingerprintFn {
        let (factory, inputs, context) = (self.clone(), inputs.clone(), context.clone());
        Box::new(move || {
            let model = inputs.model.as_ref().map(|model| model.fingerprint());
            let origins = Origins {
                model: model.transpose()?,
                model_name: inputs.model_name.as_deref(),
                datasets: Some(&inputs.datasets),
            };
            factory.fingerprint(origins, &context)
        })
    }

    fn check_datasets(&self, inputs: &Inputs) -> Result<()> {
        for (index, source) in self.config.sources.iter().enumerate() {
            let ActivationFactorySource::Dataset(source) = source else {
                continue;
            };
            if !inputs.datasets.contains_key(&source.name) {
                let names: Vec<&String> = inputs.datasets.keys().collect();
                let error = if names.is_empty() {
                    Error::input(format!("no data set was given for the source `{}`", source.name))
                        .hint("pass `datasets`, a map from source names to data sets, to `process`")
                } else {
                    Error::unknown("data set", &source.name, &names)
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
