//! Dictionaries of programs whose formats are not read: recognised by their files, so that the refusal says what they
//! are.

use std::path::Path;

use crate::config::Value;
use crate::error::{Error, Result};

/// A make, and the key of its settings that tells it.
const BY_KEY: [(&str, &str); 5] = [
    ("/trainer/dict_class", "a dictionary of dictionary_learning"),
    ("/num_latents", "a dictionary of sparsify"),
    ("/hf_hook_point_in", "a dictionary of Gemma Scope 2"),
    ("/architectures", "a language model"),
    ("/model_type", "a language model"),
];

/// A make, and the file of a folder that tells it.
const BY_FILE: [(&str, &str); 6] = [
    ("params.npz", "a dictionary of Gemma Scope"),
    ("ae.pt", "a dictionary of dictionary_learning"),
    ("sae.safetensors", "a dictionary of sparsify"),
    ("hyperparams.json", "a dictionary of Llama Scope's first format"),
    ("config.yaml", "a transcoder of circuit-tracer"),
    ("pytorch_model.bin", "a language model"),
];

/// What names of files end in that hold numbers of other formats.
const ENDINGS: [(&str, &str); 4] = [
    ("npz", "an archive of NumPy arrays, as Gemma Scope has them"),
    ("pt", "a pickled file of PyTorch"),
    ("pth", "a pickled file of PyTorch"),
    ("bin", "a pickled file of PyTorch"),
];

/// Refuses settings of another make, in `path`.
///
/// # Errors
/// They are of one that is known.
pub(super) fn refuse_settings(settings: &Value, path: &Path) -> Result<()> {
    let found = BY_KEY
        .iter()
        .find(|(key, _)| settings.pointer(key).is_some_and(|value| !value.is_null()));
    match found {
        Some((_, what)) => Err(refused(path, what)),
        None => Ok(()),
    }
}

/// Refuses the file or folder `path` if its name, or a file in it, tells another make. Folders with settings of a
/// format that is read are let pass.
///
/// # Errors
/// It is of a make that is known.
pub(super) fn refuse_file(path: &Path) -> Result<()> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if path.is_file()
        && let Some((_, what)) = ENDINGS.iter().find(|(known, _)| Some(*known) == ending)
    {
        return Err(refused(path, what));
    }
    let has = |name: &str| path.join(name).exists();
    if !path.is_dir() || has(super::file_names::SETTINGS_FILE) || has(super::saelens::SETTINGS_FILE) {
        return Ok(());
    }
    match BY_FILE.iter().find(|(name, _)| has(name)) {
        Some((_, what)) => Err(refused(path, what)),
        None => Ok(()),
    }
}

fn refused(path: &Path, what: &str) -> Error {
    Error::input(format!("`{}` is {what}, which is not read here", path.display())).hint(
        "dictionaries of this program, of Language-Model-SAEs (config.json) and of SAELens (cfg.json) are read, each \
         with sae_weights.safetensors; SAELens loads many others and saves them in its own format",
    )
}
