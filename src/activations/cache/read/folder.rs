//! Where one hook point's chunks lie: in a folder here, or in one of a web server or an object store.
//!
//! Files from elsewhere are fetched whole before they are mapped, so that everything behind this file is the same for
//! both.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::spool::Spool;
use crate::activations::cache::chunk_name::{self, ChunkName};
use crate::activations::cache::index::{self, Entry, INDEX_MOST};
use crate::checksums;
use crate::error::{Error, Result};
use crate::files;
use crate::store::{Listing, RemoteFolder};
use crate::tensor::safetensors::{self, Beginning, SafeFile};
use crate::transfer::Progress;

/// Chunks that a web server is asked for at the same time, where nothing says which there are.
const PROBES: u32 = 16;

/// Chunks, or shards, that are found by asking for one number after another at most.
const MOST_PROBED: u32 = 100_000;

/// How much of a file is fetched at first to see its header.
const BEGINNING: u64 = 4096;

/// The folder of one hook point.
#[derive(Clone)]
pub(super) enum ChunkFolder {
    /// Here.
    Local(PathBuf),
    /// Elsewhere.
    Remote {
        folder: RemoteFolder,
        /// What lies there; `None` where the server cannot tell.
        listing: Option<Arc<Listing>>,
    },
}

impl fmt::Display for ChunkFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChunkFolder::Local(path) => path.display().fmt(formatter),
            ChunkFolder::Remote { folder, .. } => folder.fmt(formatter),
        }
    }
}

impl ChunkFolder {
    /// Returns the folder `folder` elsewhere, which is listed where that is possible.
    pub(super) fn remote(folder: RemoteFolder, progress: &Progress) -> Result<Self> {
        let listing = folder.list(progress)?.map(Arc::new);
        Ok(ChunkFolder::Remote { folder, listing })
    }

    /// Returns whether every look at it takes a request.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self, ChunkFolder::Remote { .. })
    }

    /// Returns what messages call the file `name` in it.
    pub(super) fn name_of(&self, name: &str) -> PathBuf {
        match self {
            ChunkFolder::Local(path) => path.join(name),
            ChunkFolder::Remote { folder, .. } => folder.name_of(name),
        }
    }

    /// Its last part, which is the hook point's name.
    pub(super) fn last_part(&self) -> String {
        let name = self.to_string();
        let path = Path::new(&name);
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Returns the contents of a small file; `None` if there is none.
    pub(super) fn read(&self, name: &str, progress: &Progress) -> Result<Option<Vec<u8>>> {
        match self {
            ChunkFolder::Local(path) => {
                let path = path.join(name);
                match files::read(&path, INDEX_MOST) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(Error::io("read", &path, error)),
                }
            }
            ChunkFolder::Remote { listing, .. } if !may_have(listing.as_deref(), name) => Ok(None),
            ChunkFolder::Remote { folder, .. } => folder.read(name, progress),
        }
    }

    /// Returns whether there is an index of any shard.
    pub(super) fn has_any_index(&self, progress: &Progress) -> Result<bool> {
        let is_index = |name: &str| name.starts_with("shard-") && name.ends_with("-index.jsonl");
        match self {
            ChunkFolder::Local(path) => {
                let failed = |error| Error::io("read", path, error);
                for found in std::fs::read_dir(path).map_err(failed)? {
                    let name = found.map_err(failed)?.file_name();
                    if name.to_str().is_some_and(is_index) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            ChunkFolder::Remote {
                listing: Some(listing),
                ..
            } => Ok(listing.files.keys().any(|name| is_index(name))),
            // A web server does not tell what it has; a generation of several shards has at least a second.
            ChunkFolder::Remote { .. } => Ok(self.read(&index::name_of(Some(1)), progress)?.is_some()),
        }
    }

    /// Returns the chunks in it, in order. `entries` are those of its index, which tell what a web server cannot.
    ///
    /// # Errors
    /// A folder that is missing, cannot be read, or holds no chunk.
    pub(super) fn chunks(&self, entries: Option<&[Entry]>, progress: &Progress) -> Result<Vec<ChunkName>> {
        let (folder, listing) = match self {
            ChunkFolder::Local(path) => return chunk_name::chunks_in(path),
            ChunkFolder::Remote { folder, listing } => (folder, listing),
        };
        let mut chunks: Vec<ChunkName> = match (listing, entries) {
            (Some(listing), _) => {
                let stems = listing
                    .files
                    .keys()
                    .filter_map(|name| name.strip_suffix(".safetensors"));
                stems.filter_map(ChunkName::parse).collect()
            }
            (None, Some(entries)) => entries
                .iter()
                .filter_map(|entry| ChunkName::parse(&entry.name))
                .collect(),
            (None, None) => probed(folder, progress)?,
        };
        chunks.sort();
        if chunks.is_empty() {
            Err(chunk_name::no_chunks(&folder.to_string()))
        } else {
            Ok(chunks)
        }
    }

    /// Maps the tensors of a chunk, fetched first if it lies elsewhere.
    ///
    /// # Errors
    /// A file that is missing, cut short, or of another size than its index entry says.
    pub(super) fn tensors(
        &self,
        chunk: ChunkName,
        entry: Option<&Entry>,
        progress: &Progress,
    ) -> Result<SafeFile> {
        let folder = match self {
            ChunkFolder::Local(path) => return safetensors::read(chunk.tensors(path)),
            ChunkFolder::Remote { folder, .. } => folder,
        };
        let file = format!("{chunk}.safetensors");
        let fetched = || {
            let mut spool = Spool::new(folder.name_of(&file), entry.map(|entry| entry.bytes))?;
            if folder.fetch(&file, &mut spool, progress)? {
                Ok(spool)
            } else {
                Err(chunk_name::missing(chunk, &folder.to_string()))
            }
        };
        // Something on the way may have damaged it; what is wrong where it lies is wrong the second time too.
        let first = fetched()?;
        match entry {
            Some(entry) if checksums::of_bytes(&first.contents()?) != entry.xxh3 => fetched()?.map(),
            _ => first.map(),
        }
    }

    /// Returns the leading shape of a chunk that lies elsewhere, from the beginning of its file; `None` if that does
    /// not tell.
    pub(super) fn shape(
        &self,
        chunk: ChunkName,
        tensor: &str,
        progress: &Progress,
    ) -> Result<Option<Vec<i64>>> {
        let ChunkFolder::Remote { folder, .. } = self else {
            return Ok(None);
        };
        let file = format!("{chunk}.safetensors");
        let mut wanted = BEGINNING;
        loop {
            let Some(bytes) = folder.beginning(&file, wanted, progress)? else {
                return Err(chunk_name::missing(chunk, &folder.to_string()));
            };
            match safetensors::beginning(&bytes, tensor) {
                Beginning::Shape(shape) => return Ok(Some(shape)),
                Beginning::Needs(more) if more > wanted && bytes.len() as u64 == wanted => wanted = more,
                _ => return Ok(None),
            }
        }
    }
}

/// A file that a list does not have need not be asked for.
fn may_have(listing: Option<&Listing>, name: &str) -> bool {
    listing.is_none_or(|listing| listing.files.contains_key(name))
}

/// The chunks that a web server has, by asking for one number after another: a few at a time, up to the first that is
/// missing.
fn probed(folder: &RemoteFolder, progress: &Progress) -> Result<Vec<ChunkName>> {
    let alone = sequence(folder, None, progress)?;
    if !alone.is_empty() {
        return Ok(alone);
    }
    let mut all = Vec::new();
    for shard in 0..MOST_PROBED {
        let chunks = sequence(folder, Some(shard), progress)?;
        if chunks.is_empty() {
            break;
        }
        all.extend(chunks);
    }
    Ok(all)
}

/// A server that says yes to everything would be asked for one chunk after another without an end.
fn knows_what_it_lacks(folder: &RemoteFolder, progress: &Progress) -> Result<()> {
    if folder.has("no-such-chunk.safetensors", progress)? {
        Err(Error::input(format!(
            "`{folder}` claims to have any file, so its chunks cannot be told from what is not there"
        ))
        .hint("check the address; a log-in page or a single-page site may have answered"))
    } else {
        Ok(())
    }
}

fn sequence(folder: &RemoteFolder, shard: Option<u32>, progress: &Progress) -> Result<Vec<ChunkName>> {
    let has = |number: u32| {
        let name = ChunkName { shard, number };
        folder.has(&format!("{name}.safetensors"), progress)
    };
    let mut chunks = Vec::new();
    // One by one first: often there is none at all.
    let mut width = 1;
    loop {
        let start = chunks.len() as u32;
        let answers: Vec<Result<bool>> = thread::scope(|scope| {
            let asked: Vec<_> = (start..start + width)
                .map(|number| scope.spawn(move || has(number)))
                .collect();
            let ended = || Error::run("a thread that asks for chunks ended unexpectedly");
            asked
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(ended())))
                .collect()
        });
        let answers: Vec<bool> = answers.into_iter().collect::<Result<_>>()?;
        let whole = answers.iter().take_while(|there| **there).count() as u32;
        chunks.extend((start..start + whole).map(|number| ChunkName { shard, number }));
        if whole < width {
            return if answers[whole as usize..].contains(&true) {
                Err(chunk_name::missing(
                    ChunkName {
                        shard,
                        number: start + whole,
                    },
                    &folder.to_string(),
                ))
            } else {
                Ok(chunks)
            };
        }
        if width < PROBES {
            knows_what_it_lacks(folder, progress)?;
        }
        if chunks.len() as u32 >= MOST_PROBED {
            return Err(Error::input(format!(
                "`{folder}` has no index and more than {MOST_PROBED} chunks, which cannot be told without one"
            ))
            .hint("read it from an object store, or from a folder here"));
        }
        width = PROBES;
    }
}
