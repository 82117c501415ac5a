//! What scripts may reach, and how much they may do: the flags of the commands that run scripts.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ask::asker;
use crate::error::{Error, Result};
use crate::policy::{Access, Policy};
use crate::report::Printer;
use crate::script::{Limits, RunPermissions};

/// Seconds that a script in the sandbox has, if nothing else is said.
const SANDBOX_SECONDS: u64 = 60;

/// Operations that a script in the sandbox has, if nothing else is said.
const SANDBOX_OPERATIONS: u64 = 1_000_000_000;

/// Operations that a test has, if nothing else is said: minutes of them.
const TEST_OPERATIONS: u64 = 10_000_000_000;

/// What scripts may do. Without flags: read and write below the working folder and the script's (or its project's), the
/// Hugging Face cache and a temporary folder; ask the hub and W&B; use what the script's arguments name.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Permissions and limits (docs/security.md)")]
pub(super) struct PermissionArguments {
    /// Let scripts read these files and folders besides; all, if none is named
    #[arg(long, value_name = "PATH,…", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    allow_read: Vec<String>,
    /// Let scripts write these files and folders besides; all, if none is named
    #[arg(long, value_name = "PATH,…", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    allow_write: Vec<String>,
    /// Let scripts send requests to these servers besides (host, host:port, s3://bucket); to all, if none is named
    #[arg(long, value_name = "HOST,…", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    allow_net: Vec<String>,
    /// Let scripts read these environment variables besides (`NAME` or `NAME*`); all, if none is named. Tokens never
    #[arg(long, value_name = "NAME,…", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    allow_env: Vec<String>,
    /// Let scripts do all that you may, but for reading tokens
    #[arg(short = 'A', long, conflicts_with_all = ["sandbox", "allow_read", "allow_write", "allow_net", "allow_env"])]
    allow_all: bool,
    /// Let scripts do nothing but compute: no files, no servers, no environment, but what other flags allow; 60 s and
    /// 1,000,000,000 operations, unless other limits are set
    #[arg(long)]
    sandbox: bool,
    /// Ask on the terminal before something is refused
    #[arg(long, conflicts_with_all = ["allow_all", "sandbox"])]
    prompt: bool,
    /// End a script after so many operations of the language
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_ops: Option<u64>,
}

impl PermissionArguments {
    /// Returns what the script at `script` may do, whose arguments name files and servers that it may use; `folders` are
    /// those that were made for it.
    ///
    /// # Errors
    /// A flag that makes no sense, a manifest that cannot be read, `--prompt` without a terminal.
    pub(super) fn policy(
        &self,
        script: &Path,
        arguments: &[String],
        folders: Vec<PathBuf>,
        printer: &Printer,
    ) -> Result<Policy> {
        if self.prompt && !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(
                Error::input("`--prompt` asks on a terminal, and there is none").hint(
                    "name what is allowed: `--allow-read=PATH`, `--allow-write=PATH`, `--allow-net=HOST`",
                ),
            );
        }
        let flags = [
            (Access::Read, &self.allow_read),
            (Access::Write, &self.allow_write),
            (Access::Net, &self.allow_net),
            (Access::Env, &self.allow_env),
        ];
        let modules = std::env::var_os("SAESCRIPT_PATH");
        RunPermissions {
            everything: self.allow_all,
            sandbox: self.sandbox,
            flags: flags.map(|(access, texts)| (access, texts.clone())).to_vec(),
            arguments: arguments.to_vec(),
            folders,
            modules: modules.iter().flat_map(std::env::split_paths).collect(),
            prompt: self.prompt.then(|| asker(printer.clone())),
        }
        .policy(script)
    }

    /// Returns the limits, with `seconds` as asked for.
    pub(super) fn limits(&self, seconds: Option<u64>) -> Limits {
        let by_sandbox = |value| self.sandbox.then_some(value);
        Limits {
            operations: self.max_ops.or(by_sandbox(SANDBOX_OPERATIONS)),
            time: seconds.or(by_sandbox(SANDBOX_SECONDS)).map(Duration::from_secs),
        }
    }

    /// Returns the limits of a test that may run for so many seconds.
    pub(super) fn limits_of_tests(&self, seconds: u64) -> Limits {
        Limits {
            operations: Some(self.max_ops.unwrap_or(TEST_OPERATIONS)),
            time: Some(Duration::from_secs(seconds)),
        }
    }

    /// Returns the same flags, for a process that runs a part of the scripts.
    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let lists = [
            (Access::Read, &self.allow_read),
            (Access::Write, &self.allow_write),
            (Access::Net, &self.allow_net),
            (Access::Env, &self.allow_env),
        ];
        for (access, texts) in lists {
            flags.extend(texts.iter().map(|text| match text.as_str() {
                "" => access.flag().to_string(),
                text => format!("{}={text}", access.flag()),
            }));
        }
        let is_set = [(self.allow_all, "--allow-all"), (self.sandbox, "--sandbox")];
        flags.extend(
            is_set
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, flag)| flag.to_string()),
        );
        flags.extend(self.max_ops.map(|most| format!("--max-ops={most}")));
        flags
    }
}
