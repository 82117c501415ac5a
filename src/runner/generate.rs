//! From settings to a cache of activations on disk.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::generate_settings::{GenerateActivationsSettings, GenerationPlan};
use crate::activations::{
    ActivationFactory, ActivationStream, ActivationWriter, BatchStream, Inputs, Origins, StreamMemory,
    Written,
};
use crate::error::{Context, Result, byte_size};
use crate::event::RunContext;
use crate::fingerprint::{Allowances, Fingerprint, Names};
use crate::model::LanguageModel;
use crate::text::{Dataset, DatasetConfig};

impl GenerationPlan {
    /// The model.
    fn load_model(&self, context: &RunContext) -> Result<LanguageModel> {
        self.model()
            .and_then(|config| LanguageModel::load(config, context))
            .under("model")
    }

    /// The data set whole, of which each shard generates its part.
    fn load_dataset(&self, context: &RunContext) -> Result<Dataset> {
        self.dataset()
            .and_then(|config| Dataset::load(config, context))
            .under("dataset")
    }

    /// The writer, which knows what the activations are made from.
    fn writer_of(
        &self,
        dataset: &Dataset,
        options: &GenerateOptions,
        context: &RunContext,
    ) -> Result<ActivationWriter> {
        let writer = ActivationWriter::new(&self.writer)?
            .made_from(self.fingerprint(dataset, context)?, self.names())
            .allowing(options.allow_change.clone());
        Ok(match self.shard {
            Some((shard, n_shards)) => writer.in_shards(shard, n_shards),
            None => writer,
        })
    }

    /// The activations of this process's shard of `dataset`.
    fn stream(
        &self,
        model: &LanguageModel,
        dataset: Dataset,
        context: &RunContext,
    ) -> Result<ActivationStream> {
        let dataset = match self.shard {
            Some((shard, n_shards)) => dataset.shard(n_shards.into(), shard.into())?,
            None => dataset,
        };
        let inputs = Inputs {
            model: Some(Arc::new(model.clone())),
            model_name: Some(self.model_name.clone()),
            datasets: BTreeMap::from([(self.dataset_name.clone(), dataset)]),
            ..Inputs::default()
        };
        ActivationFactory::new(&self.factory)?.process(inputs, context)
    }

    /// What decides the numbers, all shards together.
    fn fingerprint(&self, dataset: &Dataset, context: &RunContext) -> Result<Fingerprint> {
        let datasets = BTreeMap::from([(self.dataset_name.clone(), dataset.clone())]);
        let origins = Origins {
            model: Some(
                self.model()
                    .and_then(|model| model.fingerprint(context))
                    .under("model")?,
            ),
            model_name: Some(&self.model_name),
            datasets: Some(&datasets),
        };
        let mut fingerprint = ActivationFactory::new(&self.factory)?.fingerprint(origins, context)?;
        fingerprint.add_free::<GenerateActivationsSettings>("");
        fingerprint.add_free::<DatasetConfig>("dataset");
        Ok(fingerprint)
    }

    /// What these settings call the keys of a fingerprint.
    fn names(&self) -> Names {
        Names::of([
            (format!("datasets.{}.", self.dataset_name).as_str(), "dataset."),
            ("activation_factory.sources[0].name", "dataset_name"),
            ("activation_factory.sources", "activation_factory.sources"),
            ("activation_factory.", ""),
            ("writer.total_generating_tokens", "total_tokens"),
            ("writer.", ""),
        ])
    }
}

/// What a generation may be told besides its settings.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// Settings that may differ from those that the folder was begun with.
    pub allow_change: Allowances,
}

/// Generates activations as the settings say and writes them into `output_dir`. A folder in which the same generation
/// was interrupted is completed; it is compared with these settings, model and data before anything else is done.
///
/// # Errors
/// Settings that make no sense; a model or data that cannot be read; a folder that is in use, or was begun with other
/// settings; too little disk space.
pub fn generate_activations(
    settings: &GenerateActivationsSettings,
    options: &GenerateOptions,
    context: &RunContext,
) -> Result<Written> {
    let plan = settings.plan()?;
    let dataset = plan.load_dataset(context)?;
    let mut writer = plan.writer_of(&dataset, options, context)?;
    if let Some(complete) = writer.look(context)? {
        return Ok(complete);
    }
    let model = plan.load_model(context)?;
    let mut stream = plan.stream(&model, dataset, context)?;
    writer.process(&mut stream, context)
}

/// What a generation will take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationForecast {
    /// The cache's folder.
    pub folder: PathBuf,
    /// Tokens of this process; `None`: as many as the data set has.
    pub tokens: Option<u64>,
    /// Bytes of activations for each token, at all hook points.
    pub bytes_per_token: u64,
    /// What is held while it runs.
    pub memory: StreamMemory,
}

impl fmt::Display for GenerationForecast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = byte_size(self.bytes_per_token);
        let folder = self.folder.display();
        match self.tokens {
            Some(tokens) => write!(
                formatter,
                "{tokens} tokens of {each} each: {} of activations in `{folder}`",
                byte_size(tokens * self.bytes_per_token)
            )?,
            None => write!(formatter, "{each} of activations a token in `{folder}`")?,
        }
        match self.memory.total() {
            0 => Ok(()),
            total => write!(formatter, "; memory about {} ({})", byte_size(total), self.memory),
        }
    }
}

/// Returns what the generation will take, after everything that comes before it writes: model and data are opened, the
/// folder is compared, the first batch is made. Nothing is written.
///
/// # Errors
/// What [`generate_activations`] refuses before it writes.
pub fn rehearse_generation(
    settings: &GenerateActivationsSettings,
    options: &GenerateOptions,
    context: &RunContext,
) -> Result<GenerationForecast> {
    let plan = settings.plan()?;
    let dataset = plan.load_dataset(context)?;
    let complete = plan.writer_of(&dataset, options, context)?.peek(context)?;
    let model = plan.load_model(context)?;
    let mut memory = StreamMemory::default();
    if complete.is_none() {
        let mut stream = plan.stream(&model, dataset, context)?;
        stream.next_batch()?;
        memory = stream.memory();
    }
    let mut width = 0;
    for name in &plan.factory.hook_points {
        width += model.hook_width(name).under("hook_points")?.max(0) as u64;
    }
    let dtype = plan.factory.override_dtype.unwrap_or(model.dtype());
    Ok(GenerationForecast {
        folder: PathBuf::from(&plan.writer.cache_dir),
        tokens: plan.writer.total_generating_tokens,
        bytes_per_token: width * dtype.size() as u64,
        memory,
    })
}
