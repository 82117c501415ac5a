//! The folders that a generation writes into, and their indices.

use std::fs;
use std::path::{Path, PathBuf};

use crate::activations::cache::chunk_name::ChunkName;
use crate::activations::cache::index::{self, Entry, Header, Index, IndexWriter};
use crate::error::{Error, Result};
use crate::fingerprint::{Change, Fingerprint};

/// What a generation writes, and where.
pub(super) struct Plan<'a> {
    /// The cache's folder, which the caller has locked.
    pub root: &'a Path,
    /// The hook points, each written to a folder of its name.
    pub hook_points: &'a [String],
    /// Which part this is, of how many.
    pub shard: Option<(u32, u32)>,
    /// Stop after so many tokens.
    pub tokens: Option<u64>,
    /// What decides the numbers.
    pub fingerprint: &'a Fingerprint,
    /// Changes of it that are allowed where the folder was begun with something else.
    pub changes: &'a [Change],
}

impl Plan<'_> {
    fn header(&self, hook_point: &str, index: Option<&Index>) -> Header {
        let mut changes = index.map_or(Vec::new(), |index| index.header.changes.clone());
        changes.extend(self.changes.iter().cloned());
        Header {
            version: index::VERSION,
            hook_point: hook_point.into(),
            n_shards: self.shard.map_or(1, |(_, n_shards)| n_shards),
            settings: self.fingerprint.to_value(),
            changes,
        }
    }

    /// Was the number of tokens allowed to change?
    fn changes_tokens(&self) -> bool {
        self.changes.iter().any(|change| change.key == TOKENS_KEY)
    }

    /// How many of the chunks that `entries` describe it takes to have all tokens.
    fn needed(&self, entries: &[Entry]) -> usize {
        let enough = |entry: &Entry| self.tokens.is_some_and(|tokens| entry.tokens >= tokens);
        entries
            .iter()
            .position(enough)
            .map_or(entries.len(), |last| last + 1)
    }
}

/// The key of the number of tokens in a fingerprint.
pub(super) const TOKENS_KEY: &str = "writer.total_generating_tokens";

/// Where a generation writes.
pub(super) struct Target {
    folders: Vec<(String, PathBuf)>,
    indices: Vec<IndexWriter>,
    /// Chunks that were there before and are whole at every hook point.
    kept: u64,
    /// Tokens in them.
    tokens: u64,
    complete: bool,
}

impl Target {
    /// Returns what there is of a generation that is complete; `None` if there is anything left to do. Changes nothing.
    ///
    /// # Errors
    /// Chunks without an index; folders that cannot be read.
    pub(super) fn complete_in(plan: &Plan<'_>) -> Result<Option<(u64, u64)>> {
        let mut found = Vec::new();
        for hook_point in plan.hook_points {
            let folder = plan.root.join(hook_point);
            let index = if folder.is_dir() {
                continued(&folder, plan.shard.map(|(shard, _)| shard))?
            } else {
                None
            };
            found.push((folder, index));
        }
        let kept = kept(plan, &found);
        let tokens = found.first().map_or(0, |(_, index)| tokens_in(index, kept));
        Ok(is_complete(plan, &found, kept).then_some((kept as u64, tokens)))
    }

    /// Opens or makes the folders of a generation. What an interrupted one left half-written is removed.
    ///
    /// # Errors
    /// Chunks without an index; folders that cannot be made.
    pub(super) fn open(plan: &Plan<'_>) -> Result<Self> {
        let name = plan.shard.map(|(shard, _)| shard);
        let mut found = Vec::new();
        for hook_point in plan.hook_points {
            let folder = plan.root.join(hook_point);
            fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
            let index = continued(&folder, name)?;
            found.push((folder, index));
        }
        let kept = kept(plan, &found);
        let complete = is_complete(plan, &found, kept);
        let mut target = Target {
            folders: Vec::new(),
            indices: Vec::new(),
            kept: kept as u64,
            tokens: found.first().map_or(0, |(_, index)| tokens_in(index, kept)),
            complete,
        };
        for (hook_point, (folder, index)) in plan.hook_points.iter().zip(found) {
            if !complete {
                let header = plan.header(hook_point, index.as_ref());
                let entries = index.map(|index| index.entries).unwrap_or_default();
                remove_from(&folder, name, kept)?;
                let path = index::path_of(&folder, name);
                target
                    .indices
                    .push(IndexWriter::start(&path, &header, &entries[..kept])?);
            }
            target.folders.push((hook_point.clone(), folder));
        }
        Ok(target)
    }

    /// Returns whether everything was written before.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Chunks that are there already.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Tokens in them.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Returns the hook points and their folders.
    pub(super) fn folders(&self) -> &[(String, PathBuf)] {
        &self.folders
    }

    /// Enters a chunk, one entry for each folder, that is on disk.
    pub(super) fn enter(&mut self, entries: Vec<Entry>) -> Result<()> {
        self.indices
            .iter_mut()
            .zip(entries)
            .try_for_each(|(index, entry)| index.chunk(entry))
    }

    /// Marks the whole generation as complete.
    pub(super) fn complete(&mut self, chunks: u64) -> Result<()> {
        self.indices
            .iter_mut()
            .try_for_each(|index| index.complete(chunks))
    }
}

/// The chunks that are whole at every hook point, as far as they are needed.
fn kept(plan: &Plan<'_>, found: &[(PathBuf, Option<Index>)]) -> usize {
    let whole = |(folder, index): &(PathBuf, Option<Index>)| match index {
        Some(index) => {
            let whole = whole_chunks(folder, plan.shard.map(|(shard, _)| shard), &index.entries);
            if index.complete {
                whole
            } else {
                whole.min(plan.needed(&index.entries))
            }
        }
        None => 0,
    };
    found.iter().map(whole).min().unwrap_or(0)
}

/// Is all there, at every hook point?
fn is_complete(plan: &Plan<'_>, found: &[(PathBuf, Option<Index>)], kept: usize) -> bool {
    let all_there = found.iter().all(|(_, index)| {
        index
            .as_ref()
            .is_some_and(|index| index.complete && index.entries.len() == kept)
    });
    let enough = || {
        let tokens = found.first().map_or(0, |(_, index)| tokens_in(index, kept));
        plan.tokens.is_some_and(|wanted| tokens >= wanted)
    };
    all_there && (!plan.changes_tokens() || enough())
}

/// Tokens in the first `kept` chunks.
fn tokens_in(index: &Option<Index>, kept: usize) -> u64 {
    let entries = index.as_ref().map_or(&[][..], |index| &index.entries);
    let last = kept.checked_sub(1).and_then(|last| entries.get(last));
    last.map_or(0, |entry| entry.tokens)
}

/// The index of an earlier run, if there was one.
fn continued(folder: &Path, shard: Option<u32>) -> Result<Option<Index>> {
    if let Some(index) = Index::read(&index::path_of(folder, shard))? {
        return Ok(Some(index));
    }
    match chunks_of(folder, shard)?.first() {
        Some(stray) => Err(Error::input(format!(
            "`{}` holds chunks already ({stray}), and no index says what they are",
            folder.display()
        ))
        .hint("choose an empty folder, or remove them")),
        None => Ok(None),
    }
}

/// How many of the first `entries` have their file, with the right name and size.
fn whole_chunks(folder: &Path, shard: Option<u32>, entries: &[Entry]) -> usize {
    let numbered = entries.iter().zip(0u32..);
    numbered
        .take_while(|(entry, number)| {
            let name = ChunkName {
                shard,
                number: *number,
            };
            let size = fs::metadata(name.tensors(folder)).map(|file| file.len());
            entry.name == name.to_string() && size.is_ok_and(|size| size == entry.bytes)
        })
        .count()
}

/// The chunks of `shard` in `folder`.
fn chunks_of(folder: &Path, shard: Option<u32>) -> Result<Vec<ChunkName>> {
    let mut chunks = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))? {
        let name = entry
            .map_err(|error| Error::io("read", folder, error))?
            .file_name();
        let name = name.to_string_lossy();
        let stem = name
            .strip_suffix(".safetensors")
            .or_else(|| name.strip_suffix(".meta.json"));
        chunks.extend(
            stem.and_then(ChunkName::parse)
                .filter(|chunk| chunk.shard == shard),
        );
    }
    chunks.sort();
    chunks.dedup();
    Ok(chunks)
}

/// Removes what an interrupted run left beyond its first `kept` chunks.
fn remove_from(folder: &Path, shard: Option<u32>, kept: usize) -> Result<()> {
    let beyond = chunks_of(folder, shard)?
        .into_iter()
        .filter(|chunk| chunk.number as usize >= kept);
    for path in beyond.flat_map(|chunk| [chunk.tensors(folder), chunk.meta(folder)]) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path, error));
            }
            _ => {}
        }
    }
    if shard.is_some() {
        // Other shards may be writing here: their temporary files are theirs.
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))? {
        let path = entry.map_err(|error| Error::io("read", folder, error))?.path();
        let unfinished = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(".unfinished-"));
        if unfinished {
            fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
        }
    }
    Ok(())
}
