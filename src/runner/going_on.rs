//! A training that goes on from its newest checkpoint: compared with what it was begun with, then loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::options::TrainOptions;
use super::plan::TrainPlan;
use super::sae_choice::Beginning;
use super::settings::TrainSAESettings;
use crate::activations::{ActivationFactory, Origins};
use crate::dictionary::{LoadOptions, SparseAutoEncoder};
use crate::error::{Context, Result};
use crate::event::RunContext;
use crate::fingerprint::Fingerprint;
use crate::text::{Dataset, DatasetConfig};
use crate::train::compare_with_checkpoint;

/// Returns what decides how the dictionary begins: the initialisation, or the trained weights.
pub(super) fn began_with(plan: &TrainPlan, context: &RunContext) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::default();
    fingerprint.add_free::<TrainSAESettings>("");
    for name in plan.datasets.keys() {
        fingerprint.add_free::<DatasetConfig>(&format!("datasets.{name}"));
    }
    if let Some(initializer) = &plan.initializer {
        fingerprint.add("initializer", &**initializer)?;
    }
    let trained = match &plan.sae {
        Beginning::Fresh(cfg) => cfg.sae_pretrained_name_or_path.as_deref(),
        Beginning::Pretrained(trained) => Some(trained.pretrained_name_or_path.as_str()),
    };
    if let Some(name) = trained {
        let weights = SparseAutoEncoder::identity(Path::new(name), context).under("sae")?;
        fingerprint.set("sae_weights", weights.into());
    }
    Ok(fingerprint)
}

/// Compares the run with what its newest checkpoint was made with, before the model is loaded.
pub(super) fn compare(
    plan: &TrainPlan,
    options: &TrainOptions,
    newest: Option<&(u64, PathBuf)>,
    (datasets, began_with): (&BTreeMap<String, Dataset>, &Fingerprint),
    context: &RunContext,
) -> Result<()> {
    let Some((_, path)) = newest else {
        return Ok(());
    };
    let model = match &plan.model {
        Some(model) => Some(model.fingerprint(context).under("model")?),
        None => None,
    };
    let origins = Origins {
        model,
        model_name: None,
        datasets: Some(datasets),
    };
    let factory = ActivationFactory::new(&plan.activation_factory)?;
    let mut fingerprint = factory.fingerprint(origins, context)?;
    fingerprint.remove("model_name");
    fingerprint.merge(began_with.clone());
    let cfg = match &plan.sae {
        Beginning::Fresh(cfg) => cfg.clone(),
        // It is loaded from the checkpoint, which has its settings.
        Beginning::Pretrained(_) => load(path, plan, context)?.cfg,
    };
    fingerprint.add("sae", &*cfg)?;
    fingerprint.add("trainer", &*plan.trainer)?;
    compare_with_checkpoint(path, &fingerprint, &options.allow_change).map(drop)
}

/// Returns the dictionary into which the checkpoint at `path` is loaded: as the settings say, which may differ from the
/// checkpoint's where that is allowed.
pub(super) fn to_go_on(path: &Path, plan: &TrainPlan, context: &RunContext) -> Result<SparseAutoEncoder> {
    match &plan.sae {
        Beginning::Fresh(cfg) => SparseAutoEncoder::zeros(cfg.clone()).under("sae"),
        Beginning::Pretrained(_) => load(path, plan, context),
    }
}

/// Returns a trained dictionary, on the device and in the dtype that the settings say.
pub(super) fn load(path: &Path, plan: &TrainPlan, context: &RunContext) -> Result<SparseAutoEncoder> {
    let mut options = match &plan.sae {
        Beginning::Fresh(cfg) => LoadOptions {
            device: cfg.device,
            dtype: Some(cfg.dtype),
            ..LoadOptions::default()
        },
        Beginning::Pretrained(trained) => LoadOptions {
            device: trained.device,
            dtype: trained.dtype,
            strict_loading: trained.strict_loading,
            ..LoadOptions::default()
        },
    };
    options.context = context.clone();
    SparseAutoEncoder::from_pretrained(path, &options)
}
