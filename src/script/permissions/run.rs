//! What the scripts of a run may do: by default, by flags, by the project's manifest, by arguments.

use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::files::cache_folder;
use crate::hub::{HubSettings, token_places};
use crate::library::{LOCK, MANIFEST, Project};
use crate::policy::{Access, Policy, Prompt, Rights, Secrets, Server};
use crate::report::wandb;
use crate::store;

/// Variables of the environment that every script may read: they say how to work, and hold no secrets.
const VARIABLES: &[&str] = &[
    "SAESCRIPT_*",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HF_ENDPOINT",
    "WANDB_PROJECT",
    "WANDB_ENTITY",
    "WANDB_MODE",
    "WANDB_DIR",
    "WANDB_NAME",
    "WANDB_RUN_ID",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "SLURM_JOB_ID",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "SLURM_ARRAY_TASK_ID",
    "HOME",
    "USER",
    "PWD",
    "TMPDIR",
    "LANG",
    "TZ",
    "TERM",
    "NO_COLOR",
    "HOSTNAME",
];

/// What the scripts of a run may do.
#[derive(Default)]
pub struct RunPermissions {
    /// Everything that the user may, but for reading secrets.
    pub everything: bool,
    /// Nothing but what the flags name.
    pub sandbox: bool,
    /// Flags: the kind of access, and what it is granted to; an empty text stands for everything.
    pub flags: Vec<(Access, Vec<String>)>,
    /// Arguments of the script, which its user wrote: the files and servers that they name may be used.
    pub arguments: Vec<String>,
    /// Folders besides, to read and to write.
    pub folders: Vec<PathBuf>,
    /// Folders besides the script's own from which modules are read.
    pub modules: Vec<PathBuf>,
    /// Asks a person before something is refused.
    pub prompt: Option<Box<Prompt>>,
}

impl RunPermissions {
    /// Returns the policy of the script at `script`.
    ///
    /// # Errors
    /// A flag or an entry of the manifest that makes no sense; a manifest that cannot be read.
    pub fn policy(self, script: &Path) -> Result<Policy> {
        if self.everything {
            return Ok(Policy::unlimited(secrets()));
        }
        let mut rights = if self.sandbox {
            Rights::default()
        } else {
            self.by_default(script)?
        };
        rights.temporary = !self.sandbox;
        for (access, texts) in &self.flags {
            for text in texts {
                add(&mut rights, *access, text).context(format!("in `{}`", access.flag()))?;
            }
        }
        // Modules are read from beside the script, whatever else may be.
        let beside = Path::new(".").join(script.parent().unwrap_or(Path::new("")));
        let code = std::iter::once(beside).chain(self.modules);
        rights.own = code.chain(own_folders()).collect();
        rights.guarded = &[MANIFEST, LOCK];
        Ok(Policy::limited(rights, secrets(), self.prompt))
    }

    /// What all scripts may, those of the project besides, and what the arguments name.
    fn by_default(&self, script: &Path) -> Result<Rights> {
        let beside = script.parent().unwrap_or(Path::new(""));
        let mut rights = match Project::around(beside)? {
            Some(project) => {
                let root = std::path::absolute(&project.root).unwrap_or(project.root.clone());
                let mut rights = project.manifest.permissions.own().rights(&root)?;
                add_folder(&mut rights, &root);
                rights
            }
            None => Rights::default(),
        };
        let hub = HubSettings::default().survey();
        let folders = [PathBuf::from("."), Path::new(".").join(beside), wandb::folder()].into_iter();
        for folder in folders.chain(hub.cache).chain(self.folders.iter().cloned()) {
            add_folder(&mut rights, &folder);
        }
        for address in [hub.endpoint, wandb::server()] {
            // What is no address is told by those who use it.
            if let Ok(server) = Server::of_address(&address) {
                rights.net.add(server);
            }
        }
        VARIABLES.iter().for_each(|name| rights.env.add(name.to_string()));
        for argument in &self.arguments {
            add_argument(&mut rights, argument);
        }
        Ok(rights)
    }
}

/// Lets all below a folder be read and written. Whoever works in the root of the file system does not mean all of it.
fn add_folder(rights: &mut Rights, folder: &Path) {
    let folder = crate::policy::resolved(folder);
    if folder.parent().is_some() {
        rights.read.add(&folder);
        rights.write.add(&folder);
    }
}

/// `PATH`, `https://…`, `--out=PATH`, `out=PATH`.
fn add_argument(rights: &mut Rights, argument: &str) {
    let after = argument.split_once('=').map(|(_, value)| value);
    for text in [Some(argument), after].into_iter().flatten() {
        if text.contains("://") {
            // What is no address names no server.
            if let Ok(server) = Server::of_address(text) {
                rights.net.add(server);
            }
        } else if !text.is_empty() {
            rights.read.add(Path::new(text));
            rights.write.add(Path::new(text));
        }
    }
}

fn add(rights: &mut Rights, access: Access, text: &str) -> Result<()> {
    match (access, text) {
        (Access::Read, "") => rights.read.add_everything(),
        (Access::Write, "") => rights.write.add_everything(),
        (Access::Net, "") => rights.net.add_everything(),
        (Access::Env, "") => rights.env.add_everything(),
        (Access::Read, path) => rights.read.add(Path::new(path)),
        (Access::Write, path) => rights.write.add(Path::new(path)),
        (Access::Net, server) => rights.net.add(Server::parse(server)?),
        (Access::Env, name) => rights.env.add(name.to_string()),
    }
    Ok(())
}

/// Folders in which this program works for scripts that name other things.
fn own_folders() -> Vec<PathBuf> {
    let hub = HubSettings::default().survey().cache;
    hub.into_iter().chain(cache_folder()).collect()
}

/// Returns what no script may read: the tokens of this program's clients.
pub fn secrets() -> Secrets {
    let places = [token_places(), wandb::key_places(), store::key_places()];
    let (variables, files): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    Secrets::new(variables.concat(), files.concat())
}
