//! Checks a script.

use std::path::Path;

use super::checked::Checked;
use crate::error::{Fault, Result};
use crate::script::Host;

/// Looks through the script `file` and what it imports.
///
/// # Errors
/// The host cannot be built.
pub(super) fn check(file: &Path) -> Result<Checked> {
    let mut host = Host::builder().build()?;
    let wrong = host.check_file(file).unwrap_or_else(|error| vec![error]);
    Ok(Checked {
        summary: Checked::counted(&wrong, "ok"),
        wrong,
        fault: Fault::Input,
    })
}
