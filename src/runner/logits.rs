//! Direct logit attribution by itself, into a store that an analysis made.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analyze_settings::{beside, refuse_mongo};
use super::analyzed::{hold_store, load};
use super::facts::{compare_with_store, compare_with_training, facts_of};
use super::sae_choice::PretrainedSAE;
use crate::analysis::{DirectLogitAttributor, DirectLogitAttributorConfig, LatentLogits, write_logits};
use crate::config::{Checked, Config, Value, to_value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::findings::Store;
use crate::fingerprint::Allowances;
use crate::model::{LanguageModel, LanguageModelConfig};
use crate::tensor::DeviceSpec;

/// What the latents of a trained dictionary add to the logits of its model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectLogitAttributeSettings {
    /// The trained dictionary.
    pub sae: PretrainedSAE,
    /// Name of the dictionary.
    pub sae_name: String,
    /// Series that it belongs to.
    pub sae_series: String,
    /// The layer of a cross-layer transcoder; null for all other dictionaries.
    #[serde(default)]
    pub layer_idx: Option<u64>,
    /// The language model it was trained on.
    pub model: LanguageModelConfig,
    /// Name of the model.
    #[serde(default)]
    pub model_name: Option<String>,
    /// How decoder rows are taken to the logits.
    #[serde(default)]
    pub direct_logit_attributor: DirectLogitAttributorConfig,
    /// A database of the reference system, which is not written to: see `store`.
    #[serde(default)]
    pub mongo: Option<Value>,
    /// Another name for `store`, of the reference system.
    #[serde(default)]
    pub analysis_file: Option<String>,
    /// Kind of device; where the dictionary and the model live is said by their own settings.
    #[serde(default)]
    pub device_type: DeviceSpec,
    /// The store that an analysis of this dictionary made; null: where an analysis writes it.
    #[serde(default)]
    pub store: Option<String>,
}

impl Config for DirectLogitAttributeSettings {
    const NAME: &'static str = "DirectLogitAttributeSettings";

    fn validate(&self) -> Result<()> {
        refuse_mongo(self.mongo.as_ref())?;
        if self.layer_idx.is_some() {
            return Err(Error::input("there are no cross-layer transcoders")
                .hint("leave `layer_idx` out")
                .under("layer_idx"));
        }
        self.sae.validate().under("sae")?;
        self.model.validate().under("model")?;
        self.direct_logit_attributor
            .validate()
            .under("direct_logit_attributor")
    }
}

/// Computes what latents add to the logits, and writes it into the store of the dictionary; returns that. `allowed` names
/// what of the dictionary and the model may differ from what the store and the training have.
///
/// # Errors
/// Settings that make no sense; a dictionary or model that cannot be read or do not fit each other; no store, or one of
/// another dictionary or model; another model than the dictionary was trained on.
pub fn direct_logit_attribute(
    settings: &DirectLogitAttributeSettings,
    allowed: &Allowances,
    context: &RunContext,
) -> Result<PathBuf> {
    settings.validate()?;
    let named = settings.store.as_ref().or(settings.analysis_file.as_ref());
    let path = named.map_or_else(
        || beside(&settings.sae.pretrained_name_or_path, &settings.sae_name),
        PathBuf::from,
    );
    let store = Store::open(&path).under("store")?;
    store.require_writable().under("store")?;
    let _lock = hold_store(&path, context).under("store")?;
    let folder = Path::new(&settings.sae.pretrained_name_or_path);
    let identity = SparseAutoEncoder::identity(folder, context)?;
    let sae = load(&settings.sae, context).under("sae")?;
    let model = LanguageModel::load(settings.model.clone(), context).under("model")?;
    let config = Checked::new(settings.direct_logit_attributor.clone()).under("direct_logit_attributor")?;
    compare_with_training(folder, Some(&model), allowed, context)?;
    let mut facts = facts_of(&sae, Some(&model))?;
    facts.insert("dictionary.identity".into(), identity);
    compare_with_store(&store, &facts, allowed, context).under("store")?;
    attribute_into(&store, (&sae, &model), &config, context)?;
    // A store of cached activations may know nothing of the model yet.
    let known = store.all_meta()?;
    let new = facts.iter().filter(|(key, _)| !known.contains_key(*key));
    store.transaction(|| {
        new.into_iter()
            .try_for_each(|(key, value)| store.set_meta(key, value))
    })?;
    Ok(path)
}

/// Computes what latents add to the logits, and writes it, some latents at a time.
///
/// # Errors
/// As [`DirectLogitAttributor::attribute`]; the store cannot be written.
pub(super) fn attribute_into(
    store: &Store,
    (sae, model): (&SparseAutoEncoder, &LanguageModel),
    config: &Checked<DirectLogitAttributorConfig>,
    context: &RunContext,
) -> Result<()> {
    let attributor = DirectLogitAttributor::new(config)?;
    let mut found: Vec<LatentLogits> = Vec::new();
    attributor.attribute(sae, model, context, |one| {
        found.push(one);
        if found.len() == 1024 {
            write_logits(store, &found)?;
            found.clear();
        }
        Ok(())
    })?;
    write_logits(store, &found)?;
    store.set_meta("logits", &to_value(&**config)?.to_string())
}
