//! What each format has: its names, and how its files are read.

use super::guarded;
use super::input::Input;
use super::rows::{Rows, Selection};
use crate::error::Result;
use crate::guard;

/// How to read one kind of file.
pub(in crate::text) struct Format {
    /// What people call it.
    pub name: &'static str,
    /// File name extensions without the dot.
    pub extensions: &'static [&'static str],
    /// Can it be read through a `.gz` or `.zst` stream?
    pub compressible: bool,
    /// The settings of a data set that tell how to read it, beyond those for every format.
    pub settings: &'static [&'static str],
    /// The column names, found out without reading the file through.
    pub(super) columns: fn(&Input) -> Result<Vec<String>>,
    /// The number of rows.
    pub(super) count: fn(&Input) -> Result<u64>,
    /// The rows.
    pub(super) open: fn(&Input, &Selection) -> Result<Rows>,
}

/// Files are anyone's: whatever a format's reader panics at is an error that names the file.
impl Format {
    /// The column names, found out without reading the file through.
    pub(in crate::text) fn columns(&self, input: &Input) -> Result<Vec<String>> {
        caught(input, || (self.columns)(input))
    }

    /// The number of rows.
    pub(in crate::text) fn count(&self, input: &Input) -> Result<u64> {
        caught(input, || (self.count)(input))
    }

    /// The rows.
    pub(in crate::text) fn open(&self, input: &Input, selection: &Selection) -> Result<Rows> {
        let rows = caught(input, || (self.open)(input, selection))?;
        Ok(guarded::guarded(input.path.clone(), rows))
    }
}

fn caught<T>(input: &Input, work: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::caught(&format!("reading `{}`", input.path.display()), work)
}
