//! The file of one hook point in a chunk, with the origins beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::ChunkFolder;
use crate::activations::cache::chunk_name::ChunkName;
use crate::activations::cache::index::{self, Entry, INDEX_MOST};
use crate::activations::cache::tensor_names::ACTIVATION;
use crate::checksums;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::files;
use crate::tensor::safetensors::SafeFile;
use crate::transfer::Progress;

/// One hook point's file of a chunk.
#[derive(Clone)]
pub(super) struct ChunkFile {
    pub hook_point: String,
    pub file: Arc<SafeFile>,
    origins: Origins,
    pub entry: Option<Entry>,
}

/// The file of origins beside a chunk's file.
#[derive(Clone)]
enum Origins {
    /// Here, read when it is needed.
    Here(PathBuf),
    /// Fetched and compared with the index.
    Fetched(Option<Arc<Vec<Value>>>),
}

impl ChunkFile {
    /// Maps the file of the chunk `name` in `folder`. From elsewhere it is fetched first, with its origins; of these
    /// only the first hook point's are of use if there is no index to compare the others with.
    ///
    /// # Errors
    /// A file that is missing or cut short; origins that are not those of the index.
    pub(super) fn open(
        hook_point: &str,
        folder: &ChunkFolder,
        name: ChunkName,
        entry: Option<&Entry>,
        is_first: bool,
        progress: &Progress,
    ) -> Result<Self> {
        let file = folder.tensors(name, entry, progress)?;
        let meta = format!("{name}.meta.json");
        let path = folder.name_of(&meta);
        let has_sequences = file.shape(ACTIVATION).is_some_and(|shape| shape.len() == 3);
        let origins = match (folder.is_remote(), entry) {
            (false, _) => Origins::Here(path),
            (true, None) if !is_first || !has_sequences => Origins::Fetched(None),
            (true, Some(entry)) if entry.meta_xxh3.is_none() => Origins::Fetched(None),
            (true, entry) => {
                let parsed = parse_meta(folder.read(&meta, progress)?, &path, entry)?;
                Origins::Fetched(parsed.filter(|_| is_first).map(Arc::new))
            }
        };
        Ok(ChunkFile {
            hook_point: hook_point.to_string(),
            file: Arc::new(file),
            origins,
            entry: entry.cloned(),
        })
    }

    /// Returns the origins of its rows, where there are any.
    pub(super) fn origins(&self) -> Result<Option<Arc<Vec<Value>>>> {
        match &self.origins {
            Origins::Here(path) => Ok(read_meta(path, self.entry.as_ref())?.map(Arc::new)),
            Origins::Fetched(origins) => Ok(origins.clone()),
        }
    }

    /// Compares the file and its origins with what the index says.
    pub(super) fn compare(&self, entry: &Entry) -> Result<()> {
        let bytes = self.file.contents();
        if bytes.len() as u64 != entry.bytes {
            let what = format!("it has {} bytes, and had {}", bytes.len(), entry.bytes);
            return Err(index::changed(self.file.path(), &what));
        }
        let sum = checksums::of_bytes(bytes);
        self.file.require_whole()?;
        if sum == entry.xxh3 {
            self.origins().map(drop)
        } else {
            Err(index::changed(self.file.path(), "its checksum differs"))
        }
    }
}

/// The origins beside a chunk, compared with the index where there is one.
fn read_meta(path: &Path, entry: Option<&Entry>) -> Result<Option<Vec<Value>>> {
    let bytes = match files::read(path, INDEX_MOST) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io("read", path, error)),
    };
    parse_meta(bytes, path, entry)
}

/// Origins from the contents of their file, which messages call `path`.
fn parse_meta(bytes: Option<Vec<u8>>, path: &Path, entry: Option<&Entry>) -> Result<Option<Vec<Value>>> {
    let sum = bytes.as_ref().map(|bytes| checksums::of_bytes(bytes));
    if entry.is_some_and(|entry| entry.meta_xxh3 != sum) {
        return Err(Error::input(format!(
            "the origins of rows in `{}` were changed or removed after they were written",
            path.display()
        ))
        .hint("generate the cache again; `saescript check` names every such file"));
    }
    let parsed = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
    parsed.map_err(|error| Error::input(format!("`{}` is no list of origins: {error}", path.display())))
}
