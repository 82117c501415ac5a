//! What a run is to be called, where it is kept and how it is sent: from its configuration and `WANDB_*`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::config::{DEFAULT_PROJECT, Resume, RunOptions, WandbConfig, variable};
use super::protocol::{Flag, Items, Number, RunRecord, Settings, Text, Timestamp};
use crate::atomic;
use crate::clock;
use crate::error::{Error, Result};

/// The variable that may hold the key.
const API_KEY: &str = "WANDB_API_KEY";

/// Everything decided about a run before it starts.
pub(super) struct Plan {
    pub run_id: String,
    pub disabled: bool,
    pub offline: bool,
    /// This run's own folder.
    pub sync_dir: PathBuf,
    project: String,
    entity: Option<String>,
    name: Option<String>,
    /// `None`: nobody said, and nobody is asked whether the run exists.
    resume: Option<Resume>,
    details: RunOptions,
    /// Folder that holds `wandb/`.
    root: PathBuf,
    api_key: Option<String>,
    base_url: String,
    timespec: String,
}

fn base_url() -> String {
    let url = variable("WANDB_BASE_URL").unwrap_or_else(|| "https://api.wandb.ai".into());
    url.trim_end_matches('/').to_string()
}

fn api_key(base_url: &str) -> Option<String> {
    variable(API_KEY).or_else(|| key_from_netrc(base_url))
}

/// Returns the address of the server in use.
pub fn server() -> String {
    base_url()
}

/// Returns the folder in which runs are kept, if nothing else is said: `wandb` in the one that `WANDB_DIR` names, or in
/// the working folder.
pub fn folder() -> PathBuf {
    let root = variable("WANDB_DIR").map(PathBuf::from);
    root.unwrap_or_else(|| ".".into()).join("wandb")
}

/// Returns where keys are kept: variables of the environment, and files.
pub fn key_places() -> (Vec<&'static str>, Vec<PathBuf>) {
    (vec![API_KEY], netrc().into_iter().collect())
}

/// Returns whether a run could be logged online: `WANDB_API_KEY` is set or `wandb login` was done for the server in
/// use.
pub fn has_api_key() -> bool {
    api_key(&base_url()).is_some()
}

/// Online, offline or disabled; W&B's older names are taken too.
fn mode(options: &RunOptions) -> Result<&'static str> {
    let given = options.mode.clone().or_else(|| variable("WANDB_MODE"));
    match given.as_deref().unwrap_or("online") {
        "online" | "run" => Ok("online"),
        "offline" | "dryrun" => Ok("offline"),
        "disabled" => Ok("disabled"),
        other => {
            let error = Error::unknown("mode of W&B", other, &["online", "offline", "disabled"]);
            Err(error.hint("it comes from `mode` or the variable WANDB_MODE"))
        }
    }
}

/// Returns whether a run with this mode, or that of the environment, is sent to the server. A mode that there is not is
/// told when the run begins.
pub fn talks_to_server(mode: Option<&str>) -> bool {
    let given = mode.map(str::to_string).or_else(|| variable("WANDB_MODE"));
    !matches!(given.as_deref(), Some("offline" | "dryrun" | "disabled"))
}

/// What to do about an id that exists: as configured or, left at its default, as the variable says.
fn resume(config: &WandbConfig, id_is_given: bool) -> Result<Option<Resume>> {
    if config.wandb_resume != Resume::Never {
        return Ok(Some(config.wandb_resume));
    }
    match variable("WANDB_RESUME").as_deref() {
        None => Ok(id_is_given.then_some(Resume::Never)),
        Some("never") => Ok(Some(Resume::Never)),
        Some("allow") => Ok(Some(Resume::Allow)),
        Some("must") => Ok(Some(Resume::Must)),
        Some("auto" | "true") => Ok(Some(Resume::Auto)),
        Some(other) => Err(Error::unknown(
            "value of WANDB_RESUME",
            other,
            &["never", "allow", "must", "auto"],
        )),
    }
}

impl Plan {
    pub(super) fn from_environment(config: &WandbConfig, options: &RunOptions) -> Result<Self> {
        let mode = mode(options)?;
        let base_url = base_url();
        let api_key = api_key(&base_url);
        if mode == "online" && api_key.is_none() {
            return Err(Error::input("logging to Weights & Biases online needs an API key").hint(
                "set WANDB_API_KEY, run `wandb login`, or set WANDB_MODE=offline to keep the run on disk and \
                 `wandb sync` it later",
            ));
        }
        let dir = options.dir.clone().or_else(|| variable("WANDB_DIR"));
        let root = dir.map(PathBuf::from).map_or_else(std::env::current_dir, Ok);
        // The service runs in another folder.
        let root = root.and_then(std::path::absolute);
        let root = root.map_err(|error| Error::io("find", ".", error))?;
        let given = config.wandb_run_id.clone().or_else(|| variable("WANDB_RUN_ID"));
        let resume = resume(config, given.is_some())?;
        let last = match resume {
            Some(Resume::Auto) => unfinished_run(&root),
            _ => None,
        };
        let run_id = given.or(last).unwrap_or_else(new_id);
        let timespec = clock::compact_timestamp(SystemTime::now());
        let prefix = if mode == "offline" { "offline-run" } else { "run" };
        let project = if config.wandb_project == DEFAULT_PROJECT {
            variable("WANDB_PROJECT").unwrap_or_else(|| config.wandb_project.clone())
        } else {
            config.wandb_project.clone()
        };
        Ok(Plan {
            sync_dir: unused(root.join("wandb").join(format!("{prefix}-{timespec}-{run_id}"))),
            project,
            entity: config.wandb_entity.clone().or_else(|| variable("WANDB_ENTITY")),
            name: config.exp_name.clone().or_else(|| variable("WANDB_NAME")),
            resume,
            details: with_variables(options),
            disabled: mode == "disabled",
            offline: mode == "offline",
            root,
            run_id,
            api_key,
            base_url,
            timespec,
        })
    }

    /// Makes the run's folders, and remembers its id for those who resume automatically.
    pub(super) fn prepare_folders(&self) -> Result<()> {
        for name in ["logs", "files"] {
            let folder = self.sync_dir.join(name);
            std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        }
        if self.resume == Some(Resume::Auto) {
            let text = serde_json::json!({"run_id": self.run_id}).to_string();
            atomic::write(auto_resume_file(&self.root), text)?;
        }
        Ok(())
    }

    /// Forgets the run as one to go on with, for it finished well.
    pub(super) fn forget_auto_resume(&self) {
        if self.resume == Some(Resume::Auto) {
            std::fs::remove_file(auto_resume_file(&self.root)).ok();
        }
    }

    /// Returns where people look at runs of this server.
    pub(super) fn app_url(&self) -> String {
        let given = variable("WANDB_APP_URL");
        given.unwrap_or_else(|| self.base_url.replace("://api.wandb.ai", "://wandb.ai"))
    }

    pub(super) fn settings(&self) -> Settings {
        let file = format!("run-{}.wandb", self.run_id);
        Settings {
            disable_meta: flag(true),
            disable_stats: flag(self.offline),
            offline: flag(self.offline),
            start_time: Some(Number {
                value: clock::seconds(SystemTime::now()),
            }),
            api_key: self.api_key.as_deref().and_then(text),
            base_url: text(&self.base_url),
            console: text("off"),
            entity: self.entity.as_deref().and_then(text),
            log_dir: path(&self.sync_dir.join("logs")),
            log_internal: path(&self.sync_dir.join("logs/debug-internal.log")),
            mode: text(if self.offline { "offline" } else { "online" }),
            project: text(&self.project),
            resume: self.resume.map(Resume::name).and_then(text),
            root_dir: path(&self.root),
            run_id: text(&self.run_id),
            run_mode: text(if self.offline { "offline-run" } else { "run" }),
            run_name: self.name.as_deref().and_then(text),
            sync_dir: path(&self.sync_dir),
            sync_file: path(&self.sync_dir.join(file)),
            timespec: text(&self.timespec),
            wandb_dir: path(&self.root.join("wandb")),
            primary: flag(true),
            update_finish_state: flag(true),
        }
    }

    pub(super) fn run_record(&self, config: Items) -> RunRecord {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let details = self.details.clone();
        RunRecord {
            run_id: self.run_id.clone(),
            entity: self.entity.clone().unwrap_or_default(),
            project: self.project.clone(),
            config: Some(config),
            display_name: self.name.clone().unwrap_or_default(),
            run_group: details.group.unwrap_or_default(),
            job_type: details.job_type.unwrap_or_default(),
            notes: details.notes.unwrap_or_default(),
            tags: details.tags,
            host: host_name(),
            start_time: Some(Timestamp {
                seconds: now.as_secs() as i64,
                nanos: now.subsec_nanos() as i32,
            }),
            ..Default::default()
        }
    }
}

/// What was left out, from the variables that W&B has for it.
fn with_variables(options: &RunOptions) -> RunOptions {
    let mut options = options.clone();
    options.group = options.group.or_else(|| variable("WANDB_RUN_GROUP"));
    options.job_type = options.job_type.or_else(|| variable("WANDB_JOB_TYPE"));
    options.notes = options.notes.or_else(|| variable("WANDB_NOTES"));
    if options.tags.is_empty() {
        let tags = variable("WANDB_TAGS").unwrap_or_default();
        let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        options.tags = tags.map(str::to_string).collect();
    }
    options
}

/// The same file in which W&B's own clients remember the run that is going on.
fn auto_resume_file(root: &Path) -> PathBuf {
    root.join("wandb").join("wandb-resume.json")
}

fn unfinished_run(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(auto_resume_file(root)).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    value["run_id"].as_str().map(str::to_string)
}

/// A folder that does not exist yet: a run that goes on within the same second gets one of its own.
fn unused(folder: PathBuf) -> PathBuf {
    let numbered = (1..).map(|number| match number {
        1 => folder.clone(),
        _ => PathBuf::from(format!("{}-{number}", folder.display())),
    });
    let mut free = numbered.filter(|folder| !folder.exists());
    free.next().unwrap_or_else(|| folder.clone())
}

fn text(value: &str) -> Option<Text> {
    Some(Text { value: value.into() })
}

fn path(value: &Path) -> Option<Text> {
    text(&value.display().to_string())
}

fn flag(value: bool) -> Option<Flag> {
    Some(Flag { value })
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_string()
}

/// Eight letters and digits, as W&B's ids are, from the clock and the process number.
fn new_id() -> String {
    use sha2::{Digest, Sha256};
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let digest = Sha256::digest(format!("{now}-{}", std::process::id()));
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    digest
        .iter()
        .take(8)
        .map(|byte| LETTERS[*byte as usize % LETTERS.len()] as char)
        .collect()
}

fn netrc() -> Option<PathBuf> {
    let given = variable("NETRC").map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".netrc")))
}

/// The key that `wandb login` keeps in `~/.netrc` for the server's host.
fn key_from_netrc(base_url: &str) -> Option<String> {
    let host = base_url.split("://").nth(1)?.split(['/', ':']).next()?;
    let netrc = std::fs::read_to_string(netrc()?).ok()?;
    let mut words = netrc.split_whitespace();
    let mut in_host = false;
    while let Some(word) = words.next() {
        match word {
            "machine" => in_host = words.next() == Some(host),
            "password" if in_host => return words.next().map(str::to_string),
            _ => {}
        }
    }
    None
}
