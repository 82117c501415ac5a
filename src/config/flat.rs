//! The settings of several structs, side by side in one table.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{Map, Value, parse, refuse};
use crate::error::{Error, Result};

/// Returns the keys of the settings that `schema` describes, and what it says of each.
pub fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// Takes those of `fields` that `schema` describes.
pub fn take(fields: &mut Map<String, Value>, schema: &Value) -> Map<String, Value> {
    properties(schema)
        .filter_map(|(key, _)| fields.remove_entry(key))
        .collect()
}

/// Reads a table with the keys of two structs. Serde's own `flatten` would lose the key path of what is wrong.
///
/// # Errors
/// A key that neither has; what either refuses.
pub fn read_both<'de, A, B, D>(deserializer: D) -> Result<(A, B), D::Error>
where
    A: DeserializeOwned + JsonSchema,
    B: DeserializeOwned + JsonSchema,
    D: Deserializer<'de>,
{
    let fields = Map::<String, Value>::deserialize(deserializer)?;
    split(fields).map_err(refuse)
}

fn split<A, B>(mut fields: Map<String, Value>) -> Result<(A, B)>
where
    A: DeserializeOwned + JsonSchema,
    B: DeserializeOwned + JsonSchema,
{
    let schemas = [
        schemars::schema_for!(A).to_value(),
        schemars::schema_for!(B).to_value(),
    ];
    let [first, second] = schemas.each_ref().map(|schema| take(&mut fields, schema));
    if let Some(key) = fields.keys().next() {
        let known: Vec<String> = schemas
            .iter()
            .flat_map(|schema| properties(schema).map(|(key, _)| key.clone()))
            .collect();
        return Err(Error::unknown_key("key", key, &known).under(key));
    }
    Ok((parse(Value::Object(first))?, parse(Value::Object(second))?))
}
