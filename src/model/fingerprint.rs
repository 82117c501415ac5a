//! What decides a model's numbers: its settings, and what its files hold.

use std::path::{Path, PathBuf};

use super::language_model::LanguageModel;
use super::locate::locate;
use super::settings::{Backend, LanguageModelConfig};
use super::weights::weight_paths;
use crate::error::Result;
use crate::event::RunContext;
use crate::fingerprint::Fingerprint;
use crate::identity;

/// The files that decide how a text becomes tokens, those of them that exist.
const TOKENIZER_FILES: [&str; 3] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

impl LanguageModelConfig {
    /// Returns what decides the numbers of the model that would be loaded, without loading it: the settings, `weights`,
    /// `config` and `tokenizer`.
    ///
    /// # Errors
    /// A model that is not there, or cannot be read.
    pub fn fingerprint(&self, context: &RunContext) -> Result<Fingerprint> {
        of_folder(self, &locate(self, context)?)
    }
}

impl LanguageModel {
    /// Returns what decides its numbers: its settings, `weights`, `config` and `tokenizer`.
    ///
    /// # Errors
    /// Its files cannot be read any more.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        of_folder(self.config(), self.tokenizer().folder())
    }
}

fn of_folder(config: &LanguageModelConfig, folder: &Path) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::default();
    fingerprint.add("", config)?;
    let existing = TOKENIZER_FILES.map(|name| folder.join(name));
    let existing: Vec<PathBuf> = existing.into_iter().filter(|path| path.is_file()).collect();
    fingerprint.set("tokenizer", identity::of_files(&existing)?.into());
    let settings = folder.join("config.json");
    if settings.is_file() {
        fingerprint.set("config", identity::of_files(&[settings])?.into());
    }
    if config.backend != Backend::TokenizerOnly {
        fingerprint.set("weights", identity::of_files(&weight_paths(folder)?)?.into());
    }
    Ok(fingerprint)
}
