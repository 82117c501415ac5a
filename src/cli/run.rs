//! `saescript run`: run a script.

use std::path::{Path, PathBuf};

use super::arguments::ProgressArguments;
use super::permissions::PermissionArguments;
use super::{interrupt, timeout};
use crate::error::{Fault, Result};
use crate::library::{MANIFEST, Project};
use crate::report::Printer;
use crate::script::Outcome;

/// Run a script, or a project: the main script of a folder with a saescript.toml
///
/// Progress, logged metrics and errors go to standard error, what the script prints to standard output.
///
/// The first Ctrl-C stops the script at the next safe point (training writes a checkpoint first), a second one at
/// once. Exit code: 0 the script ran to its end, 1 the run failed, 2 the script or its input is wrong, 130
/// interrupted, n after `exit(n)`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript run examples/quickstart.rhai
  saescript run train.rhai wiki 0.001          # reach the script as ARGS[0] and ARGS[1]
  saescript run --progress lines train.rhai 2> train.log
  saescript run --allow-read=/data train.rhai  # besides what scripts may read in any case
  saescript run --sandbox strange.rhai         # no files, no servers, no environment")]
pub(super) struct Arguments {
    /// The script, or the folder of a project
    script: PathBuf,
    /// Reach the script as the constant ARGS, an array of strings
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
    #[command(flatten)]
    progress: ProgressArguments,
    #[command(flatten)]
    permissions: PermissionArguments,
    /// End the script, as Ctrl-C does, when it has run for so long
    #[arg(long, value_name = "SECONDS", help_heading = "Permissions and limits (docs/security.md)",
          value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
}

/// Runs the script, and returns its exit code.
///
/// # Errors
/// Whatever the script did not catch.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let script = script_of(&arguments.script)?;
    let limits = arguments.permissions.limits(arguments.timeout);
    let policy = arguments
        .permissions
        .policy(&script, &arguments.args, Vec::new(), printer)?;
    let (host, stop) = arguments.progress.host(printer);
    let mut host = host.policy(policy).limits(limits).build()?;
    timeout::watch(limits.time, stop.clone(), printer.clone())?;
    let interrupts = interrupt::install(stop, printer.clone())?;
    match host.run_file(script, &arguments.args)? {
        Outcome::Exited(code) => Ok(code),
        Outcome::Finished(_) if interrupts.came() => Ok(Fault::Interrupted.exit_code()),
        Outcome::Finished(_) => Ok(0),
    }
}

/// The main script of a project's folder; any other path is a script's.
fn script_of(path: &Path) -> Result<PathBuf> {
    if !path.join(MANIFEST).is_file() {
        return Ok(path.to_path_buf());
    }
    let project = Project::open(path)?;
    Ok(path.join(project.manifest.package.main_entry()))
}
