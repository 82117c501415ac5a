//! Number formats by the names that PyTorch users write.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::Kind;

use crate::config;
use crate::error::Error;

/// The number format of a tensor. Written `"float32"`, `"torch.float32"`, `"fp32"` or, in scripts, `torch::float32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DType(Kind);

/// Canonical name, other spellings, libtorch's kind.
const NAMES: &[(&str, &[&str], Kind)] = &[
    ("float32", &["fp32", "float"], Kind::Float),
    ("float16", &["fp16", "half"], Kind::Half),
    ("bfloat16", &["bf16"], Kind::BFloat16),
    ("float64", &["fp64", "double"], Kind::Double),
    ("int64", &["long"], Kind::Int64),
    ("int32", &["int"], Kind::Int),
    ("int16", &["short"], Kind::Int16),
    ("int8", &[], Kind::Int8),
    ("uint8", &["byte"], Kind::Uint8),
    ("bool", &[], Kind::Bool),
];

impl DType {
    /// 32-bit floats.
    pub const FLOAT32: DType = DType(Kind::Float);
    /// 16-bit floats with 8 bits of exponent.
    pub const BFLOAT16: DType = DType(Kind::BFloat16);

    /// Returns libtorch's name for it.
    pub fn kind(self) -> Kind {
        self.0
    }

    /// Returns PyTorch's name without the module, e.g. `float32`.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, _, kind)| *kind == self.0)
            .map_or("unknown", |(name, _, _)| name)
    }

    /// Returns every dtype that has a name here, in the order of the table.
    pub fn all() -> impl Iterator<Item = DType> {
        NAMES.iter().map(|(_, _, kind)| DType(*kind))
    }

    /// Returns the size of one number, in bytes.
    pub fn size(self) -> usize {
        self.0.elt_size_in_bytes()
    }

    /// Returns whether it is one of the floating-point formats, in which weights and activations are held.
    pub fn is_floating_point(self) -> bool {
        matches!(self.0, Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double)
    }
}

impl From<Kind> for DType {
    fn from(kind: Kind) -> Self {
        DType(kind)
    }
}

impl From<DType> for Kind {
    fn from(dtype: DType) -> Self {
        dtype.0
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bare = text
            .strip_prefix("torch.")
            .or_else(|| text.strip_prefix("torch::"))
            .unwrap_or(text);
        NAMES
            .iter()
            .find(|(name, others, _)| *name == bare || others.contains(&bare))
            .map(|(_, _, kind)| DType(*kind))
            .ok_or_else(|| {
                let names: Vec<&str> = NAMES.iter().map(|(name, _, _)| *name).collect();
                Error::unknown("dtype", text, &names)
            })
    }
}

impl Serialize for DType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("torch.{}", self.name()))
    }
}

impl<'de> Deserialize<'de> for DType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(config::refuse)
    }
}

impl JsonSchema for DType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "dtype".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "title": "dtype"})
    }
}
