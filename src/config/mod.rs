//! Configuration: one schema for scripts, TOML, JSON and YAML.
//!
//! Every configuration class is a serde struct that lives beside what it configures and implements [`Config`].
//! Whatever its source, a configuration first becomes a [`Value`] and then goes through [`from_value`], the one
//! bridge, which checks types, names the key path of whatever is wrong and suggests the nearest valid key.

mod message;
mod steps;

pub use serde_json::{Map, Value};
pub use steps::Steps;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A configuration class: plain data with defaults, documented fields and a check of its values.
pub trait Config: Serialize + DeserializeOwned + JsonSchema + Clone + 'static {
    /// The class's name in scripts, e.g. `SAEConfig`.
    const NAME: &'static str;

    /// Refuses values that are of the right type but make no sense. Key paths are relative to this struct.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// Builds a configuration from plain data and checks it.
///
/// # Errors
/// Unknown keys, wrong types, missing keys and values out of range, each with its key path.
pub fn from_value<C: Config>(value: Value) -> Result<C> {
    let config: C = parse(value)?;
    config.validate()?;
    Ok(config)
}

/// Like [`from_value`] for any deserialisable data, without the check of values.
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(message::explain)
}

/// A configuration as plain data, every default written out.
pub fn to_value<C: Serialize>(config: &C) -> Result<Value> {
    serde_json::to_value(config)
        .map_err(|error| Error::run(format!("cannot write the configuration: {error}")))
}
