//! A cache as a sequence of chunks that can be opened in any order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk::{Checked, Chunk, Rows};
use super::index::{self, Entry, Index};
use super::layout::{self, ChunkName};
use crate::activations::CachePath;
use crate::error::{Error, Result};

/// The folders of a cache and the chunks that all of them have.
pub(in crate::activations) struct CacheReader {
    folders: Vec<HookFolder>,
    chunks: Vec<ChunkName>,
    /// For each chunk, what its check came to.
    checks: Vec<Checked>,
    rows: Rows,
}

/// The chunks of one hook point.
struct HookFolder {
    hook_point: String,
    path: PathBuf,
    /// What the index says of each chunk of the cache; empty where there is no index.
    entries: Vec<Entry>,
}

impl CacheReader {
    /// Lists the chunks and reads the indices.
    ///
    /// # Errors
    /// Missing or empty folders, a cache that is still being written, chunks that are missing or that the index does
    /// not know, unequal numbers of chunks at different hook points.
    pub(super) fn open(path: &CachePath, hook_points: &[String], rows: Rows) -> Result<Self> {
        let mut folders = Vec::new();
        let mut common: Option<Vec<ChunkName>> = None;
        for hook_point in hook_points {
            let folder = layout::folder_of(path, hook_point)?;
            let chunks = layout::chunks_in(&folder)?;
            let entries = match indexed(&folder)? {
                Some(entries) => match_up(&folder, &chunks, entries)?,
                None => Vec::new(),
            };
            if let Some(common) = &common {
                same_chunks(&folders, &folder, common, &chunks)?;
            }
            common.get_or_insert(chunks);
            folders.push(HookFolder {
                hook_point: hook_point.clone(),
                path: folder,
                entries,
            });
        }
        let chunks = common.unwrap_or_default();
        Ok(CacheReader {
            folders,
            checks: chunks.iter().map(|_| Checked::default()).collect(),
            chunks,
            rows,
        })
    }

    /// The number of chunks.
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Maps chunk number `number` of the sequence.
    pub(super) fn chunk(&self, number: usize) -> Result<Arc<Chunk>> {
        let name = self.chunks[number];
        let folders: Vec<(&str, &Path, Option<&Entry>)> = self
            .folders
            .iter()
            .map(|folder| {
                (
                    folder.hook_point.as_str(),
                    folder.path.as_path(),
                    folder.entries.get(number),
                )
            })
            .collect();
        Chunk::open(name, &folders, &self.rows, self.checks[number].clone()).map(Arc::new)
    }

    /// Where the first hook point's chunks lie, for messages.
    pub(super) fn folder(&self) -> &Path {
        self.folders.first().map_or(Path::new(""), |folder| &folder.path)
    }
}

/// The entries of all indices in `folder`, or `None` where there are none.
pub(super) fn indexed(folder: &Path) -> Result<Option<Vec<Entry>>> {
    let whole = index::path_of(folder, None);
    if let Some(index) = Index::read(&whole)? {
        complete(folder, &index)?;
        return Ok(Some(index.entries));
    }
    let Some(first) = shard_index(folder, 0)? else {
        return Ok(None);
    };
    let shards = first.header.n_shards;
    let mut entries = Vec::new();
    for shard in 0..shards {
        let index = shard_index(folder, shard)?.ok_or_else(|| {
            Error::input(format!(
                "the cache `{}` lacks shard {shard} of {shards}",
                folder.display()
            ))
        })?;
        complete(folder, &index)?;
        entries.extend(index.entries);
    }
    Ok(Some(entries))
}

fn shard_index(folder: &Path, shard: u32) -> Result<Option<Index>> {
    Index::read(&index::path_of(folder, Some(shard)))
}

fn complete(folder: &Path, index: &Index) -> Result<()> {
    match index.complete {
        true => Ok(()),
        false => Err(Error::input(format!(
            "the cache `{}` is not complete: it is still being written, or its generation was interrupted",
            folder.display()
        ))
        .hint("wait, or run the same generation again: it goes on where it stopped")),
    }
}

/// The entries in the order of the chunks on disk.
pub(super) fn match_up(folder: &Path, chunks: &[ChunkName], entries: Vec<Entry>) -> Result<Vec<Entry>> {
    let mut named: Vec<(Option<ChunkName>, Entry)> = entries
        .into_iter()
        .map(|entry| (ChunkName::parse(&entry.name), entry))
        .collect();
    named.sort_by_key(|(name, _)| *name);
    for (name, entry) in &named {
        if name.is_none_or(|name| !chunks.contains(&name)) {
            return Err(Error::input(format!(
                "the chunk `{}` is missing from `{}`",
                entry.name,
                folder.display()
            )));
        }
    }
    if let Some(stray) = chunks
        .iter()
        .find(|chunk| named.iter().all(|(name, _)| *name != Some(**chunk)))
    {
        return Err(Error::input(format!(
            "the chunk `{stray}` in `{}` is not in the index: it belongs to another generation",
            folder.display()
        )));
    }
    Ok(named.into_iter().map(|(_, entry)| entry).collect())
}

fn same_chunks(
    first: &[HookFolder],
    folder: &Path,
    common: &[ChunkName],
    chunks: &[ChunkName],
) -> Result<()> {
    if common == chunks {
        return Ok(());
    }
    let lacking = common.iter().find(|name| !chunks.contains(name));
    let extra = chunks.iter().find(|name| !common.contains(name));
    let other = first.first().map_or(Path::new(""), |folder| &folder.path);
    let (name, has, lacks) = match (lacking, extra) {
        (Some(name), _) => (name, other, folder),
        (None, Some(name)) => (name, folder, other),
        (None, None) => return Ok(()),
    };
    Err(Error::input(format!(
        "the hook points of the cache have unequal chunks: `{}` has {name}, `{}` has not",
        has.display(),
        lacks.display()
    )))
}
