//! Runs the program as people do.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What came of one run.
pub struct Ran {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The program, not yet started. Nothing of the user's own environment that changes what it prints reaches it.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saescript"));
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "SAESCRIPT_PATH", "TERM"] {
        command.env_remove(variable);
    }
    command.env("OMP_NUM_THREADS", "1");
    command
}

/// Runs `saescript ARGS…` to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(program().args(arguments), "")
}

/// Runs `saescript ARGS…` in `folder` to its end.
pub fn run_in<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(program().args(arguments).current_dir(folder), "")
}

/// Runs `command` with `input` as its standard input.
pub fn finish(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that ends before it has read everything is no failure of the test.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

impl Ran {
    /// The run must have ended with `code`; shows what it said otherwise.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.out,
            self.err
        );
        self
    }
}

/// Writes a script into a folder of its own.
pub fn script(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, text).expect("writable");
    (folder, path)
}
