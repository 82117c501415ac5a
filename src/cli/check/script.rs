//! Checks a script.

use std::path::Path;

use super::Checked;
use crate::error::{Fault, Result};
use crate::script::Host;

/// Parses the script `file` and what it imports.
///
/// # Errors
/// The host cannot be built.
pub(super) fn check(file: &Path) -> Result<Checked> {
    let mut host = Host::builder().build()?;
    Ok(match host.check_file(file) {
        Ok(()) => Checked {
            wrong: Vec::new(),
            fault: Fault::Input,
            summary: "ok".into(),
        },
        Err(error) => Checked {
            wrong: vec![error],
            fault: Fault::Input,
            summary: String::new(),
        },
    })
}
