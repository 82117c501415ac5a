//! Which dictionary a run begins with: a fresh one, or a trained one.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::{Checked, Config, Value};
use crate::dictionary::{LoadOptions, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::fingerprint::Identified;
use crate::tensor::{DType, DeviceSpec};

/// A trained dictionary to go on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainedSAE {
    /// Folder (or weights file) of the trained dictionary, or `org/repo:folder` on the Hugging Face hub.
    pub pretrained_name_or_path: String,
    /// Refuse a weights file with surplus tensors; if not, each is named in a warning. Missing ones are always refused.
    #[serde(default = "yes")]
    pub strict_loading: bool,
    /// Fold the measured scale of the activations into the weights when they are loaded; null: analyses do, as far as
    /// the dictionary allows it, and nothing else does.
    #[serde(default)]
    pub fold_activation_scale: Option<bool>,
    /// Where the parameters live.
    #[serde(default)]
    pub device: DeviceSpec,
    /// Their number format; null keeps the file's.
    #[serde(default)]
    pub dtype: Option<DType>,
}

fn yes() -> bool {
    true
}

impl PretrainedSAE {
    /// Loads the dictionary as the settings say.
    ///
    /// # Errors
    /// No such dictionary, a broken one, or one whose scale cannot be folded although that was asked for.
    pub(super) fn load(&self, context: &RunContext) -> Result<SparseAutoEncoder> {
        let options = LoadOptions {
            device: self.device,
            dtype: self.dtype,
            strict_loading: self.strict_loading,
            fold_activation_scale: self.fold_activation_scale.unwrap_or(false),
            context: context.clone(),
        };
        SparseAutoEncoder::from_pretrained(Path::new(&self.pretrained_name_or_path), &options)
    }
}

impl Config for PretrainedSAE {
    const NAME: &'static str = "PretrainedSAE";

    fn validate(&self) -> Result<()> {
        if self.pretrained_name_or_path.trim().is_empty() {
            Err(Error::input("must not be empty").under("pretrained_name_or_path"))
        } else {
            Ok(())
        }
    }
}

/// What the dictionary is, is told by its files.
impl Identified for PretrainedSAE {
    const DECIDES: &'static [&'static str] = &["dtype", "fold_activation_scale"];
    const FREE: &'static [&'static str] = &["pretrained_name_or_path", "strict_loading", "device"];
}

/// An architecture for a fresh dictionary, or `{ pretrained_name_or_path = … }`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SaeChoice {
    /// Fresh weights.
    Fresh(SAEConfig),
    /// Trained weights.
    Pretrained(PretrainedSAE),
}

impl SaeChoice {
    /// Checks the values.
    ///
    /// # Errors
    /// What is wrong, under its key.
    pub(super) fn check(&self) -> Result<Beginning> {
        Ok(match self {
            SaeChoice::Fresh(cfg) => Beginning::Fresh(Checked::new(cfg.clone())?),
            SaeChoice::Pretrained(cfg) if cfg.fold_activation_scale == Some(true) => {
                return Err(
                    Error::input("a training goes on with the activation scale beside the weights")
                        .hint("leave it out here; `fold_activation_scale` of the run folds it at the end")
                        .under("fold_activation_scale"),
                );
            }
            SaeChoice::Pretrained(cfg) => Beginning::Pretrained(Checked::new(cfg.clone())?),
        })
    }
}

/// A [`SaeChoice`] that was checked.
pub(super) enum Beginning {
    /// Fresh weights.
    Fresh(Checked<SAEConfig>),
    /// Trained weights.
    Pretrained(Checked<PretrainedSAE>),
}

impl<'de> Deserialize<'de> for SaeChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ChoiceVisitor)
    }
}

/// The key that tells a trained dictionary from a fresh one.
const TELLING_KEY: &str = "pretrained_name_or_path";

/// Keys that both have, so that they tell nothing.
const COMMON_KEYS: [&str; 3] = ["strict_loading", "device", "dtype"];

/// Reads keys up to the first that tells which of the two it is, and the rest as that one. Unlike an untagged enum this
/// keeps the key paths of errors whole.
struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = SaeChoice;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(
            formatter,
            "a map of the settings of a dictionary (SAEConfig), or of `{TELLING_KEY}`"
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SaeChoice, A::Error> {
        let mut read: Vec<(String, Value)> = Vec::new();
        let telling = loop {
            match map.next_key::<String>()? {
                Some(key) if COMMON_KEYS.contains(&key.as_str()) => {
                    let value = map.next_value()?;
                    read.push((key, value));
                }
                other => break other,
            }
        };
        let pretrained = telling.as_deref() == Some(TELLING_KEY);
        let access = MapAccessDeserializer::new(Rejoined {
            read: read.into_iter(),
            value: None,
            telling,
            rest: map,
        });
        if pretrained {
            PretrainedSAE::deserialize(access).map(SaeChoice::Pretrained)
        } else {
            SAEConfig::deserialize(access).map(SaeChoice::Fresh)
        }
    }
}

/// A map of which some keys were read already.
struct Rejoined<A> {
    read: std::vec::IntoIter<(String, Value)>,
    value: Option<Value>,
    telling: Option<String>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rejoined<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if let Some((key, value)) = self.read.next() {
            self.value = Some(value);
            return seed.deserialize(key.into_deserializer()).map(Some);
        }
        match self.telling.take() {
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(serde::de::Error::custom),
            None => self.rest.next_value_seed(seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::parse;

    #[test]
    fn fresh_and_trained_are_told_apart_wherever_common_keys_stand() {
        let trained = json!({"device": "cpu", "pretrained_name_or_path": "results", "dtype": "fp32"});
        let SaeChoice::Pretrained(sae) = parse(trained).expect("valid") else {
            panic!("a trained one");
        };
        assert_eq!(sae.dtype, Some(DType::FLOAT32));
        let fresh = json!({"dtype": "bf16", "hook_point_in": "a", "hook_point_out": "a", "d_model": 4, "expansion_factor": 2});
        let SaeChoice::Fresh(sae) = parse(fresh).expect("valid") else {
            panic!("a fresh one");
        };
        assert_eq!(sae.dtype, DType::BFLOAT16);
    }

    #[test]
    fn errors_keep_their_key_paths() {
        let error = |value| parse::<SaeChoice>(value).expect_err("refused");
        let typo = json!({"hook_point_in": "a", "hook_point_out": "a", "d_modle": 4});
        assert_eq!(error(typo).key_path(), "d_modle");
        let first = json!({"hook_pint_in": "a"});
        assert_eq!(error(first).key_path(), "hook_pint_in");
        let wrong = json!({"hook_point_in": "a", "hook_point_out": "a", "d_model": "wide"});
        assert_eq!(error(wrong).key_path(), "d_model");
    }
}
