//! `scripts/mutate`: a few of its cases, and that it tells when a program fails.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `scripts/mutate` on `program`; `None` where there is no Python.
fn mutate(program: &Path, arguments: &[&str]) -> Option<Output> {
    let results = tempfile::tempdir().expect("a temporary folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/mutate");
    let ran = Command::new("python3")
        .args([
            "-B".as_ref(),
            script.as_os_str(),
            "--program".as_ref(),
            program.as_os_str(),
        ])
        .args(["--results".as_ref(), results.path().as_os_str()])
        .args(arguments)
        .output();
    if ran.is_err() {
        eprintln!("skipped: there is no python3");
    }
    ran.ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_dozen_damaged_files_are_taken_well() {
    let program = Path::new(env!("CARGO_BIN_EXE_saescript"));
    let Some(ran) = mutate(program, &["--cases", "12", "--jobs", "4"]) else {
        return;
    };
    let said = text(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", text(&ran.stderr));
    assert!(said.ends_with("none of 12 cases fails\n"), "{said}");
}

#[test]
fn a_program_that_panics_is_told_of_with_its_case() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("saescript");
    // The first check, of the whole project, goes well.
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = check ]; then\n  if [ -e {checked} ]; then echo \"thread 'main' panicked at x.rs\" >&2; \
         exit 101; fi\n  : > {checked}\nfi\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_saescript"),
        checked = folder.path().join("checked").display(),
    );
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("may be run");
    let Some(ran) = mutate(&program, &["--case", "0"]) else {
        return;
    };
    let said = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{said}{}", text(&ran.stderr));
    for part in [
        "case 0: script, checked: script.rhai",
        "panicked at x.rs",
        "exit code 101",
        "1 of 1 cases fail",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}
