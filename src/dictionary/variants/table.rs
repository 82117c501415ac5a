//! The table of variants.

use std::sync::Arc;

use super::settings::VariantSettings;
use super::{crosscoder, gated, matryoshka, plain};
use crate::config::{Value, parse};
use crate::dictionary::hook_points::HookLayout;
use crate::dictionary::variant::Variant;
use crate::error::{Error, Result};

/// The variant of a configuration that does not say its `sae_type`.
pub const DEFAULT: &str = plain::Plain::NAME;

/// All variants. A new one is a file of this folder and a line here.
pub static VARIANTS: &[Row] = &[
    Row::of::<plain::Plain>(),
    Row::of::<matryoshka::Matryoshka>(),
    Row::of::<gated::Gated>(),
    Row::of::<crosscoder::Crosscoder>(),
];

/// What is known of a variant before there is a dictionary of it.
pub struct Row {
    /// The `sae_type`.
    pub name: &'static str,
    /// How its hook points are named.
    pub hooks: HookLayout,
    /// Names of constructors in scripts that make configurations of it alone.
    pub config_names: &'static [&'static str],
    /// Names of constructors in scripts that make the settings of runs that train it.
    pub settings_names: &'static [&'static str],
    /// Returns the JSON schema of its own settings.
    pub schema: fn() -> Value,
    /// Reads its own settings.
    pub(in crate::dictionary) read: fn(Value) -> Result<Arc<dyn Variant>>,
}

impl Row {
    const fn of<V: VariantSettings>() -> Row {
        Row {
            name: V::NAME,
            hooks: V::HOOKS,
            config_names: V::CONFIG_NAMES,
            settings_names: V::SETTINGS_NAMES,
            schema: || schemars::schema_for!(V).to_value(),
            read: |fields| Ok(Arc::new(parse::<V>(fields)?)),
        }
    }

    /// Returns the row of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(name: &str) -> Result<&'static Row> {
        VARIANTS.iter().find(|row| row.name == name).ok_or_else(|| {
            let names: Vec<&str> = VARIANTS.iter().map(|row| row.name).collect();
            Error::unknown("value", name, &names)
        })
    }

    /// Returns what the variant is, in a sentence.
    pub fn summary(&self) -> String {
        let schema = (self.schema)();
        let said = schema["description"].as_str().unwrap_or_default();
        let sentence = said.split_once(". ").map_or(said, |(first, _)| first);
        format!("{}.", sentence.trim_end_matches('.').replace('\n', " "))
    }
}
