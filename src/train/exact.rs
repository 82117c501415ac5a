//! Metrics in checkpoints, number for number: as text, because JSON has no NaN and its readers may round the last digit.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Metrics;

/// Writes the metrics as names with texts.
pub(super) fn serialize<S: Serializer>(metrics: &Metrics, serializer: S) -> Result<S::Ok, S::Error> {
    let texts: Vec<(&str, String)> = metrics
        .iter()
        .map(|(name, value)| (name.as_str(), format!("{value:?}")))
        .collect();
    texts.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
    let read = Vec::<(String, String)>::deserialize(deserializer)?;
    read.into_iter()
        .map(|(name, text)| Ok((name, text.parse().map_err(serde::de::Error::custom)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] Metrics);

    #[test]
    fn numbers_come_back_bit_for_bit() {
        let values = [0.989_403_784_275_054_9, f64::NAN, f64::NEG_INFINITY, 1e-300, 3.0];
        let metrics: Metrics = values.iter().map(|value| ("x".to_string(), *value)).collect();
        let text = serde_json::to_string(&Holder(metrics)).expect("JSON");
        let Holder(back) = serde_json::from_str(&text).expect("read");
        for ((_, back), value) in back.iter().zip(values) {
            assert_eq!(back.to_bits(), value.to_bits(), "{text}");
        }
    }
}
