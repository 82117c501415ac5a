//! Which tokens end a generated text: chat models have others besides the tokenizer's EOS.

use std::path::Path;

use serde_json::Value;

use super::hf_config::read_json_object;
use super::settings::LanguageModelConfig;
use crate::error::{Error, Result};
use crate::text::Tokenizer;

/// The file with the usual settings of a model's generation.
pub(super) const GENERATION_FILE: &str = "generation_config.json";

/// Returns the tokenizer's EOS, and what `generation_config.json`, or else `config.json`, says besides; only the EOS
/// where `config` sets it.
///
/// # Errors
/// A file that is not JSON, or an EOS that is neither an id nor a list of ids.
pub(super) fn ends_of(
    folder: &Path,
    config: &LanguageModelConfig,
    tokenizer: &Tokenizer,
) -> Result<Vec<i64>> {
    let mut ends: Vec<i64> = tokenizer.eos_token_id().into_iter().collect();
    if config.eos_token_id.is_some() {
        return Ok(ends);
    }
    for file in [GENERATION_FILE, "config.json"] {
        let path = folder.join(file);
        if !path.is_file() {
            continue;
        }
        let values = read_json_object(&path)?;
        let Some(said) = values.get("eos_token_id").filter(|said| !said.is_null()) else {
            continue;
        };
        let listed = said.as_array().map_or(std::slice::from_ref(said), Vec::as_slice);
        for id in listed {
            let id = id.as_i64().ok_or_else(|| wrong(&path, said))?;
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        break;
    }
    Ok(ends)
}

fn wrong(path: &Path, said: &Value) -> Error {
    Error::input(format!(
        "`{}`: `eos_token_id` is {said}, but expected an id or a list of ids",
        path.display()
    ))
}
