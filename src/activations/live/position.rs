//! Where a source has got to.

use serde::{Deserialize, Serialize};

use super::packing::Leftover;
use crate::text::Skipped;

/// Where one source has got to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SourcePosition {
    /// The number of its next record or chunk.
    pub next: u64,
    /// What is left of the record before.
    pub left: Leftover,
    /// The number of the pass over a data set's records, from 0.
    #[serde(default)]
    pub pass: u64,
    /// The data set's bad records that were left out.
    #[serde(default)]
    pub skipped: Skipped,
}
