//! What decides the batches of a stream: the factory's settings, the model, the data.

use std::collections::BTreeMap;

use super::cache::contents_of;
use super::config::ActivationFactoryConfig;
use super::settings::ActivationFactorySource;
use crate::error::{Context, Result};
use crate::event::RunContext;
use crate::fingerprint::Fingerprint;
use crate::text::Dataset;

/// What a factory's streams are made from, as far as it tells what is in them.
#[derive(Clone, Debug, Default)]
pub struct Origins<'a> {
    /// What decides the model's numbers; needed by data set sources.
    pub model: Option<Fingerprint>,
    /// The model's name, for `meta`.
    pub model_name: Option<&'a str>,
    /// Source name → data set.
    pub datasets: Option<&'a BTreeMap<String, Dataset>>,
}

/// What decides the batches of a stream from `origins`: `activation_factory.…`, `model.…`, `datasets.NAME.…`.
///
/// # Errors
/// Files that cannot be read.
pub(super) fn fingerprint(
    config: &ActivationFactoryConfig,
    origins: Origins<'_>,
    context: &RunContext,
) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::new();
    fingerprint.add("activation_factory", config)?;
    if config.buffer_size.is_some() {
        let shuffle = config.buffer_shuffle.clone().unwrap_or_default();
        fingerprint.add("activation_factory.buffer_shuffle", &shuffle)?;
    }
    let mut runs_model = false;
    for (index, source) in config.sources.iter().enumerate() {
        let key = format!("activation_factory.sources[{index}]");
        match source {
            ActivationFactorySource::Dataset(source) => {
                runs_model = true;
                fingerprint.add(&key, source)?;
                if let Some(dataset) = origins.datasets.and_then(|datasets| datasets.get(&source.name)) {
                    let records = dataset.fingerprint().under(source.name.as_str());
                    fingerprint.merge_under(&format!("datasets.{}", source.name), records.under("datasets")?);
                }
            }
            ActivationFactorySource::Activations(source) => {
                fingerprint.add(&key, source)?;
                let contents = contents_of(&source.path, &config.hook_points, context);
                let contents = contents.under(format!("[{index}]")).under("sources");
                let key = format!("{key}.contents");
                match contents.under("activation_factory")? {
                    Some(contents) => fingerprint.set(key, contents.into()),
                    None => fingerprint.set_unverified(key, "a cache elsewhere that has no index"),
                }
            }
        }
    }
    if let Some(model) = origins.model.filter(|_| runs_model) {
        fingerprint.merge_under("model", model);
        fingerprint.set("model_name", origins.model_name.into());
    }
    Ok(fingerprint)
}
