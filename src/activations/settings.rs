//! Where a factory's activations come from: a data set run through a model, or a cache on disk.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::passes::{self, Passes};
use crate::config::{Config, Map, Value, to_value};
use crate::error::{Error, Result};
use crate::fingerprint::Identified;
use crate::tensor::{DType, DeviceSpec};

/// Texts or token sequences that a language model turns into activations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationFactoryDatasetSource {
    /// Always `"dataset"`; tells the kinds of sources apart in files.
    #[serde(rename = "type", default)]
    pub kind: DatasetTag,
    /// The name under which `process` gets the data set.
    pub name: String,
    /// True: records hold lists of token ids instead of text: under `tokens`, or else under `input_ids`, where an
    /// `attention_mask` tells which of them are padding.
    #[serde(default)]
    pub is_dataset_tokenized: bool,
    /// Put the beginning-of-sequence token before each text.
    #[serde(default = "yes")]
    pub prepend_bos: bool,
    /// How often the whole data set is read: a number, or `"unlimited"` for again and again. A data set that was shuffled
    /// last is shuffled anew for each pass.
    #[serde(default = "passes::once", with = "passes")]
    #[schemars(with = "Passes")]
    pub passes: Option<u64>,
    /// How often this source is drawn, relative to the others.
    #[serde(default = "one")]
    pub sample_weights: f64,
}

impl ActivationFactoryDatasetSource {
    /// Returns a data set of texts with the defaults.
    pub fn named(name: &str) -> Self {
        ActivationFactoryDatasetSource {
            kind: DatasetTag::default(),
            name: name.into(),
            is_dataset_tokenized: false,
            prepend_bos: true,
            passes: passes::once(),
            sample_weights: 1.0,
        }
    }
}

/// Activations that were written before, to a folder here, on a web server or in an object store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationFactoryActivationsSource {
    /// Always `"activations"`; tells the kinds of sources apart in files.
    #[serde(rename = "type", default)]
    pub kind: ActivationsTag,
    /// A name for messages and `meta`.
    pub name: String,
    /// The cache's folder, which holds one folder for each hook point; or a map from hook points to their folders. A
    /// folder may lie on a web server (`https://host/path`) or in an object store (`s3://bucket/path`, with the
    /// environment's AWS_… variables): its chunks are fetched ahead to the folder of temporary files, or the one that
    /// SAESCRIPT_SPOOL names.
    pub path: CachePath,
    /// Where the activations are put.
    #[serde(default)]
    pub device: DeviceSpec,
    /// The number format to turn them into; null keeps that of the files.
    #[serde(default)]
    pub dtype: Option<DType>,
    /// Threads that read chunks ahead, or fetch them.
    #[serde(default = "four")]
    pub num_workers: usize,
    /// Chunks that are read ahead at most; null reads each when it is needed. From elsewhere, the chunks that the next
    /// refill of the factory's buffer takes are fetched ahead besides.
    #[serde(default = "prefetch")]
    pub prefetch: Option<usize>,
    /// How often the whole cache is read: a number, or `"unlimited"` for again and again.
    #[serde(default = "passes::once", with = "passes")]
    #[schemars(with = "Passes")]
    pub passes: Option<u64>,
    /// Seed by which the chunks are shuffled anew for each pass; null: in the order of their numbers.
    #[serde(default)]
    pub chunk_shuffle_seed: Option<u64>,
    /// How often this source is drawn, relative to the others.
    #[serde(default = "one")]
    pub sample_weights: f64,
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

fn four() -> usize {
    4
}

fn prefetch() -> Option<usize> {
    Some(8)
}

/// The tag `"dataset"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatasetTag {
    /// The only value.
    #[default]
    #[serde(rename = "dataset")]
    Dataset,
}

/// The tag `"activations"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActivationsTag {
    /// The only value.
    #[default]
    #[serde(rename = "activations")]
    Activations,
}

/// One folder for all hook points, or a folder for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a folder or a map from hook points to folders")]
pub enum CachePath {
    /// Holds a folder named after each hook point.
    Root(String),
    /// Hook point → the folder of its chunks.
    ByHookPoint(BTreeMap<String, String>),
}

/// One of the kinds of sources, told apart by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ActivationFactorySource {
    /// `type = "dataset"`
    Dataset(ActivationFactoryDatasetSource),
    /// `type = "activations"`
    Activations(ActivationFactoryActivationsSource),
}

impl ActivationFactorySource {
    /// Returns the source's name.
    pub fn name(&self) -> &str {
        match self {
            ActivationFactorySource::Dataset(source) => &source.name,
            ActivationFactorySource::Activations(source) => &source.name,
        }
    }

    /// Returns how often it is drawn, relative to the others.
    pub fn sample_weights(&self) -> f64 {
        match self {
            ActivationFactorySource::Dataset(source) => source.sample_weights,
            ActivationFactorySource::Activations(source) => source.sample_weights,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        match self {
            ActivationFactorySource::Dataset(source) => source.validate(),
            ActivationFactorySource::Activations(source) => source.validate(),
        }
    }
}

impl Config for ActivationFactoryDatasetSource {
    const NAME: &'static str = "ActivationFactoryDatasetSource";

    fn validate(&self) -> Result<()> {
        check_name_and_weight(&self.name, self.sample_weights)?;
        passes::check(self.passes)
    }
}

impl Config for ActivationFactoryActivationsSource {
    const NAME: &'static str = "ActivationFactoryActivationsSource";

    fn validate(&self) -> Result<()> {
        check_name_and_weight(&self.name, self.sample_weights)?;
        if self.num_workers == 0 {
            return Err(Error::input("must be at least 1").under("num_workers"));
        }
        if self.prefetch == Some(0) {
            return Err(Error::input("must be at least 1, or null to read nothing ahead").under("prefetch"));
        }
        passes::check(self.passes)?;
        if self.dtype.is_some_and(|dtype| !dtype.is_floating_point()) {
            return Err(Error::input("activations are held in a floating-point dtype").under("dtype"));
        }
        Ok(())
    }
}

impl Identified for ActivationFactoryDatasetSource {
    const DECIDES: &'static [&'static str] = &[
        "type",
        "name",
        "is_dataset_tokenized",
        "prepend_bos",
        "passes",
        "sample_weights",
    ];
    const FREE: &'static [&'static str] = &[];

    /// One pass is not told: it was all there was before the setting.
    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut fields = fields(self)?;
        if self.passes == passes::once() {
            fields.shift_remove("passes");
        }
        Ok(fields)
    }
}

/// Where the cache lies does not matter; what it holds is told by its index.
impl Identified for ActivationFactoryActivationsSource {
    const DECIDES: &'static [&'static str] = &[
        "type",
        "name",
        "dtype",
        "passes",
        "chunk_shuffle_seed",
        "sample_weights",
    ];
    const FREE: &'static [&'static str] = &["path", "device", "num_workers", "prefetch"];

    /// Passes without end are null, as they were written before there was a word for them.
    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut fields = fields(self)?;
        fields.insert("passes".into(), self.passes.into());
        Ok(fields)
    }
}

fn fields<C: Serialize>(config: &C) -> Result<Map<String, Value>> {
    match to_value(config)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

fn check_name_and_weight(name: &str, weight: f64) -> Result<()> {
    if name.is_empty() {
        return Err(Error::input("must not be empty").under("name"));
    }
    if !weight.is_finite() || weight <= 0.0 {
        return Err(
            Error::input(format!("must be a number above 0, but is {weight}")).under("sample_weights")
        );
    }
    Ok(())
}

/// Every key of every kind. Reading them in one pass keeps the key paths of errors whole, which serde's own tagged
/// enums lose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnySource {
    #[serde(rename = "type")]
    kind: Kind,
    name: String,
    is_dataset_tokenized: Option<bool>,
    prepend_bos: Option<bool>,
    sample_weights: Option<f64>,
    path: Option<CachePath>,
    device: Option<DeviceSpec>,
    dtype: Option<DType>,
    num_workers: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    prefetch: Option<Option<usize>>,
    #[serde(default, deserialize_with = "passes::given")]
    passes: Option<Option<u64>>,
    chunk_shuffle_seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Dataset,
    Activations,
}

/// Tells a null that was written from a key that was left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

const DATASET_KEYS: &[&str] = &[
    "type",
    "name",
    "is_dataset_tokenized",
    "prepend_bos",
    "passes",
    "sample_weights",
];
const ACTIVATIONS_KEYS: &[&str] = &[
    "type",
    "name",
    "path",
    "device",
    "dtype",
    "num_workers",
    "prefetch",
    "passes",
    "chunk_shuffle_seed",
    "sample_weights",
];

impl<'de> Deserialize<'de> for ActivationFactorySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let any = AnySource::deserialize(deserializer)?;
        match any.kind {
            Kind::Dataset => any.into_dataset().map(ActivationFactorySource::Dataset),
            Kind::Activations => any.into_activations().map(ActivationFactorySource::Activations),
        }
    }
}

impl AnySource {
    fn into_dataset<E: de::Error>(self) -> Result<ActivationFactoryDatasetSource, E> {
        let foreign = [
            ("path", self.path.is_some()),
            ("device", self.device.is_some()),
            ("dtype", self.dtype.is_some()),
            ("num_workers", self.num_workers.is_some()),
            ("prefetch", self.prefetch.is_some()),
            ("chunk_shuffle_seed", self.chunk_shuffle_seed.is_some()),
        ];
        refuse(&foreign, DATASET_KEYS)?;
        Ok(ActivationFactoryDatasetSource {
            kind: DatasetTag::Dataset,
            name: self.name,
            is_dataset_tokenized: self.is_dataset_tokenized.unwrap_or(false),
            prepend_bos: self.prepend_bos.unwrap_or_else(yes),
            passes: self.passes.unwrap_or_else(passes::once),
            sample_weights: self.sample_weights.unwrap_or_else(one),
        })
    }

    fn into_activations<E: de::Error>(self) -> Result<ActivationFactoryActivationsSource, E> {
        let foreign = [
            ("is_dataset_tokenized", self.is_dataset_tokenized.is_some()),
            ("prepend_bos", self.prepend_bos.is_some()),
        ];
        refuse(&foreign, ACTIVATIONS_KEYS)?;
        Ok(ActivationFactoryActivationsSource {
            kind: ActivationsTag::Activations,
            name: self.name,
            path: self.path.ok_or_else(|| E::missing_field("path"))?,
            device: self.device.unwrap_or_default(),
            dtype: self.dtype,
            num_workers: self.num_workers.unwrap_or_else(four),
            prefetch: self.prefetch.unwrap_or_else(prefetch),
            passes: self.passes.unwrap_or_else(passes::once),
            chunk_shuffle_seed: self.chunk_shuffle_seed,
            sample_weights: self.sample_weights.unwrap_or_else(one),
        })
    }
}

/// A key that belongs to the other kind is unknown to this one.
fn refuse<E: de::Error>(foreign: &[(&str, bool)], allowed: &'static [&'static str]) -> Result<(), E> {
    match foreign.iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(E::unknown_field(key, allowed)),
        None => Ok(()),
    }
}
