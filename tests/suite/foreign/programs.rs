//! Programs and modules that lie in the working folder and must not be run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::run_script;

/// A folder with programs and Python modules under tempting names, and the file that they write.
fn trap() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mark = folder.path().join("RAN");
    let module = format!(
        "open('{}', 'w').write('ran')\nraise ImportError\n",
        mark.display()
    );
    for name in [
        "contextlib.py",
        "importlib.py",
        "os.py",
        "wandb.py",
        "sitecustomize.py",
    ] {
        std::fs::write(folder.path().join(name), &module).expect("written");
    }
    let core = folder.path().join("wandb/bin");
    std::fs::create_dir_all(&core).expect("made");
    std::fs::write(folder.path().join("wandb/__init__.py"), &module).expect("written");
    for name in [
        "python3",
        "python",
        "wandb-core",
        "wandb/bin/wandb-core",
        "git",
        "nvidia-smi",
    ] {
        program(
            &folder.path().join(name),
            &format!("echo ran > '{}'; exit 1", mark.display()),
        );
    }
    (folder, mark)
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("ours");
}

#[test]
fn nothing_in_the_working_folder_is_run() {
    let (folder, mark) = trap();
    let real = std::env::var("PATH").unwrap_or_default();
    let relative = format!(":.:./wandb/bin:{real}:");
    let text = "try { wandb::init(WandbConfig(#{})) } catch (e) { print(e) }";
    for path in [":", ".", relative.as_str()] {
        let variables = [
            ("PATH", path),
            ("PYTHONPATH", "."),
            ("VIRTUAL_ENV", "."),
            ("WANDB_MODE", "offline"),
        ];
        run_script(text, folder.path(), &variables).ended_with(0);
        assert!(!mark.exists(), "PATH={path}");
    }
    let relative = [("WANDB_CORE", "./wandb-core"), ("WANDB_MODE", "offline")];
    let ran = run_script(text, folder.path(), &relative).ended_with(0);
    assert!(ran.out.contains("not an absolute path"), "{}", ran.out);
    assert!(!mark.exists());
}

#[test]
fn an_active_environment_counts_wherever_it_lies() {
    let (folder, mark) = trap();
    let environment = folder.path().join(".venv");
    std::fs::create_dir_all(environment.join("bin")).expect("made");
    let core = environment.join("wandb-core");
    std::fs::write(&core, "").expect("written");
    // It is asked in isolation and far away from here.
    let answer = format!("[ \"$1\" = -I ] && [ \"$PWD\" = / ] && echo '{}'", core.display());
    program(&environment.join("bin/python3"), &answer);
    let mut command = crate::program::program();
    command
        .arg("doctor")
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("VIRTUAL_ENV", &environment)
        .env("PATH", ":.:/usr/bin:/bin")
        .env_remove("WANDB_CORE");
    let ran = crate::program::finish(&mut command, "").ended_with(0);
    assert!(ran.out.contains(&core.display().to_string()), "{}", ran.out);
    assert!(!mark.exists());
}
