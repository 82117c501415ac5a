//! What chunks are called, and which there are in a folder here.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The name of a chunk without its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChunkName {
    /// The shard, in a generation in shards.
    pub shard: Option<u32>,
    /// Number in the sequence, from 0.
    pub number: u32,
}

impl ChunkName {
    /// Reads `chunk-00000000` or `shard-S-chunk-00000000`.
    pub(super) fn parse(stem: &str) -> Option<Self> {
        let (shard, rest) = match stem.strip_prefix("shard-") {
            Some(rest) => {
                let (shard, rest) = rest.split_once('-')?;
                (Some(shard.parse().ok()?), rest)
            }
            None => (None, stem),
        };
        let digits = rest.strip_prefix("chunk-")?;
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(ChunkName {
            shard,
            number: all_digits.then(|| digits.parse().ok())??,
        })
    }

    /// Returns the file of the tensors.
    pub(super) fn tensors(self, folder: &Path) -> PathBuf {
        folder.join(format!("{self}.safetensors"))
    }

    /// Returns the file of the origins.
    pub(super) fn meta(self, folder: &Path) -> PathBuf {
        folder.join(format!("{self}.meta.json"))
    }
}

impl fmt::Display for ChunkName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shard) = self.shard {
            write!(formatter, "shard-{shard}-")?;
        }
        write!(formatter, "chunk-{:08}", self.number)
    }
}

/// Returns the chunks in `folder`, in order.
///
/// # Errors
/// A folder that is missing, cannot be read, or holds no chunk.
pub(super) fn chunks_in(folder: &Path) -> Result<Vec<ChunkName>> {
    let listing = std::fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))?;
    let mut chunks = Vec::new();
    for entry in listing {
        let path = entry.map_err(|error| Error::io("read", folder, error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            chunks.extend(ChunkName::parse(stem));
        }
    }
    if chunks.is_empty() {
        return Err(no_chunks(&folder.display().to_string()));
    }
    chunks.sort();
    Ok(chunks)
}

/// Says that a folder has no chunks.
pub(super) fn no_chunks(folder: &str) -> Error {
    Error::input(format!("the folder `{folder}` holds no chunks of activations"))
        .hint("expected files such as chunk-00000000.safetensors")
}

/// Says that a chunk is missing.
pub(super) fn missing(chunk: ChunkName, folder: &str) -> Error {
    Error::input(format!("the chunk `{chunk}` is missing from `{folder}`"))
}

/// Names of the folders in `root` that are not hidden.
pub(super) fn sub_folders(root: &Path) -> Result<Vec<String>> {
    let listing = std::fs::read_dir(root).map_err(|error| Error::io("read", root, error))?;
    let mut names: Vec<String> = listing
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    Ok(names)
}
