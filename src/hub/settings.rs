//! Where the hub is, where its files are kept and who asks: settings and the environment.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

const PUBLIC_HUB: &str = "https://huggingface.co";

/// Variables that may hold the token.
const TOKENS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/// Returns where tokens for the hub are kept: variables of the environment, and files.
pub fn token_places() -> (Vec<&'static str>, Vec<PathBuf>) {
    let stored = home().map(|home| [home.join("token"), home.join("stored_tokens")]);
    let files = path_in("HF_TOKEN_PATH").into_iter();
    (
        TOKENS.to_vec(),
        files.chain(stored.into_iter().flatten()).collect(),
    )
}

/// How to reach the hub and where to keep its files.
#[derive(Clone, Default)]
pub struct HubSettings {
    /// The cache folder, or a folder with the cache in `hub/` as HF_HOME has it; null: `HF_HUB_CACHE`, `HF_HOME/hub`,
    /// or `~/.cache/huggingface/hub`.
    pub cache_dir: Option<PathBuf>,
    /// Use only files that are in the cache already, as `HF_HUB_OFFLINE=1` does.
    pub offline: bool,
    /// Address of the hub; null: `HF_ENDPOINT`, or the public one.
    pub endpoint: Option<String>,
    /// Token to send, empty for none; null: `HF_TOKEN`, or what `hf auth login` has stored.
    pub token: Option<String>,
}

/// What the environment says about the hub, for people who look for a reason.
#[derive(Clone, Debug)]
pub struct HubSurvey {
    /// Address of the hub.
    pub endpoint: String,
    /// Is the hub switched off?
    pub offline: bool,
    /// The cache folder; `None` where there is neither a home folder nor a setting that names one.
    pub cache: Option<PathBuf>,
    /// Is there a token?
    pub has_token: bool,
}

/// A token and where it was found, so that a refusal can name the place.
#[derive(Clone)]
pub(super) struct Token {
    pub secret: String,
    /// `HF_TOKEN`, or the path of a file.
    pub source: String,
}

impl HubSettings {
    /// Returns what these settings and the environment come to.
    pub fn survey(&self) -> HubSurvey {
        HubSurvey {
            endpoint: self.endpoint(),
            offline: self.is_offline(),
            cache: self.cache_folder().ok(),
            has_token: self.token().is_some(),
        }
    }

    pub(super) fn is_offline(&self) -> bool {
        self.offline
            || is_on("HF_HUB_OFFLINE")
            || is_on("TRANSFORMERS_OFFLINE")
            || is_on("HF_DATASETS_OFFLINE")
    }

    pub(super) fn cache_folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.cache_dir {
            return Ok(if folder.join("hub").is_dir() {
                folder.join("hub")
            } else {
                folder.clone()
            });
        }
        for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"] {
            if let Some(folder) = path_in(name) {
                return Ok(folder);
            }
        }
        let home = home().ok_or_else(|| {
            Error::input("there is no home folder for the Hugging Face cache")
                .hint("set HF_HOME or `cache_dir`")
        })?;
        Ok(home.join("hub"))
    }

    /// Returns the hub's address, without a slash at its end.
    pub(super) fn endpoint(&self) -> String {
        let given = self.endpoint.clone().or_else(|| env::var("HF_ENDPOINT").ok());
        match given.unwrap_or_default().trim().trim_end_matches('/') {
            "" => PUBLIC_HUB.to_string(),
            endpoint => endpoint.to_string(),
        }
    }

    pub(super) fn token(&self) -> Option<Token> {
        if let Some(given) = &self.token {
            return tidy(given, "the settings".into());
        }
        let variables = TOKENS.into_iter();
        let mut given = variables.filter_map(|name| tidy(&env::var(name).ok()?, name.into()));
        given.next().or_else(|| {
            let file = path_in("HF_TOKEN_PATH").or_else(|| Some(home()?.join("token")))?;
            from_file(&file)
        })
    }
}

/// The folder of everything that belongs to Hugging Face.
fn home() -> Option<PathBuf> {
    let cache = || path_in("XDG_CACHE_HOME").or_else(|| Some(env::home_dir()?.join(".cache")));
    path_in("HF_HOME").or_else(|| Some(cache()?.join("huggingface")))
}

/// The folder that a variable names, `~` being the home folder.
fn path_in(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable).filter(|value| !value.is_empty())?);
    match path.strip_prefix("~") {
        Ok(below) => Some(env::home_dir()?.join(below)),
        Err(_) => Some(path),
    }
}

fn is_on(variable: &str) -> bool {
    let value = env::var(variable).unwrap_or_default().to_lowercase();
    ["1", "on", "yes", "true"].contains(&value.as_str())
}

fn from_file(file: &Path) -> Option<Token> {
    tidy(
        &std::fs::read_to_string(file).ok()?,
        format!("`{}`", file.display()),
    )
}

fn tidy(text: &str, source: String) -> Option<Token> {
    let secret: String = text.split_whitespace().collect();
    (!secret.is_empty()).then_some(Token { secret, source })
}

/// Returns how long the hub may be silent before a request counts as lost; Python's variable and default.
pub(super) fn silence() -> Duration {
    let given = env::var("HF_HUB_DOWNLOAD_TIMEOUT").ok();
    let seconds = given.and_then(|text| text.trim().parse().ok()).unwrap_or(10);
    Duration::from_secs(u64::max(seconds, 1))
}
