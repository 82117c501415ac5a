//! The index of a hook point's chunks: a line of JSON for what is written, one for each chunk, one at the end.
//!
//! Lines are only ever appended, after their chunk is safely on disk. A line that was cut short by a crash is passed
//! over, so the index always describes whole chunks.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Value;
use crate::error::{Error, Result};
use crate::files;
use crate::fingerprint::Change;
use crate::policy::{self, Access};

/// The longest index, or file of origins, that is read: one of a million chunks has less.
pub(super) const INDEX_MOST: u64 = 256 << 20;

/// The version of the index's own format.
pub(super) const VERSION: u32 = 1;

/// What a generation writes: all that its chunks depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// The hook point.
    pub hook_point: String,
    /// How many shards the whole generation has.
    pub n_shards: u32,
    /// What decides the numbers of the generation, as a fingerprint.
    pub settings: Value,
    /// Changes of it that were allowed on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// One chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its name without extension.
    pub name: String,
    /// Rows (sequences in 2D).
    pub rows: u64,
    /// Real tokens in all chunks up to this one.
    pub tokens: u64,
    /// Size of the file of tensors.
    pub bytes: u64,
    /// XXH3 of that file, 64 bits in hexadecimal.
    pub xxh3: String,
    /// XXH3 of the file of origins, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_xxh3: Option<String>,
}

/// The last line of a finished generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Complete {
    /// Chunks in all.
    pub chunks: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Cache(Header),
    Chunk(Entry),
    Complete(Complete),
}

/// An index as it stands on disk.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub header: Header,
    pub entries: Vec<Entry>,
    pub complete: bool,
}

/// Returns where the index of a folder (or of one shard of it) lies.
pub(super) fn path_of(folder: &Path, shard: Option<u32>) -> PathBuf {
    folder.join(name_of(shard))
}

/// Returns what the index of a folder (or of one shard of it) is called.
pub(super) fn name_of(shard: Option<u32>) -> String {
    match shard {
        Some(shard) => format!("shard-{shard}-index.jsonl"),
        None => "index.jsonl".into(),
    }
}

/// Says that a chunk is not what the index says of it.
pub(super) fn changed(path: &Path, what: &str) -> Error {
    Error::input(format!(
        "the chunk `{}` was changed after it was written: {what}",
        path.display()
    ))
    .hint("delete it and run the same generation again, which makes it anew; `saescript check` names every such chunk")
}

impl Index {
    /// Reads the index at `path`; `None` if there is none.
    ///
    /// # Errors
    /// A file that is no index, or one of a newer version.
    pub(super) fn read(path: &Path) -> Result<Option<Index>> {
        match files::read(path, INDEX_MOST) {
            Ok(bytes) => Index::parse(&bytes, path).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path, error)),
        }
    }

    /// Returns the first line of the index at `path`; `None` if there is none.
    ///
    /// # Errors
    /// As of [`Index::read`].
    pub(super) fn header(path: &Path) -> Result<Option<Header>> {
        let mut first = Vec::new();
        let read = files::open(path)
            .and_then(|file| BufReader::new(file.take(INDEX_MOST)).read_until(b'\n', &mut first));
        match read {
            Ok(_) => Index::parse(&first, path).map(|index| Some(index.header)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path, error)),
        }
    }

    /// Reads the index that `bytes` are, which messages call `path`. An index is never empty: it is put in its place
    /// with its first line.
    ///
    /// # Errors
    /// As of [`Index::read`].
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Index> {
        let damaged = |number: usize, what: &str| {
            Error::input(format!(
                "the index `{}`, line {number}, is damaged: {what}",
                path.display()
            ))
            .hint("generate the cache again, or delete the index to read the chunks unchecked")
        };
        // A line without its end was cut short while it was written.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines = bytes[..whole].split_inclusive(|byte| *byte == b'\n');
        let mut index: Option<Index> = None;
        let mut count = 0;
        for (number, bytes) in lines.enumerate() {
            let line: Line = serde_json::from_slice(bytes).map_err(|error| {
                damaged(
                    number + 1,
                    error.to_string().split(" at line").next().unwrap_or(""),
                )
            })?;
            match (line, &mut index) {
                (Line::Cache(header), None) => index = Some(Index::begin(header)),
                (Line::Chunk(entry), Some(index)) if !index.complete => index.entries.push(entry),
                (Line::Complete(end), Some(index)) if end.chunks == index.entries.len() as u64 => {
                    index.complete = true;
                }
                _ => return Err(damaged(number + 1, "it does not follow from the lines before")),
            }
            count = number + 1;
        }
        let is_cut = whole < bytes.len();
        match index {
            None if bytes.is_empty() => Err(damaged(1, "the file is empty")),
            None => Err(damaged(1, "it is cut short")),
            Some(index) if index.header.version > VERSION => Err(Error::input(format!(
                "`{}` was written by a newer version of this program",
                path.display()
            ))),
            Some(index) if index.complete && is_cut => {
                Err(damaged(count + 1, "it follows the end of the index"))
            }
            Some(index) => Ok(index),
        }
    }

    fn begin(header: Header) -> Index {
        Index {
            header,
            entries: Vec::new(),
            complete: false,
        }
    }
}

/// Appends to an index.
pub(super) struct IndexWriter {
    path: PathBuf,
    file: File,
}

impl IndexWriter {
    /// Writes a new index that holds `header` and `entries`, in place of what is there, and keeps it open.
    pub(super) fn start(path: &Path, header: &Header, entries: &[Entry]) -> Result<Self> {
        let mut text = line(&Line::Cache(header.clone()))?;
        for entry in entries {
            text.extend(line(&Line::Chunk(entry.clone()))?);
        }
        crate::atomic::write(path, &text)?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|file| policy::confirm(Access::Write, &file, path).map(|()| file))
            .map_err(|error| Error::io("write", path, error))?;
        Ok(IndexWriter {
            path: path.to_path_buf(),
            file,
        })
    }

    /// Adds a chunk that is on disk.
    pub(super) fn chunk(&mut self, entry: Entry) -> Result<()> {
        self.append(&Line::Chunk(entry))
    }

    /// Marks the index as complete.
    pub(super) fn complete(&mut self, chunks: u64) -> Result<()> {
        self.append(&Line::Complete(Complete { chunks }))
    }

    fn append(&mut self, item: &Line) -> Result<()> {
        let bytes = line(item)?;
        let written = files::require_still_at(&self.file, &self.path)
            .and_then(|()| self.file.write_all(&bytes))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::io("write", &self.path, error))
    }
}

fn line(item: &Line) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(item)
        .map_err(|error| Error::run(format!("cannot write the index of the cache: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}
