//! What the reader of a format returns.

use std::ops::Range;

use crate::config::Value;

/// The values of a text, and where they stand.
pub(super) struct Parsed {
    pub value: Value,
    /// Key path segments (indices as `[0]`), byte range of the key, byte range of the value.
    pub spans: Vec<(Vec<String>, Range<usize>, Range<usize>)>,
}

/// Values within values, in every format: more than any configuration has, and few enough for those who walk through
/// them.
pub(super) const DEEPEST: usize = 100;
