//! How often a source is read, as settings have it: a number, or `"unlimited"`, which TOML can hold where it has no null.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// What is written for a number of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number of passes, or \"unlimited\"")]
pub enum Passes {
    /// So many.
    Times(u64),
    /// Again and again.
    Word(Unlimited),
    /// Again and again.
    Null(()),
}

/// The word `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unlimited {
    /// The only one.
    Unlimited,
}

pub(super) fn once() -> Option<u64> {
    Some(1)
}

/// Refuses to read a source not even once.
pub(super) fn check(passes: Option<u64>) -> Result<()> {
    match passes {
        Some(0) => {
            Err(Error::input("must be at least 1, or \"unlimited\" to read again and again").under("passes"))
        }
        _ => Ok(()),
    }
}

pub(super) fn serialize<S: Serializer>(passes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let written = passes.map_or(Passes::Word(Unlimited::Unlimited), Passes::Times);
    written.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Passes::deserialize(deserializer)? {
        Passes::Times(times) => Some(times),
        Passes::Word(_) | Passes::Null(()) => None,
    })
}

/// Returns a number of passes that was given, where a key may be left out too.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    deserialize(deserializer).map(Some)
}
