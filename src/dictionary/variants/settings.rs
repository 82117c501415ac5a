//! What the settings of every variant are.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dictionary::hook_points::HookLayout;
use crate::dictionary::variant::Variant;

/// The settings of a variant's own, from which its dictionaries are computed. The first sentence of the type's
/// docstring says what it is.
pub trait VariantSettings: Variant + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// The `sae_type`.
    const NAME: &'static str;
    /// How its hook points are named.
    const HOOKS: HookLayout;
    /// What Language-Model-SAEs calls its configuration, by all the names that it had there.
    const CONFIG_NAMES: &'static [&'static str] = &[];
    /// What it calls the settings of a run that trains one.
    const SETTINGS_NAMES: &'static [&'static str] = &[];
}
