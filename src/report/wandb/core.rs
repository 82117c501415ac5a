//! Finding `wandb-core` without running anything that merely lies in the working folder.
//!
//! A script's folder may be anyone's download. Programs are therefore looked for in absolute folders only (an empty or
//! relative entry of PATH stands for wherever one happens to be), and run in the root folder; Python runs isolated
//! (`-I`), so that neither the working folder nor PYTHON… variables lend it modules.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Returns where `wandb-core` is: `WANDB_CORE`, the active Python environment's `wandb` package, or the `PATH`.
///
/// # Errors
/// It is nowhere; says how to get it.
pub fn find_core() -> Result<PathBuf> {
    if let Some(given) = env::var_os("WANDB_CORE") {
        let path = PathBuf::from(given);
        if path.is_absolute() && path.is_file() {
            return Ok(path);
        }
        let what = if path.is_absolute() {
            "not a file"
        } else {
            "not an absolute path"
        };
        return Err(Error::input(format!(
            "WANDB_CORE names `{}`, which is {what}",
            path.display()
        )));
    }
    let folders = folders();
    from_python(&folders)
        .or_else(|| programs(&folders, "wandb-core").next())
        .ok_or_else(|| {
            Error::input("logging to Weights & Biases needs its engine, wandb-core, which was not found").hint(
                "`pip install wandb` in the active environment provides it; or set WANDB_CORE to the program",
            )
        })
}

/// Returns the command `program`, to be run in the root folder with a PATH of absolute folders.
pub(super) fn neutral(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    match env::join_paths(folders()) {
        Ok(path) => command.env("PATH", path),
        Err(_) => command.env_remove("PATH"),
    };
    command
}

/// The active virtual environment's programs, then the absolute folders of PATH.
fn folders() -> Vec<PathBuf> {
    let environment = env::var_os("VIRTUAL_ENV").filter(|folder| !folder.is_empty());
    let environment = environment.map(|folder| PathBuf::from(folder).join("bin"));
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    environment
        .into_iter()
        .chain(env::split_paths(&path))
        .filter(|folder| folder.is_absolute())
        .collect()
}

fn programs(folders: &[PathBuf], name: &str) -> impl Iterator<Item = PathBuf> {
    let candidates = folders.iter().map(move |folder| folder.join(name));
    candidates.filter(|program| program.is_file())
}

/// The service inside the `wandb` package of the first Python.
fn from_python(folders: &[PathBuf]) -> Option<PathBuf> {
    const WHERE: &str = "import importlib.util as u, os; s = u.find_spec('wandb'); \
                         print(os.path.join(os.path.dirname(s.origin), 'bin', 'wandb-core') if s and s.origin else '')";
    let pythons = ["python3", "python"].map(|name| programs(folders, name).next());
    pythons.into_iter().flatten().find_map(|python| {
        let output = neutral(&python)
            .args(["-I", "-c", WHERE])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let core = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        (core.is_absolute() && core.is_file()).then_some(core)
    })
}
