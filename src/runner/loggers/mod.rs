//! What a training logs to besides its own folder: one file and one row a logger.

mod logger;
mod tensorboard;
mod wandb;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(super) use self::logger::{Logger, Started, Training};
pub use self::tensorboard::TensorBoardConfig;
use crate::config::{self, Map, Value, from_value, parse, to_value};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::report::wandb::WandbConfig;

/// Every kind of logger. A new one is a file and a row.
static KINDS: &[Kind] = &[Kind::of::<TensorBoardConfig>(), Kind::of::<WandbConfig>()];

/// The key that tells kinds apart.
const TYPE: &str = "type";

/// A row of the table.
struct Kind {
    name: &'static str,
    complete: fn(Value) -> Result<Value>,
    validate: fn(Value) -> Result<()>,
    look: fn(Value, &Training<'_>) -> Result<()>,
    start: fn(Value, &Training<'_>, &Events) -> Result<Started>,
    schema: fn(&mut SchemaGenerator) -> Value,
}

impl Kind {
    const fn of<L: Logger>() -> Kind {
        Kind {
            name: L::TYPE,
            complete: |fields| to_value(&parse::<L>(fields)?),
            validate: |settings| from_value::<L>(settings).map(drop),
            look: |settings, training| parse::<L>(settings)?.look(training),
            start: |settings, training, events| parse::<L>(settings)?.start(training, events),
            schema: |generator| L::json_schema(generator).to_value(),
        }
    }

    /// The schema of its settings with their `type`.
    fn tagged_schema(&self, generator: &mut SchemaGenerator) -> Value {
        let mut schema = (self.schema)(generator);
        let fields = schema["properties"].take();
        let mut tagged = Map::from_iter([(TYPE.to_string(), serde_json::json!({"const": self.name}))]);
        tagged.extend(fields.as_object().cloned().unwrap_or_default());
        schema["properties"] = tagged.into();
        schema["required"] = serde_json::json!([TYPE]);
        schema
    }
}

/// One logger of a training: its `type`, and the settings of that kind.
#[derive(Clone)]
pub struct LoggerSettings {
    kind: &'static Kind,
    /// Every default written out.
    settings: Value,
}

impl std::fmt::Debug for LoggerSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.kind.name, self.settings)
    }
}

impl LoggerSettings {
    /// Returns the logger with these settings.
    pub(super) fn of<L: Logger>(settings: &L) -> Result<Self> {
        Ok(LoggerSettings {
            kind: kind(L::TYPE)?,
            settings: to_value(settings)?,
        })
    }

    /// Returns the value of its `type`.
    pub fn type_name(&self) -> &'static str {
        self.kind.name
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// What its kind refuses; key paths are relative to the logger.
    pub fn validate(&self) -> Result<()> {
        (self.kind.validate)(self.settings.clone())
    }

    pub(super) fn look(&self, training: &Training<'_>) -> Result<()> {
        (self.kind.look)(self.settings.clone(), training)
    }

    pub(super) fn start(&self, training: &Training<'_>, events: &Events) -> Result<Started> {
        (self.kind.start)(self.settings.clone(), training, events)
    }
}

fn kind(name: &str) -> Result<&'static Kind> {
    let known = || {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        Error::unknown("value", name, &names)
    };
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(known)
}

impl Serialize for LoggerSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.settings.as_object().into_iter().flatten();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(TYPE, self.kind.name)?;
        for (name, value) in fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for LoggerSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let given = fields
            .shift_remove(TYPE)
            .ok_or_else(|| de::Error::missing_field(TYPE))?;
        let read = || {
            let name: String = parse(given).under(TYPE)?;
            let kind = kind(&name).under(TYPE)?;
            let settings = (kind.complete)(Value::Object(fields))?;
            Ok(LoggerSettings { kind, settings })
        };
        read().map_err(config::refuse)
    }
}

impl JsonSchema for LoggerSettings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoggerSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<Value> = KINDS.iter().map(|kind| kind.tagged_schema(generator)).collect();
        json_schema!({"oneOf": kinds})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_read_checked_written_and_documented() {
        let documented = include_str!("../../../docs/metrics.md");
        let schema = schemars::schema_for!(LoggerSettings).to_value();
        let schemas = schema["oneOf"].as_array().expect("a schema for each kind");
        assert_eq!(schemas.len(), KINDS.len());
        for (kind, schema) in KINDS.iter().zip(schemas) {
            assert_eq!(schema["properties"]["type"]["const"], kind.name);
            let logger: LoggerSettings =
                parse(json!({"type": kind.name})).expect("all settings have defaults");
            logger.validate().expect("the defaults make sense");
            let written = to_value(&logger).expect("plain data");
            let fields = written.as_object().expect("a table");
            assert!(
                fields
                    .keys()
                    .eq(schema["properties"].as_object().expect("fields").keys())
            );
            let again: LoggerSettings = parse(written.clone()).expect("as it was written");
            assert_eq!(to_value(&again).expect("plain data"), written);
            let refused = parse::<Vec<LoggerSettings>>(json!([{"type": kind.name, "nothing_such": 1}]));
            assert_eq!(refused.expect_err("no such key").key_path(), "[0].nothing_such");
            let line = format!("type = \"{}\"", kind.name);
            assert!(
                documented.contains(&line),
                "docs/metrics.md does not speak of `{line}`"
            );
        }
    }

    #[test]
    fn another_type_is_refused_at_its_place() {
        let refused = |value: Value| {
            parse::<Vec<LoggerSettings>>(value)
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            refused(json!([{"type": "wandv"}])),
            "`[0].type`: unknown value `wandv`; did you mean `wandb`?; allowed: `tensorboard`, `wandb`"
        );
        assert_eq!(
            refused(json!([{"folder": "logs"}])),
            "`[0]`: the key `type` is missing, and it has no default"
        );
    }
}
