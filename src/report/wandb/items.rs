//! Keys and values as wandb-core takes them: JSON texts.

use super::protocol::{Item, Items};
use crate::config::Value;
use crate::error::{Error, Result};
use crate::event::Histogram;

/// Returns any value as an item.
pub(super) fn item(key: &str, value: &Value) -> Item {
    Item {
        key: key.into(),
        value_json: value.to_string(),
    }
}

/// Writes a number; W&B's JSON has words for those that JSON has none for.
pub(super) fn number(key: &str, value: f64) -> Item {
    let value_json = if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        Value::from(value).to_string()
    };
    Item {
        key: key.into(),
        value_json,
    }
}

/// Returns W&B's own form of histograms: counts, and one more edge than counts.
pub(super) fn histogram(key: &str, histogram: &Histogram) -> Item {
    let mut first = histogram.min;
    if histogram.upper_edges.first() == Some(&first) {
        // All values are the same; W&B wants a range that is not empty.
        first -= 0.5;
    }
    let bins: Vec<f64> = std::iter::once(first)
        .chain(histogram.upper_edges.iter().copied())
        .collect();
    item(
        key,
        &serde_json::json!({"_type": "histogram", "values": histogram.counts, "bins": bins}),
    )
}

/// Returns the entries of a map; nothing for null.
///
/// # Errors
/// Anything else.
pub(super) fn config_items(settings: &Value) -> Result<Items> {
    match settings {
        Value::Null => Ok(Items::default()),
        Value::Object(map) => Ok(Items {
            update: map.iter().map(|(key, value)| item(key, value)).collect(),
        }),
        _ => Err(Error::input("the configuration of a W&B run must be a map")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_keep_their_meaning() {
        let text = |value| number("x", value).value_json;
        assert_eq!(text(0.5), "0.5");
        assert_eq!(text(f64::NAN), "NaN");
        assert_eq!(text(f64::NEG_INFINITY), "-Infinity");
    }

    #[test]
    fn histograms_have_one_more_edge_than_counts() {
        let spread = |values| Histogram::even(values, 2).expect("values");
        assert_eq!(
            histogram("x", &spread(&[0.0, 1.0, 1.0])).value_json,
            r#"{"_type":"histogram","values":[1.0,2.0],"bins":[0.0,0.5,1.0]}"#
        );
        assert_eq!(
            histogram("x", &spread(&[3.0])).value_json,
            r#"{"_type":"histogram","values":[1.0],"bins":[2.5,3.0]}"#
        );
    }
}
