//! Where a model's files are: a local folder, or the hub's cache.

use std::path::{Path, PathBuf};

use super::ends::GENERATION_FILE;
use super::settings::{Backend, LanguageModelConfig, hub_id};
use super::weights::{SHARD_INDEX, SINGLE_FILE, shard_names};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::hub::{self, HubSettings, Meant, RepoKind, Repository};

/// Files beside the weights; all but the first may be missing.
const SMALL_FILES: &[&str] = &[
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    GENERATION_FILE,
];

/// Returns the folder with everything that `config` needs, downloaded where necessary.
///
/// # Errors
/// No such folder, or what the hub has to say.
pub(super) fn locate(config: &LanguageModelConfig, context: &RunContext) -> Result<PathBuf> {
    if let Some(folder) = &config.model_from_pretrained_path {
        return local(folder).map_err(|error| error.under("model_from_pretrained_path"));
    }
    let found = match hub::meant_by(&config.model_name) {
        Meant::Here => local(Path::new(&config.model_name)),
        // What can be no id is refused there.
        Meant::Repository | Meant::Neither => fetch(config, context),
    };
    found.map_err(|error| error.under("model_name"))
}

fn local(folder: &Path) -> Result<PathBuf> {
    if !folder.is_dir() {
        return Err(Error::input(format!("there is no folder `{}`", folder.display()))
            .hint("expected a folder in Hugging Face layout: config.json, *.safetensors, tokenizer.json"));
    }
    if !folder.join("config.json").is_file() && !folder.join("tokenizer.json").is_file() {
        return Err(Error::input(format!(
            "`{}` is not a model folder: it has no config.json",
            folder.display()
        ))
        .hint("expected a folder in Hugging Face layout: config.json, *.safetensors, tokenizer.json"));
    }
    Ok(folder.to_path_buf())
}

fn fetch(config: &LanguageModelConfig, context: &RunContext) -> Result<PathBuf> {
    let settings = HubSettings {
        cache_dir: config.cache_dir.clone(),
        offline: config.local_files_only,
        ..HubSettings::default()
    };
    let repository = Repository::open(&hub_id(&config.model_name), RepoKind::Model, None, &settings)?;
    let path = repository.file("config.json", context)?;
    repository.files_if(SMALL_FILES, context)?;
    if config.backend != Backend::TokenizerOnly && repository.file_if(SINGLE_FILE, context)?.is_none() {
        let index = repository.file_if(SHARD_INDEX, context)?.ok_or_else(|| {
            Error::input(format!(
                "`{}` has no weights in safetensors format on the hub",
                repository.id()
            ))
        })?;
        repository.files(&shard_names(&index)?, context)?;
    }
    path.parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| Error::run(format!("`{}` lies in no folder", path.display())))
}
