//! What a cache holds, in one line: by the checksums that its indices have.

use std::fmt::Write;
use std::path::PathBuf;

use super::folder::ChunkFolder;
use super::layout;
use super::listed::{listed, local};
use crate::activations::CachePath;
use crate::error::Result;
use crate::event::RunContext;
use crate::identity;
use crate::transfer::{Progress, pool};

/// Returns what the cache at `path` holds at `hook_points`. Chunks without an index are looked at as data files are;
/// `None` where they lie elsewhere.
///
/// # Errors
/// A cache that is missing, not complete, or cannot be read.
pub(in crate::activations) fn contents_of(
    path: &CachePath,
    hook_points: &[String],
    context: &RunContext,
) -> Result<Option<String>> {
    let mut sorted = hook_points.to_vec();
    sorted.sort();
    let all = |progress: &Progress| -> Result<Option<String>> {
        let mut text = String::new();
        for hook_point in &sorted {
            let folder = layout::folder_of(path, hook_point, progress)?;
            match of_folder(&folder, progress)? {
                Some(contents) => text.push_str(&format!("{hook_point}\n{contents}")),
                None => return Ok(None),
            }
        }
        Ok(Some(identity::of_text(&text)))
    };
    pool::one(context, |progress| Ok(all(progress)?)).map_err(local)
}

/// One line for each chunk; `None` where that would take fetching them.
fn of_folder(folder: &ChunkFolder, progress: &Progress) -> Result<Option<String>> {
    let (chunks, entries) = listed(folder, progress)?;
    let Some(entries) = entries else {
        let ChunkFolder::Local(path) = folder else {
            return Ok(None);
        };
        let files: Vec<PathBuf> = chunks.iter().map(|chunk| chunk.tensors(path)).collect();
        return identity::of_data(&files).map(Some);
    };
    let mut text = String::new();
    for entry in entries {
        let meta = entry.meta_xxh3.unwrap_or_default();
        // Writing into a string cannot fail.
        writeln!(text, "{} {} {meta}", entry.bytes, entry.xxh3).ok();
    }
    Ok(Some(text))
}
