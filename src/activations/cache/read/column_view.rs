//! One tensor of a chunk, wherever its rows lie.

use std::path::Path;

use crate::tensor::Kind;

/// A tensor of a chunk: where its rows lie.
pub(super) struct ColumnView<'a> {
    /// What messages call its file.
    pub file: &'a Path,
    pub bytes: &'a [u8],
    pub kind: Kind,
    /// Shape of one row.
    pub row: Vec<i64>,
}
