//! Numbers as `mongoexport` writes them: plain, or under `$numberInt`, `$numberLong` and `$numberDouble`, which also has
//! those that JSON lacks.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// A float64.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Float(pub f64);

/// A float32, written with no more digits than tell it from others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Short(pub f32);

/// A whole number from 0 on, which may be written as a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole(pub u64);

/// Returns the number that a value is, in either form.
fn number(value: &Value) -> Result<f64, String> {
    let wrong = || format!("expected a number, but found {value}");
    match value {
        Value::Number(number) => number.as_f64().ok_or_else(wrong),
        Value::Object(fields) if fields.len() == 1 => {
            let (name, text) = fields.iter().next().ok_or_else(wrong)?;
            let is_one = matches!(name.as_str(), "$numberInt" | "$numberLong" | "$numberDouble");
            let text = text.as_str().filter(|_| is_one).ok_or_else(wrong)?;
            // Rust reads "NaN", "Infinity" and "-Infinity" as well.
            text.parse().map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

fn extended(number: f64) -> Value {
    let name = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    json!({"$numberDouble": name})
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            to.serialize_f64(self.0)
        } else {
            extended(self.0).serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        number(&value).map(Float).map_err(D::Error::custom)
    }
}

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            to.serialize_f32(self.0)
        } else {
            extended(f64::from(self.0)).serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Float(number) = Float::deserialize(from)?;
        let short = number as f32;
        if short.is_infinite() && number.is_finite() {
            return Err(D::Error::custom(format!(
                "{number} is beyond what a float32 holds"
            )));
        }
        Ok(Short(short))
    }
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

/// From here on not every whole number is a float64.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        if let Some(whole) = value.as_u64() {
            return Ok(Whole(whole));
        }
        let number = number(&value).map_err(D::Error::custom)?;
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            Ok(Whole(number as u64))
        } else {
            Err(D::Error::custom(format!(
                "expected a whole number from 0 on, but found {value}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_forms_and_nothing_else_is() {
        let read = |text: &str| serde_json::from_str::<Float>(text).map(|Float(number)| number);
        assert_eq!(read("2.5").ok(), Some(2.5));
        assert_eq!(read(r#"{"$numberLong": "7"}"#).ok(), Some(7.0));
        assert!(read(r#"{"$numberDouble": "NaN"}"#).is_ok_and(f64::is_nan));
        assert_eq!(
            read(r#"{"$numberDouble": "-Infinity"}"#).ok(),
            Some(f64::NEG_INFINITY)
        );
        assert!(read(r#"{"$oid": "7"}"#).is_err());
        assert!(read("\"7\"").is_err());
        let whole = |text: &str| serde_json::from_str::<Whole>(text).map(|Whole(number)| number);
        assert_eq!(whole("3.0").ok(), Some(3));
        assert_eq!(whole(r#"{"$numberInt": "3"}"#).ok(), Some(3));
        assert!(whole("3.5").is_err() && whole("-1").is_err());
        assert!(serde_json::from_str::<Short>("1e300").is_err(), "does not fit");
    }

    #[test]
    fn what_json_lacks_is_written_as_mongoexport_does() {
        let text =
            serde_json::to_string(&[Short(0.1), Short(f32::NAN), Short(f32::INFINITY)]).expect("written");
        assert_eq!(
            text,
            r#"[0.1,{"$numberDouble":"NaN"},{"$numberDouble":"Infinity"}]"#
        );
        let back: Vec<Short> = serde_json::from_str(&text).expect("read");
        assert_eq!(back[0], Short(0.1));
        assert!(back[1].0.is_nan());
    }
}
