//! The Hugging Face hub: files of models, data sets and dictionaries, by way of the cache that Python shares.
//!
//! `HF_ENDPOINT`, `HF_HOME`, `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean to `huggingface_hub`.

mod download;
mod failure;

use std::path::PathBuf;

use hf_hub::api::sync::{Api, ApiBuilder};
use hf_hub::{Cache, Repo, RepoType};

use crate::error::{Error, Result};
use crate::event::RunContext;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// A model, or the weights of a dictionary.
    Model,
    /// A data set.
    Dataset,
}

/// How to reach the hub and where to keep its files.
#[derive(Clone, Debug, Default)]
pub struct HubSettings {
    /// The cache folder; null: `HF_HUB_CACHE`, `HF_HOME/hub`, or `~/.cache/huggingface/hub`.
    pub cache_dir: Option<PathBuf>,
    /// Use only files that are in the cache already, as `HF_HUB_OFFLINE=1` does.
    pub offline: bool,
}

/// A repository at one revision.
#[derive(Debug)]
pub struct Repository {
    id: String,
    repo: Repo,
    cache: Cache,
    /// `None` when offline.
    api: Option<Api>,
}

impl Repository {
    /// The repository `id`, e.g. `EleutherAI/pythia-160m`, at `revision` (`None`: main). Nothing is fetched yet.
    ///
    /// # Errors
    /// An id that the hub cannot have.
    pub fn open(id: &str, kind: RepoKind, revision: Option<&str>, settings: &HubSettings) -> Result<Self> {
        check_id(id)?;
        let repo_type = match kind {
            RepoKind::Model => RepoType::Model,
            RepoKind::Dataset => RepoType::Dataset,
        };
        let repo = Repo::with_revision(id.into(), repo_type, revision.unwrap_or("main").into());
        let cache = Cache::new(cache_folder(settings)?);
        let api = match settings.offline || environment_says_offline() {
            true => None,
            false => Some(connect(&cache)?),
        };
        Ok(Repository {
            id: id.into(),
            repo,
            cache,
            api,
        })
    }

    /// The id it was opened with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The local path of `file`: from the cache, or downloaded into it.
    ///
    /// # Errors
    /// The hub has no such file or repository, asks for a token, or cannot be reached; offline, a file that is not
    /// in the cache.
    pub fn file(&self, file: &str, context: &RunContext) -> Result<PathBuf> {
        self.file_if(file, context)?.ok_or_else(|| match &self.api {
            Some(_) => Error::input(format!("the repository `{}` has no file `{file}`", self.id)),
            None => self.not_cached(file),
        })
    }

    /// Like [`file`](Self::file), but `None` for a file that the repository does not have; offline, for one that is
    /// not in the cache.
    pub fn file_if(&self, file: &str, context: &RunContext) -> Result<Option<PathBuf>> {
        if let Some(path) = self.cache.repo(self.repo.clone()).get(file) {
            return Ok(Some(path));
        }
        match &self.api {
            Some(api) => download::download(api, &self.repo, &self.id, file, context),
            None => Ok(None),
        }
    }

    fn not_cached(&self, file: &str) -> Error {
        Error::input(format!(
            "`{file}` of `{}` is not in the cache `{}`, and the hub is switched off",
            self.id,
            self.cache.path().display()
        ))
        .hint("unset HF_HUB_OFFLINE and `local_files_only` once to download it")
    }
}

/// Ids are `name` or `organisation/name`, of letters, digits, `.`, `-` and `_`.
fn check_id(id: &str) -> Result<()> {
    let parts: Vec<&str> = id.split('/').collect();
    let good = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match parts.len() <= 2 && parts.iter().all(good) {
        true => Ok(()),
        false => Err(Error::input(format!(
            "`{id}` is neither a folder that exists nor the id of a repository on the hub"
        ))
        .hint("ids look like `EleutherAI/pythia-160m`")),
    }
}

fn cache_folder(settings: &HubSettings) -> Result<PathBuf> {
    if let Some(folder) = &settings.cache_dir {
        return Ok(folder.clone());
    }
    if let Some(folder) = std::env::var_os("HF_HUB_CACHE") {
        return Ok(folder.into());
    }
    if let Some(home) = std::env::var_os("HF_HOME") {
        return Ok(PathBuf::from(home).join("hub"));
    }
    let home = std::env::home_dir().ok_or_else(|| {
        Error::input("there is no home folder for the Hugging Face cache").hint("set HF_HOME or `cache_dir`")
    })?;
    Ok(home.join(".cache/huggingface/hub"))
}

fn environment_says_offline() -> bool {
    let set = |name: &str| {
        let value = std::env::var(name).unwrap_or_default().to_lowercase();
        ["1", "on", "yes", "true"].contains(&value.as_str())
    };
    set("HF_HUB_OFFLINE") || set("TRANSFORMERS_OFFLINE")
}

fn connect(cache: &Cache) -> Result<Api> {
    let mut builder = ApiBuilder::from_cache(cache.clone()).with_progress(false);
    if let Ok(endpoint) = std::env::var("HF_ENDPOINT") {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_string());
    }
    if let Some(token) = token(cache) {
        builder = builder.with_token(Some(token));
    }
    builder
        .build()
        .map_err(|error| Error::run(format!("cannot set up the connection to the hub: {error}")))
}

/// `HF_TOKEN`, or the one that `huggingface-cli login` has stored.
fn token(cache: &Cache) -> Option<String> {
    let given = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].map(|name| std::env::var(name).ok());
    let stored = || {
        let file = match (std::env::var_os("HF_TOKEN_PATH"), std::env::var_os("HF_HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => PathBuf::from(home).join("token"),
            (None, None) => std::env::home_dir()?.join(".cache/huggingface/token"),
        };
        std::fs::read_to_string(file).ok()
    };
    let token = given
        .into_iter()
        .flatten()
        .next()
        .or_else(stored)
        .or_else(|| cache.token())?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_string())
}
