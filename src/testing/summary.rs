//! Results of tests, for people and for programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::coverage::Coverage;
use super::message::Ended;
use super::process::Heard;
use crate::error::counted;
use crate::report::Printer;

/// What came of all tests.
#[derive(Clone, Debug)]
pub struct Report {
    /// The files in their order, with what was heard of each.
    pub files: Vec<(PathBuf, Heard)>,
    /// How long all of it took.
    pub took: Duration,
    /// Which lines ran, if that was asked for.
    pub coverage: Option<Coverage>,
}

impl Report {
    /// Returns how many tests passed, failed and were skipped; a script that could not be tested counts as a failure.
    pub fn counts(&self) -> (usize, usize, usize) {
        let tests = || self.files.iter().flat_map(|(_, heard)| &heard.tests);
        let broken = self
            .files
            .iter()
            .filter(|(_, heard)| heard.broken.is_some())
            .count();
        let failed = tests().filter(|test| test.failure.is_some()).count();
        let skipped = tests().filter(|test| test.skipped.is_some()).count();
        (tests().count() - failed - skipped, failed + broken, skipped)
    }
}

/// Prints the tests of one file, a line each, and what is wrong with those that failed.
pub fn print_lines(file: &Path, heard: &Heard, printer: &Printer) {
    if heard.tests.is_empty() && heard.broken.is_none() {
        return;
    }
    printer.line(&file.display().to_string());
    for test in &heard.tests {
        printer.line(&line_of(test));
    }
    let failures = heard
        .tests
        .iter()
        .filter_map(|test| Some((test, test.failure.as_ref()?)));
    for (test, failure) in failures {
        printer.styled_remark(&format!("{}: {}", test.test, failure.shown));
        if !test.printed.is_empty() {
            printer.remark(&format!("{} printed:\n{}", test.test, test.printed.trim_end()));
        }
    }
    if let Some(failure) = &heard.broken {
        printer.styled_remark(&failure.shown);
    }
}

fn line_of(test: &Ended) -> String {
    let name = &test.test;
    match (&test.failure, &test.skipped) {
        (Some(_), _) => format!("  FAILED  {name}"),
        (None, Some(reason)) => format!("  skipped {name}: {reason}"),
        (None, None) => format!("  ok      {name} ({:.2} s)", test.seconds),
    }
}

/// Prints everything as one JSON object: `passed`, `failed`, `skipped`, `seconds`, and `tests` with `file`, `name`,
/// `outcome`, `seconds`, `message`, `line`, `column` and `printed` of each; and `coverage`, if that was asked for, with `lines`, `ran` and `files`,
/// and `file`, `lines`, `ran` and `not_run`, a list of first and last lines, of each.
pub fn print_json(report: &Report, printer: &Printer) {
    let (passed, failed, skipped) = report.counts();
    let mut tests: Vec<Value> = Vec::new();
    for (file, heard) in &report.files {
        tests.extend(heard.tests.iter().map(|test| as_json(file, test)));
        if let Some(failure) = &heard.broken {
            tests.push(json!({
                "file": file, "name": null, "outcome": "failed", "seconds": null, "message": failure.message,
                "line": failure.line, "column": failure.column, "printed": "",
            }));
        }
    }
    let mut all = json!({
        "passed": passed, "failed": failed, "skipped": skipped, "seconds": report.took.as_secs_f64(), "tests": tests,
    });
    if let Some(coverage) = &report.coverage {
        all["coverage"] = coverage.to_json();
    }
    printer.line(&all.to_string());
}

/// Prints the share of lines that ran, of every script and of all, with the lines that never ran.
pub fn print_coverage(coverage: &Coverage, printer: &Printer) {
    for file in &coverage.files {
        let not_run: Vec<String> = file.not_run().into_iter().map(range).collect();
        let not_run = if not_run.is_empty() {
            String::new()
        } else {
            format!(": {} never ran", not_run.join(", "))
        };
        printer.line(&format!(
            "  {:>6}  {}{not_run}",
            share(file.counts()),
            file.file.display()
        ));
    }
    let (ran, all) = coverage.counts();
    printer.line(&format!(
        "{} of {} ran: {}",
        ran,
        counted(all, "line"),
        share((ran, all))
    ));
}

fn range((first, last): (usize, usize)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// Rounded downwards, so that only what ran as a whole has 100%.
fn share((ran, all): (usize, usize)) -> String {
    let tenths = (1000 * ran).checked_div(all).unwrap_or(1000);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn as_json(file: &Path, test: &Ended) -> Value {
    let failure = test.failure.as_ref();
    let outcome = match (failure, &test.skipped) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "skipped",
        (None, None) => "passed",
    };
    json!({
        "file": file,
        "name": test.test,
        "outcome": outcome,
        "seconds": test.seconds,
        "message": failure.map(|failure| &failure.message).or(test.skipped.as_ref()),
        "line": failure.and_then(|failure| failure.line),
        "column": failure.and_then(|failure| failure.column),
        "printed": test.printed,
    })
}
