//! The settings of a whole training run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loggers::{LoggerSettings, TensorBoardConfig};
use super::plan::TrainPlan;
use super::sae_choice::SaeChoice;
use crate::activations::{ActivationFactoryConfig, ActivationFactorySource, ActivationFactoryTarget};
use crate::config::{Checked, Config};
use crate::dictionary::Custom;
use crate::error::{Context, Error, Result};
use crate::fingerprint::Identified;
use crate::model::LanguageModelConfig;
use crate::report::wandb::WandbConfig;
use crate::tensor::DeviceSpec;
use crate::text::DatasetConfig;
use crate::train::{InitializerConfig, TrainerConfig, check_dtype, check_target, target_of};

/// Everything about one training run: model, data, dictionary, initialisation, training, logging.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainSAESettings {
    /// The dictionary: the settings of a fresh one (`SAEConfig`), or `{ pretrained_name_or_path = … }`.
    pub sae: SaeChoice,
    /// Name of the dictionary.
    pub sae_name: String,
    /// Series that it belongs to.
    pub sae_series: String,
    /// How its weights begin; null: fresh weights with the defaults, and norms from the first batches.
    #[serde(default)]
    pub initializer: Option<InitializerConfig>,
    /// How it is trained.
    pub trainer: TrainerConfig,
    /// Where its activations come from.
    pub activation_factory: ActivationFactoryConfig,
    /// What the run is logged to besides its folder, each a table with its `type`: `{ type = "wandb", … }`,
    /// `{ type = "tensorboard" }`.
    #[serde(default)]
    pub loggers: Vec<LoggerSettings>,
    /// The settings of one of `loggers` of the type "wandb", in short; null: none.
    #[serde(default)]
    pub wandb: Option<WandbConfig>,
    /// One of `loggers` of the type "tensorboard" with its defaults, in short.
    #[serde(default)]
    pub tensorboard: bool,
    /// The language model; needed by data set sources.
    #[serde(default)]
    pub model: Option<LanguageModelConfig>,
    /// Name of the model, for the records of where activations came from; null: the model's own.
    #[serde(default)]
    pub model_name: Option<String>,
    /// The data sets by the names of the sources that read them.
    #[serde(default)]
    pub datasets: Option<BTreeMap<String, DatasetConfig>>,
    /// Evaluate the dictionary on its model every `eval_frequency` steps and at the end.
    #[serde(default)]
    pub eval: bool,
    /// Processes that share the data; 1: this one.
    #[serde(default = "one")]
    pub data_parallel_size: u64,
    /// Processes that share the dictionary; 1: this one.
    #[serde(default = "one")]
    pub model_parallel_size: u64,
    /// Kind of device that processes run on.
    #[serde(default = "cuda")]
    pub device_type: DeviceSpec,
    /// Fold the dataset-wise normalisation into the weights that are saved at the end.
    #[serde(default = "yes")]
    pub fold_activation_scale: bool,
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

fn cuda() -> DeviceSpec {
    DeviceSpec::Cuda(0)
}

impl Config for TrainSAESettings {
    const NAME: &'static str = "TrainSAESettings";

    fn validate(&self) -> Result<()> {
        self.plan().map(drop)
    }
}

/// Its tables are compared by their own fields.
impl Identified for TrainSAESettings {
    const DECIDES: &'static [&'static str] = &[
        "sae",
        "initializer",
        "trainer",
        "activation_factory",
        "model",
        "datasets",
        "data_parallel_size",
        "model_parallel_size",
    ];
    const FREE: &'static [&'static str] = &[
        "sae_name",
        "sae_series",
        "loggers",
        "wandb",
        "tensorboard",
        "model_name",
        "eval",
        "device_type",
        "fold_activation_scale",
    ];
}

/// Refuses data sets that a factory reads without a model, or that `datasets` do not name. `place` is the factory's key
/// path.
///
/// # Errors
/// As said, under `model` or `place`.
pub(super) fn require_data_sets(
    factory: &ActivationFactoryConfig,
    has_model: bool,
    datasets: Option<&BTreeMap<String, DatasetConfig>>,
    place: &[String],
) -> Result<()> {
    for (index, source) in factory.sources.iter().enumerate() {
        let ActivationFactorySource::Dataset(source) = source else {
            continue;
        };
        if !has_model {
            return Err(
                Error::input("a data set needs a language model that turns it into activations")
                    .hint("add a `model`, or read cached activations")
                    .under("model"),
            );
        }
        let known: Vec<&String> = datasets.into_iter().flatten().map(|(name, _)| name).collect();
        if !known.contains(&&source.name) {
            let error = Error::unknown("data set", &source.name, &known)
                .hint("each source is the name of one of `datasets`")
                .under("name")
                .under(format!("[{index}]"))
                .under("sources");
            return Err(place.iter().rev().fold(error, Error::under));
        }
    }
    Ok(())
}

impl TrainSAESettings {
    /// Checks the settings, each part by itself and all of them against each other, and returns what they resolve to.
    ///
    /// # Errors
    /// What is wrong, under its key.
    pub(super) fn plan(&self) -> Result<TrainPlan> {
        let sae = self.sae.check().under("sae")?;
        let trainer = Checked::new(self.trainer.clone()).under("trainer")?;
        let activation_factory = Checked::new(self.activation_factory.clone()).under("activation_factory")?;
        let initializer = self.initializer.clone().map(Checked::new).transpose();
        let initializer = initializer.under("initializer")?;
        self.validate_fresh()?;
        let loggers = self.checked_loggers()?;
        let model = self.model.clone().map(Checked::new).transpose().under("model")?;
        let mut datasets = BTreeMap::new();
        for (name, dataset) in self.datasets.iter().flatten() {
            let dataset = Checked::new(dataset.clone()).under(name.as_str());
            datasets.insert(name.clone(), dataset.under("datasets")?);
        }
        self.validate_processes()?;
        self.validate_stream()?;
        Ok(TrainPlan {
            sae,
            initializer,
            trainer,
            activation_factory,
            loggers,
            model,
            model_name: self.model_name.clone(),
            datasets,
            eval: self.eval,
            fold_activation_scale: self.fold_activation_scale,
        })
    }

    fn validate_processes(&self) -> Result<()> {
        for (key, size) in [
            ("data_parallel_size", self.data_parallel_size),
            ("model_parallel_size", self.model_parallel_size),
        ] {
            if size != 1 {
                return Err(
                    Error::input(format!("a run is one process, but {size} were asked for"))
                        .hint("set it to 1 or leave it out")
                        .under(key),
                );
            }
        }
        Ok(())
    }

    /// Returns every logger, those of the short keys `tensorboard` and `wandb` first.
    fn all_loggers(&self) -> Result<Vec<LoggerSettings>> {
        let mut all = Vec::new();
        if self.tensorboard {
            all.push(LoggerSettings::of(&TensorBoardConfig::default())?);
        }
        if let Some(wandb) = &self.wandb {
            all.push(LoggerSettings::of(wandb)?);
        }
        all.extend(self.loggers.iter().cloned());
        Ok(all)
    }

    fn checked_loggers(&self) -> Result<Vec<LoggerSettings>> {
        if let Some(wandb) = &self.wandb {
            wandb.validate().map_err(|error| error.under("wandb"))?;
        }
        let all = self.all_loggers()?;
        let short = all.len() - self.loggers.len();
        let mut seen: Vec<&str> = Vec::new();
        for (index, logger) in all.iter().enumerate() {
            let name = logger.type_name();
            let checked = if seen.contains(&name) {
                Err(Error::input(format!(
                    "a run has one logger of the type \"{name}\", but two were given"
                ))
                .hint(format!("`{name}` outside of `loggers` stands for one of them"))
                .under("type"))
            } else {
                logger.validate()
            };
            let place = index.saturating_sub(short);
            checked.map_err(|error| error.under(format!("[{place}]")).under("loggers"))?;
            seen.push(name);
        }
        Ok(all)
    }

    /// What initialiser and trainer refuse of a fresh dictionary.
    fn validate_fresh(&self) -> Result<()> {
        let SaeChoice::Fresh(sae) = &self.sae else {
            return Ok(());
        };
        check_dtype(sae).map_err(|error| error.under("sae"))?;
        self.trainer
            .check_custom(sae, &Custom::default())
            .map_err(|error| error.under("sae"))?;
        self.trainer
            .check_dictionary(sae)
            .map_err(|error| error.under("trainer"))?;
        if sae.sae_pretrained_name_or_path.is_some() {
            return Ok(());
        }
        match &self.initializer {
            Some(initializer) => initializer
                .check_dictionary(sae)
                .map_err(|error| error.under("initializer")),
            None if sae.act_fn.has_thresholds() => Err(Error::input("jumprelu needs initial thresholds")
                .hint("add `[initializer]` with `init_log_jumprelu_threshold_value`, e.g. -2.3 for thresholds of 0.1")
                .under("act_fn")
                .under("sae")),
            None => Ok(()),
        }
    }

    fn validate_stream(&self) -> Result<()> {
        if self.activation_factory.target == ActivationFactoryTarget::Tokens {
            let wanted = match &self.sae {
                SaeChoice::Fresh(sae) => target_of(sae),
                SaeChoice::Pretrained(_) => ActivationFactoryTarget::Activations1D,
            };
            return Err(
                Error::input("a dictionary learns from activations, but the target is \"tokens\"")
                    .hint(format!("use \"{wanted}\""))
                    .under("target")
                    .under("activation_factory"),
            );
        }
        if let SaeChoice::Fresh(sae) = &self.sae {
            check_target(sae, self.activation_factory.target).under("activation_factory")?;
            for hook in sae.hook_points() {
                if !self
                    .activation_factory
                    .hook_points
                    .iter()
                    .any(|known| known == hook)
                {
                    return Err(Error::input(format!(
                        "the dictionary needs activations at `{hook}`, which the factory does not make"
                    ))
                    .hint("add it to `hook_points`")
                    .under("hook_points")
                    .under("activation_factory"));
                }
            }
        }
        self.validate_sources()
    }

    fn validate_sources(&self) -> Result<()> {
        require_data_sets(
            &self.activation_factory,
            self.model.is_some(),
            self.datasets.as_ref(),
            &["activation_factory".to_string()],
        )?;
        if self.eval && self.model.is_none() {
            return Err(Error::input("an evaluation needs the language model").under("model"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::from_value;
    use crate::dictionary::wants::whole;

    #[test]
    fn a_dictionary_that_wants_sequences_is_not_trained_on_single_tokens() {
        let settings = |target: &str| {
            let mut settings: TrainSAESettings = from_value(json!({
                "sae": {"hook_point_in": "h", "hook_point_out": "h", "d_model": 4, "d_sae": 8},
                "sae_name": "a", "sae_series": "b", "trainer": {},
                "activation_factory": {
                    "sources": [{"type": "activations", "name": "cache", "path": "cache"}], "target": target,
                    "hook_points": ["h"], "batch_size": 4, "context_size": 8,
                },
            }))
            .expect("valid for tokens");
            settings.sae = SaeChoice::Fresh(whole::config().into_inner());
            settings
        };
        settings("activations-2d").plan().expect("sequences");
        let error = settings("activations-1d").validate().expect_err("single tokens");
        assert_eq!(error.key_path(), "activation_factory.target");
        let mut tokens = settings("activations-1d");
        tokens.activation_factory.target = ActivationFactoryTarget::Tokens;
        let error = tokens.validate().expect_err("no activations");
        assert!(error.to_string().contains("use \"activations-2d\""), "{error}");
    }
}
