//! What a configuration class is.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// A configuration class: plain data with defaults, documented fields and a check of its values.
pub trait Config: Serialize + DeserializeOwned + JsonSchema + Clone + 'static {
    /// The class's name in scripts, e.g. `SAEConfig`.
    const NAME: &'static str;

    /// Refuses values that are of the right type but make no sense. Key paths are relative to this struct.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}
