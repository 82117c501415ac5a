//! A number of steps, given outright or as a fraction of the whole run.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// "steps | fraction": an integer is a number of steps, a float in 0..=1 a fraction of the total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Steps {
    /// So many steps.
    Count(u64),
    /// This part of all steps, in 0..=1.
    Fraction(f64),
}

impl Steps {
    /// Returns the number of steps in a run of `total` steps; fractions are truncated.
    pub fn resolve(self, total: u64) -> u64 {
        match self {
            Steps::Count(count) => count,
            Steps::Fraction(fraction) => (fraction * total as f64) as u64,
        }
    }
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Steps::Count(count) => serializer.serialize_u64(*count),
            Steps::Fraction(fraction) => serializer.serialize_f64(*fraction),
        }
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Steps;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a number of steps (integer) or a fraction of all steps (float from 0.0 to 1.0)")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Steps, E> {
        Ok(Steps::Count(count))
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Steps, E> {
        u64::try_from(count)
            .map(Steps::Count)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
    }

    fn visit_f64<E: de::Error>(self, fraction: f64) -> Result<Steps, E> {
        if (0.0..=1.0).contains(&fraction) {
            Ok(Steps::Fraction(fraction))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(fraction), &self))
        }
    }
}

impl JsonSchema for Steps {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Steps".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "number", "minimum": 0.0, "maximum": 1.0}
            ],
            "title": "steps | fraction"
        })
    }
}
