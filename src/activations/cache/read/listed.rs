//! The chunks of one hook point, and what its indices say of them.

use super::folder::ChunkFolder;
use crate::activations::cache::chunk_name::ChunkName;
use crate::activations::cache::index::{self, Entry, Index};
use crate::error::{Error, Result};
use crate::transfer::{Progress, Trouble};

/// Shards that a generation may have been cut into.
const MOST_SHARDS: u32 = 65_536;

/// Work on threads of its own fails with words already.
pub(super) fn local(trouble: Trouble) -> Error {
    match trouble {
        Trouble::Local(error) => error,
        other => Error::run(format!("the cache cannot be opened: {other:?}")),
    }
}

/// The chunks of a hook point and what its index says of each; `None` without an index.
pub(super) fn listed(
    folder: &ChunkFolder,
    progress: &Progress,
) -> Result<(Vec<ChunkName>, Option<Vec<Entry>>)> {
    // A folder here that is missing or empty is told before its index is.
    let here = if folder.is_remote() {
        None
    } else {
        Some(folder.chunks(None, progress)?)
    };
    let entries = indexed(folder, progress)?;
    let chunks = match here {
        Some(chunks) => chunks,
        None => folder.chunks(entries.as_deref(), progress)?,
    };
    let entries = match entries {
        Some(entries) => Some(match_up(folder, &chunks, entries)?),
        None => None,
    };
    Ok((chunks, entries))
}

/// The entries of all indices in `folder`, or `None` where there are none.
pub(super) fn indexed(folder: &ChunkFolder, progress: &Progress) -> Result<Option<Vec<Entry>>> {
    if let Some(index) = index_of(folder, None, progress)? {
        complete(folder, &index)?;
        return Ok(Some(index.entries));
    }
    let Some(first) = index_of(folder, Some(0), progress)? else {
        return if folder.has_any_index(progress)? {
            Err(Error::input(format!(
                "the cache `{folder}` lacks shard 0, and has others"
            )))
        } else {
            Ok(None)
        };
    };
    let shards = first.header.n_shards;
    if shards > MOST_SHARDS {
        return Err(Error::input(format!(
            "the index of `{folder}` is damaged: it tells of {shards} shards"
        )));
    }
    let mut entries = Vec::new();
    for shard in 0..shards {
        let index = index_of(folder, Some(shard), progress)?
            .ok_or_else(|| Error::input(format!("the cache `{folder}` lacks shard {shard} of {shards}")))?;
        complete(folder, &index)?;
        entries.extend(index.entries);
    }
    Ok(Some(entries))
}

fn index_of(folder: &ChunkFolder, shard: Option<u32>, progress: &Progress) -> Result<Option<Index>> {
    let name = index::name_of(shard);
    match folder.read(&name, progress)? {
        Some(bytes) => Index::parse(&bytes, &folder.name_of(&name)).map(Some),
        None => Ok(None),
    }
}

fn complete(folder: &ChunkFolder, index: &Index) -> Result<()> {
    if index.complete {
        Ok(())
    } else {
        Err(Error::input(format!(
        "the cache `{folder}` is not complete: it is still being written, or its generation was interrupted"
    ))
    .hint("wait, or run the same generation again: it goes on where it stopped"))
    }
}

/// The entries in the order of the chunks on disk.
fn match_up(folder: &ChunkFolder, chunks: &[ChunkName], entries: Vec<Entry>) -> Result<Vec<Entry>> {
    let mut named: Vec<(Option<ChunkName>, Entry)> = entries
        .into_iter()
        .map(|entry| {
            let name = ChunkName::parse(&entry.name).filter(|name| name.to_string() == entry.name);
            (name, entry)
        })
        .collect();
    named.sort_by_key(|(name, _)| *name);
    for (name, entry) in &named {
        if name.is_none_or(|name| chunks.binary_search(&name).is_err()) {
            return Err(Error::input(format!(
                "the chunk `{}` is missing from `{folder}`",
                entry.name
            )));
        }
    }
    if let Some(stray) = chunks.iter().find(|chunk| {
        named
            .binary_search_by_key(&Some(**chunk), |(name, _)| *name)
            .is_err()
    }) {
        return Err(Error::input(format!(
            "the chunk `{stray}` in `{folder}` is not in the index: it belongs to another generation"
        )));
    }
    Ok(named.into_iter().map(|(_, entry)| entry).collect())
}
