//! Configuration: one schema for scripts, TOML, JSON and YAML.
//!
//! Every configuration class is a serde struct that lives beside what it configures and implements [`Config`].
//! Whatever its source, a configuration first becomes a [`Value`] and then goes through [`from_value`], the one
//! bridge, which checks types, names the key path of whatever is wrong and suggests the nearest valid key.

mod checked;
mod class;
mod elsewhere;
mod faults;
mod file;
pub mod flat;
mod message;
mod steps;
mod tables;

pub use checked::{Checked, IntoChecked};
pub use class::Config;
pub use faults::{KeyPath, faults};
pub use file::{Document, yaml_value};
pub use message::refuse;
pub use serde_json::{Map, Value};
pub use steps::Steps;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Builds a configuration from plain data and checks it.
///
/// # Errors
/// Unknown keys, wrong types, missing keys and values out of range, each with its key path.
pub fn from_value<C: Config>(value: Value) -> Result<C> {
    checked(value).map(Checked::into_inner)
}

/// Builds a configuration as [`from_value`] does, and returns it as one that was checked.
///
/// # Errors
/// As [`from_value`].
pub fn checked<C: Config>(value: Value) -> Result<Checked<C>> {
    let schema = schemars::schema_for!(C).to_value();
    Checked::new(read(&schema, value)?)
}

/// A configuration whose values nobody has checked; `schema` is its class's.
fn read<C: Config>(schema: &Value, value: Value) -> Result<C> {
    tables::refuse_lists(schema, schema, &value)?;
    parse(value).map_err(|error| elsewhere::advise(error, schema))
}

/// Reads any deserialisable data as [`from_value`] does, without the check of values.
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(message::explain)
}

/// Returns a configuration as plain data, every default written out.
pub fn to_value<C: Serialize>(config: &C) -> Result<Value> {
    serde_json::to_value(config)
        .map_err(|error| Error::run(format!("cannot write the configuration: {error}")))
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        lr: f64,
        warm_up: Option<Steps>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        parts: Vec<Inner>,
    }

    impl Config for Outer {
        const NAME: &'static str = "Outer";

        fn validate(&self) -> Result<()> {
            for (index, part) in self.parts.iter().enumerate() {
                if part.lr < 0.0 {
                    let error = Error::input("a learning rate is not negative");
                    return Err(error.under("lr").under(format!("[{index}]")).under("parts"));
                }
            }
            Ok(())
        }
    }

    fn refusal(value: Value) -> String {
        from_value::<Outer>(value)
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn integers_serve_as_numbers_and_null_as_none() {
        let outer: Outer =
            from_value(json!({"name": "a", "parts": [{"lr": 1, "warm_up": null}]})).expect("valid");
        assert_eq!(outer.parts[0].lr, 1.0);
        assert_eq!(outer.parts[0].warm_up, None);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_path_and_its_neighbour() {
        assert_eq!(
            refusal(json!({"name": "a", "parts": [{"lrr": 1}]})),
            "`parts[0].lrr`: unknown key `lrr`; did you mean `lr`?; allowed: `lr`, `warm_up`"
        );
    }

    #[test]
    fn a_list_is_no_table() {
        assert_eq!(
            refusal(json!({"name": "a", "parts": [[0.5]]})),
            "`parts[0]`: expected a table of settings, but was given a list; in TOML a table is `[name]`, and `[[name]]` \
             is a list of tables"
        );
        assert!(refusal(json!(["a"])).starts_with("expected a table of settings"));
    }

    #[test]
    fn wrong_types_and_values_are_named() {
        assert_eq!(
            refusal(json!({"name": 3})),
            "`name`: expected a string, but was given integer `3`"
        );
        assert_eq!(
            refusal(json!({})),
            "the key `name` is missing, and it has no default"
        );
        assert_eq!(
            refusal(json!({"name": "a", "parts": [{"warm_up": 1.5}]})),
            "`parts[0].warm_up`: expected a number of steps (integer) or a fraction of all steps (float from 0.0 to \
             1.0), but was given floating point `1.5`"
        );
        assert_eq!(
            refusal(json!({"name": "a", "parts": [{"lr": -1}]})),
            "`parts[0].lr`: a learning rate is not negative"
        );
    }
}
