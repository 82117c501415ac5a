//! Checks a cache of activations.

use std::path::Path;

use super::checked::Checked;
use crate::activations::check_cache;
use crate::error::{Fault, Result};
use crate::event::RunContext;

/// Reads every chunk below `folder`.
///
/// # Errors
/// An interrupt.
pub(super) fn check(folder: &Path, context: &RunContext) -> Result<Checked> {
    let report = match check_cache(folder, context) {
        Ok(report) => report,
        Err(error) if error.fault() == Fault::Interrupted => return Err(error),
        Err(error) => {
            return Ok(Checked {
                fault: error.fault(),
                wrong: vec![error],
                summary: String::new(),
            });
        }
    };
    let amount = format!(
        "{} rows in {} chunks at {}",
        report.rows,
        report.chunks,
        report.hook_points.join(", ")
    );
    let sums = if report.has_checksums {
        "all checksums agree"
    } else {
        "without checksums, so that altered numbers cannot be told"
    };
    let summary = match report.problems.len() {
        0 => format!("ok, {amount}; {sums}"),
        1 => format!("1 problem in {amount}"),
        count => format!("{count} problems in {amount}"),
    };
    Ok(Checked {
        wrong: report.problems,
        fault: Fault::Run,
        summary,
    })
}
