//! What a run is to be called, where it is kept and how it is sent: from its configuration and `WANDB_*`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::protocol::{Flag, Number, Settings, Text};
use super::{Resume, WandbConfig};
use crate::error::{Error, Result};

/// Everything decided about a run before it starts.
pub(super) struct Plan {
    pub run_id: String,
    pub project: String,
    pub entity: Option<String>,
    pub name: Option<String>,
    pub resume: Resume,
    pub disabled: bool,
    pub offline: bool,
    /// Folder that holds `wandb/`.
    pub root: PathBuf,
    /// This run's own folder in it.
    pub sync_dir: PathBuf,
    api_key: Option<String>,
    base_url: String,
    timespec: String,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn base_url() -> String {
    variable("WANDB_BASE_URL").unwrap_or_else(|| "https://api.wandb.ai".into())
}

fn api_key(base_url: &str) -> Option<String> {
    variable("WANDB_API_KEY").or_else(|| key_from_netrc(base_url))
}

/// Whether a run could be logged online: `WANDB_API_KEY` is set or `wandb login` was done for the server in use.
pub fn has_api_key() -> bool {
    api_key(&base_url()).is_some()
}

impl Plan {
    pub(super) fn from_environment(config: &WandbConfig) -> Result<Self> {
        let mode = variable("WANDB_MODE").unwrap_or_else(|| "online".into());
        if !["online", "offline", "disabled"].contains(&mode.as_str()) {
            return Err(Error::unknown(
                "WANDB_MODE",
                &mode,
                &["online", "offline", "disabled"],
            ));
        }
        let offline = mode == "offline";
        let base_url = base_url();
        let api_key = api_key(&base_url);
        if mode == "online" && api_key.is_none() {
            return Err(Error::input("logging to Weights & Biases online needs an API key").hint(
                "set WANDB_API_KEY, run `wandb login`, or set WANDB_MODE=offline to keep the run on disk and \
                 `wandb sync` it later",
            ));
        }
        let root = variable("WANDB_DIR")
            .map(PathBuf::from)
            .map_or_else(std::env::current_dir, Ok);
        let root = root.map_err(|error| Error::io("find", ".", error))?;
        let run_id = config
            .wandb_run_id
            .clone()
            .or_else(|| variable("WANDB_RUN_ID"))
            .unwrap_or_else(new_id);
        let timespec = timespec();
        let prefix = if offline { "offline-run" } else { "run" };
        let sync_dir = root.join("wandb").join(format!("{prefix}-{timespec}-{run_id}"));
        Ok(Plan {
            project: config.wandb_project.clone(),
            entity: config.wandb_entity.clone().or_else(|| variable("WANDB_ENTITY")),
            name: config.exp_name.clone().or_else(|| variable("WANDB_NAME")),
            resume: config.wandb_resume,
            disabled: mode == "disabled",
            offline,
            root,
            sync_dir,
            run_id,
            api_key,
            base_url,
            timespec,
        })
    }

    pub(super) fn settings(&self) -> Settings {
        let resume = match self.resume {
            Resume::Never => None,
            Resume::Allow => text("allow"),
            Resume::Must => text("must"),
            Resume::Auto => text("auto"),
        };
        Settings {
            disable_meta: flag(true),
            disable_stats: flag(self.offline),
            offline: flag(self.offline),
            start_time: Some(Number {
                value: super::seconds_now(),
            }),
            api_key: self.api_key.as_deref().and_then(text),
            base_url: text(&self.base_url),
            console: text("off"),
            entity: self.entity.as_deref().and_then(text),
            log_dir: path(&self.sync_dir.join("logs")),
            log_internal: path(&self.sync_dir.join("logs/debug-internal.log")),
            mode: text(if self.offline { "offline" } else { "online" }),
            project: text(&self.project),
            resume,
            root_dir: path(&self.root),
            run_id: text(&self.run_id),
            run_mode: text(if self.offline { "offline-run" } else { "run" }),
            run_name: self.name.as_deref().and_then(text),
            sync_dir: path(&self.sync_dir),
            sync_file: path(&self.sync_dir.join(format!("run-{}.wandb", self.run_id))),
            timespec: text(&self.timespec),
            wandb_dir: path(&self.root.join("wandb")),
            primary: flag(true),
            update_finish_state: flag(true),
            file_stream_no_gzip: flag(true),
        }
    }
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

pub(super) fn host_name() -> String {
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

/// The start as `20261231_235959`, in UTC.
fn timespec() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let second = seconds % 86_400;
    format!(
        "{year:04}{month:02}{day:02}_{:02}{:02}{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Days since 1970-01-01 to the Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// The key that `wandb login` keeps in `~/.netrc` for the server's host.
fn key_from_netrc(base_url: &str) -> Option<String> {
    let host = base_url.split("://").nth(1)?.split(['/', ':']).next()?;
    let file = variable("NETRC")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".netrc")))?;
    let netrc = std::fs::read_to_string(file).ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_gregorian() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(20_780), (2026, 11, 23));
    }
}
