//! `saescript test`: the functions `test_*` of scripts and libraries.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::interrupt;
use super::permissions::PermissionArguments;
use crate::atomic;
use crate::error::{Error, Fault, Result};
use crate::event::RunContext;
use crate::report::Printer;
use crate::testing::{self, Coverage, Report, Settings, Snapshot, files_with_tests};

/// Run the test functions of scripts and libraries
///
/// Every function `test_*` without parameters is a test, and fails if it throws; `std/testing` has assertions, tables of
/// cases, and `skip(reason)`. Each file runs in a process of its own, several at a time, and finds a folder for what it
/// writes in the environment variable SAESCRIPT_TEST_FOLDER.
///
/// Exit code: 0 all tests passed or were skipped, 1 one failed, 2 there are none, 130 interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript test
  saescript test tests/share.rhai
  saescript test . tensor                      # tests with `tensor` in their names
  saescript test --coverage                    # and tell which lines never ran
  saescript test --coverage=lcov.info          # and write that for editors and other programs
  saescript test --watch                       # again whenever a script changes
  saescript test --json | jq '.tests[] | select(.outcome == \"failed\")'")]
pub(super) struct Arguments {
    /// A script, or a folder: all scripts in it and below
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Run only tests whose names contain this
    #[arg(default_value = "", hide_default_value = true)]
    filter: String,
    /// Write one JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// Run so many files at a time; by processors and memory if not given
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Tell which lines of the project's scripts ran, and write that for other programs into FILE, as LCOV
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    coverage: Option<Option<PathBuf>>,
    /// Let a test fail that runs for longer
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    permissions: PermissionArguments,
    /// Run the tests again whenever a script changes, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Run the tests of this one file in this process, and write messages for the program
    #[arg(long, hide = true)]
    worker: bool,
}

/// Runs the tests and prints what came of them; the exit code.
///
/// # Errors
/// There is nothing to test; a process cannot be started; an interrupt.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    if arguments.worker {
        let permissions = &arguments.permissions;
        let folders = testing::own_folder().into_iter().collect();
        let policy = permissions.policy(&arguments.path, &[], folders, printer)?;
        let limits = permissions.limits_of_tests(arguments.timeout);
        let coverage = arguments.coverage.is_some();
        return testing::work(
            &arguments.path,
            &arguments.filter,
            (policy, limits),
            coverage,
            printer,
        )
        .map(|()| 0);
    }
    let context = RunContext::default();
    printer.stop_when_reader_leaves(context.stop.clone());
    interrupt::install(context.stop.clone(), printer.clone())?;
    if !arguments.watch {
        return test(arguments, &context, printer);
    }
    loop {
        let before = Snapshot::take(&arguments.path);
        match test(arguments, &context, printer) {
            Err(error) if error.fault() == Fault::Interrupted => return Err(error),
            Err(error) => printer.error(&error),
            Ok(_) => (),
        }
        printer.remark("waiting for changes; Ctrl-C ends");
        if !before.wait_for_change(&arguments.path, &context.stop) {
            return Ok(Fault::Interrupted.exit_code());
        }
    }
}

/// Runs the tests once; the exit code.
fn test(arguments: &Arguments, context: &RunContext, printer: &Printer) -> Result<u8> {
    let files = files_with_tests(&arguments.path)?;
    let settings = Settings {
        program: std::env::current_exe()
            .map_err(|error| Error::run(format!("cannot find this program's file: {error}")))?,
        filter: arguments.filter.clone(),
        flags: arguments.permissions.flags(),
        coverage: arguments.coverage.is_some(),
        jobs: arguments.jobs.map(usize::from),
        timeout: Duration::from_secs(arguments.timeout),
    };
    let mut report = testing::run(&files, &settings, &context.stop, |file, heard| {
        if !arguments.json {
            testing::print_lines(file, heard, printer);
        }
    })?;
    let (passed, failed, skipped) = report.counts();
    if passed + failed + skipped == 0 {
        return Err(nothing(&arguments.path, &arguments.filter));
    }
    if !arguments.json {
        printer.line(&total(&report));
    }
    if let Some(file) = &arguments.coverage {
        let coverage = Coverage::of(&report.files, &arguments.path)?;
        if let Some(file) = file {
            atomic::write(file, coverage.to_lcov())?;
        }
        report.coverage = Some(coverage);
    }
    if arguments.json {
        testing::print_json(&report, printer);
    } else if let Some(coverage) = &report.coverage {
        testing::print_coverage(coverage, printer);
    }
    Ok(u8::from(failed > 0))
}

fn total(report: &Report) -> String {
    let (passed, failed, skipped) = report.counts();
    format!(
        "{passed} passed, {failed} failed, {skipped} skipped in {:.2} s",
        report.took.as_secs_f64()
    )
}

fn nothing(path: &Path, filter: &str) -> Error {
    if filter.is_empty() {
        Error::input(format!("there are no tests in `{}`", path.display()))
            .hint("a test is a function without parameters whose name begins with `test_`, in a file `.rhai`")
    } else {
        Error::input(format!(
            "no test in `{}` has `{filter}` in its name",
            path.display()
        ))
        .hint("leave the filter out to see all of them")
    }
}
