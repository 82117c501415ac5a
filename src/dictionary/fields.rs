//! The settings of a dictionary as plain data: what all dictionaries have, the hook points and a variant's own settings
//! stand side by side in one table.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::base::BaseConfig;
use super::hook_points::HookLayout;
use super::variant::SAEConfig;
use super::variants::{DEFAULT, Row, VARIANTS};
use crate::config::flat::{properties, take};
use crate::config::{Map, Value, parse, refuse, to_value};
use crate::error::{Error, Result};

/// The key that tells variants apart.
const TYPE: &str = "sae_type";

impl Serialize for SAEConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = [self.hooks.fields(), to_value(&self.base), self.variant.settings()];
        let mut all = Map::new();
        all.insert(TYPE.into(), self.variant.name().into());
        for part in parts {
            if let Value::Object(fields) = part.map_err(serde::ser::Error::custom)? {
                all.extend(fields);
            }
        }
        all.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SAEConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(deserializer)?;
        read(fields).map_err(refuse)
    }
}

fn read(mut fields: Map<String, Value>) -> Result<SAEConfig> {
    let row = match fields.remove(TYPE) {
        None => Row::find(DEFAULT)?,
        Some(name) => {
            let name: String = parse(name).map_err(|error| error.under(TYPE))?;
            Row::find(&name).map_err(|error| error.under(TYPE))?
        }
    };
    let (hooks, base, own) = (row.hooks.schema(), base_schema(), (row.schema)());
    refuse_unknown(&fields, row, &[&hooks, &base, &own])?;
    let [hooks, base, own] = [&hooks, &base, &own].map(|schema| take(&mut fields, schema));
    Ok(SAEConfig {
        hooks: row.hooks.read(hooks)?,
        base: parse(Value::Object(base))?,
        variant: (row.read)(Value::Object(own))?,
    })
}

/// Refuses keys that this variant does not have, and says whose they are.
fn refuse_unknown(fields: &Map<String, Value>, row: &Row, schemas: &[&Value]) -> Result<()> {
    let mut known = vec![TYPE.to_string()];
    for schema in schemas {
        known.extend(properties(schema).map(|(key, _)| key.clone()));
    }
    let Some(key) = fields.keys().find(|key| !known.contains(key)) else {
        return Ok(());
    };
    let error = Error::unknown_key("key", key, &known).under(key);
    let has = |other: &&Row| properties(&other.settings_schema()).any(|(known, _)| known == key);
    let others: Vec<String> = VARIANTS
        .iter()
        .filter(has)
        .map(|other| format!("\"{}\"", other.name))
        .collect();
    let whose = match others.split_last() {
        None => return Err(error),
        Some((only, [])) => only.clone(),
        Some((last, more)) => format!("{} and {last}", more.join(", ")),
    };
    Err(error.hint(format!(
        "`{key}` is a setting of sae_type {whose}, and this is \"{}\"",
        row.name
    )))
}

impl Row {
    /// Returns the JSON schema of all settings of this variant but its `sae_type`.
    pub fn settings_schema(&self) -> Value {
        let mut whole = base_schema();
        for part in [self.hooks.schema(), (self.schema)()] {
            for table in ["properties", "$defs"] {
                if let Some(added) = part[table].as_object() {
                    let known = whole[table].as_object().cloned().unwrap_or_default();
                    whole[table] = known.into_iter().chain(added.clone()).collect();
                }
            }
            if let Some(added) = part["required"].as_array() {
                let known = whole["required"].as_array().cloned().unwrap_or_default();
                whole["required"] = known.into_iter().chain(added.iter().cloned()).collect();
            }
        }
        whole
    }
}

fn base_schema() -> Value {
    schemars::schema_for!(BaseConfig).to_value()
}

/// The keys of all variants; of those that only some have, the description says whose they are.
impl JsonSchema for SAEConfig {
    fn schema_name() -> Cow<'static, str> {
        "SAEConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut whole = BaseConfig::json_schema(generator);
        let names: Vec<&str> = VARIANTS.iter().map(|row| row.name).collect();
        let meanings: Vec<String> = VARIANTS
            .iter()
            .map(|row| format!("{}: {}", row.name, row.summary()))
            .collect();
        let mut all = Map::new();
        all.insert(
            TYPE.into(),
            serde_json::json!({
                "type": "string", "enum": names, "default": DEFAULT,
                "description": format!("The kind of dictionary. {}", meanings.join(" ")),
            }),
        );
        let mut required: Vec<Value> = Vec::new();
        for layout in HookLayout::ALL {
            let of = |row: &&Row| row.hooks == layout;
            let part = layout.schema();
            add(&mut all, &part, of);
            if VARIANTS
                .iter()
                .any(|row| row.name == DEFAULT && row.hooks == layout)
            {
                required.extend(part["required"].as_array().into_iter().flatten().cloned());
            }
        }
        let object = whole.ensure_object();
        if let Some(Value::Object(base)) = object.remove("properties") {
            all.extend(base);
        }
        for row in VARIANTS {
            add(&mut all, &(row.schema)(), |other| other.name == row.name);
        }
        if let Some(Value::Array(base)) = object.remove("required") {
            required.extend(base);
        }
        object.insert("properties".into(), Value::Object(all));
        object.insert("required".into(), Value::Array(required));
        object.insert(
            "description".into(),
            "The architecture of a dictionary: a sparse autoencoder, or a transcoder when the two hook points differ, or \
             another kind by `sae_type`."
                .into(),
        );
        whole
    }
}

/// Adds the keys of `schema`, which only the variants have that `of` names.
fn add(all: &mut Map<String, Value>, schema: &Value, of: impl Fn(&&Row) -> bool) {
    let names: Vec<String> = VARIANTS
        .iter()
        .filter(of)
        .map(|row| format!("\"{}\"", row.name))
        .collect();
    for (key, field) in properties(schema) {
        let mut field = field.clone();
        if names.len() < VARIANTS.len() {
            let said = field["description"].as_str().unwrap_or_default();
            let whose = names.join(", ");
            field["description"] = format!("{said} Only with sae_type {whose}.").into();
        }
        all.insert(key.clone(), field);
    }
}
