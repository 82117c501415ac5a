//! The folders that a generation writes into, and their indices.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::index::{self, Entry, Header, Index, IndexWriter};
use super::layout::ChunkName;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::files;

/// Where a generation writes, locked against others that would write there too.
pub(super) struct Target {
    folders: Vec<(String, PathBuf)>,
    indices: Vec<IndexWriter>,
    /// Chunks that were there before and are whole at every hook point.
    kept: u64,
    /// Tokens in them.
    tokens: u64,
    complete: bool,
    _lock: File,
}

impl Target {
    /// Opens or makes the folders of a generation by `settings`. What an interrupted one left half-written is removed.
    ///
    /// # Errors
    /// Chunks of another generation, or of one that is running now; folders that cannot be made.
    pub(super) fn open(
        root: &Path,
        hook_points: &[String],
        shard: Option<(u32, u32)>,
        settings: &Value,
    ) -> Result<Self> {
        let name = shard.map(|(shard, _)| shard);
        fs::create_dir_all(root).map_err(|error| Error::io("create", root, error))?;
        let lock = lock(root, name)?;
        let mut found = Vec::new();
        for hook_point in hook_points {
            let folder = root.join(hook_point);
            fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
            let header = Header {
                version: index::VERSION,
                hook_point: hook_point.clone(),
                n_shards: shard.map_or(1, |(_, n_shards)| n_shards),
                settings: settings.clone(),
            };
            let index = continued(&folder, name, &header)?;
            found.push((hook_point.clone(), folder, header, index));
        }
        let complete = found
            .iter()
            .all(|(_, _, _, index)| index.as_ref().is_some_and(|index| index.complete));
        let whole = |folder: &Path, index: &Option<Index>| match index {
            Some(index) => whole_chunks(folder, name, &index.entries),
            None => 0,
        };
        let kept = found
            .iter()
            .map(|(_, folder, _, index)| whole(folder, index))
            .min()
            .unwrap_or(0);
        let complete = complete
            && found
                .iter()
                .all(|(_, _, _, index)| index.as_ref().is_some_and(|index| index.entries.len() == kept));
        let mut target = Target {
            folders: Vec::new(),
            indices: Vec::new(),
            kept: kept as u64,
            tokens: 0,
            complete,
            _lock: lock,
        };
        for (hook_point, folder, header, index) in found {
            let entries = index.map(|index| index.entries).unwrap_or_default();
            target.tokens = kept
                .checked_sub(1)
                .and_then(|last| entries.get(last))
                .map_or(0, |entry| entry.tokens);
            if !complete {
                remove_from(&folder, name, kept)?;
                let path = index::path_of(&folder, name);
                target
                    .indices
                    .push(IndexWriter::start(&path, &header, &entries[..kept])?);
            }
            target.folders.push((hook_point, folder));
        }
        Ok(target)
    }

    /// Was everything written before?
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

    /// Hook points and their folders.
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

fn lock(root: &Path, shard: Option<u32>) -> Result<File> {
    let path = match shard {
        Some(shard) => root.join(format!(".lock-shard-{shard}")),
        None => root.join(".lock"),
    };
    let file = files::open_lock(&path).map_err(|error| Error::io("write", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::input(format!(
            "another program is writing activations to `{}` now",
            root.display()
        ))
        .hint("choose another folder, or wait")),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, error)),
    }
}

/// The index of an earlier run of the same generation, if there was one.
fn continued(folder: &Path, shard: Option<u32>, header: &Header) -> Result<Option<Index>> {
    let path = index::path_of(folder, shard);
    let Some(index) = Index::read(&path)? else {
        if let Some(stray) = chunks_of(folder, shard)?.first() {
            return Err(Error::input(format!(
                "`{}` holds chunks already ({stray}), and no index says what they are",
                folder.display()
            ))
            .hint("choose an empty folder, or remove them"));
        }
        return Ok(None);
    };
    if index.header == *header {
        return Ok(Some(index));
    }
    let mut path = Vec::new();
    let (theirs, ours) = (value_of(&index.header)?, value_of(header)?);
    let what = match difference(&theirs, &ours, &mut path) {
        Some((theirs, ours)) => format!("`{}` was {theirs} there and is {ours} now", path.join(".")),
        None => "their settings differ".into(),
    };
    Err(Error::input(format!(
        "`{}` holds activations of another generation: {what}",
        folder.display()
    ))
    .hint("choose another folder, or use the same settings again to complete what is there"))
}

fn value_of(header: &Header) -> Result<Value> {
    crate::config::to_value(header)
}

/// The first place where two values differ; `path` is the way there.
fn difference(left: &Value, right: &Value, path: &mut Vec<String>) -> Option<(Value, Value)> {
    if left == right {
        return None;
    }
    if let (Value::Object(left), Value::Object(right)) = (left, right) {
        for key in left.keys().chain(right.keys()) {
            path.push(key.clone());
            let null = Value::Null;
            let (left, right) = (left.get(key).unwrap_or(&null), right.get(key).unwrap_or(&null));
            let found = difference(left, right, path);
            if found.is_some() {
                return found;
            }
            path.pop();
        }
    }
    Some((left.clone(), right.clone()))
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
