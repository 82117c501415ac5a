//! Which chunks a cache has at all of its hook points.

use std::sync::OnceLock;

use super::chunk::{Checked, Chunk, Rows};
use super::chunk_file::ChunkFile;
use super::folder::ChunkFolder;
use super::form::Form;
use super::layout;
use super::listed::listed;
use crate::activations::CachePath;
use crate::activations::cache::chunk_name::ChunkName;
use crate::activations::cache::index::Entry;
use crate::error::{Error, Result};
use crate::transfer::Progress;

/// The folders of a cache and the chunks that all of them have.
pub(super) struct ChunkList {
    pub folders: Vec<HookFolder>,
    pub chunks: Vec<ChunkName>,
    /// For each chunk, what its check came to. A chunk from elsewhere is checked each time it is fetched.
    checks: Vec<Checked>,
    rows: Rows,
    /// What the chunk opened first looks like, and all others must.
    form: OnceLock<Form>,
}

/// The chunks of one hook point.
pub(super) struct HookFolder {
    hook_point: String,
    pub folder: ChunkFolder,
    /// What the index says of each chunk of the cache; empty where there is no index.
    entries: Vec<Entry>,
}

impl ChunkList {
    pub(super) fn list(
        path: &CachePath,
        hook_points: &[String],
        rows: Rows,
        progress: &Progress,
    ) -> Result<Self> {
        let mut folders = Vec::new();
        let mut common: Option<Vec<ChunkName>> = None;
        for hook_point in hook_points {
            let folder = layout::folder_of(path, hook_point, progress)?;
            let (chunks, entries) = listed(&folder, progress)?;
            if entries.is_none() {
                progress.remark(format!(
                    "the cache `{folder}` has no index with checksums: its chunks are read unchecked"
                ));
            }
            if let Some(common) = &common {
                same_chunks(&folders, &folder, common, &chunks)?;
            }
            common.get_or_insert(chunks);
            folders.push(HookFolder {
                hook_point: hook_point.clone(),
                folder,
                entries: entries.unwrap_or_default(),
            });
        }
        let chunks = common.unwrap_or_default();
        Ok(ChunkList {
            folders,
            checks: chunks.iter().map(|_| Checked::default()).collect(),
            chunks,
            rows,
            form: OnceLock::new(),
        })
    }

    /// Maps chunk number `number` of the sequence, fetching what lies elsewhere.
    pub(super) fn open(&self, number: usize, progress: &Progress) -> Result<Chunk> {
        let name = self.chunks[number];
        let mut files = Vec::with_capacity(self.folders.len());
        for folder in &self.folders {
            files.push(ChunkFile::open(
                &folder.hook_point,
                &folder.folder,
                name,
                folder.entries.get(number),
                files.is_empty(),
                progress,
            )?);
        }
        let checked = if self.folders.iter().any(|folder| folder.folder.is_remote()) {
            Checked::default()
        } else {
            self.checks[number].clone()
        };
        let chunk = Chunk::open(files, &self.rows, checked)?;
        let form = Form::of(&chunk);
        self.form.get_or_init(|| form.clone()).fits(&form)?;
        Ok(chunk)
    }
}

fn same_chunks(
    first: &[HookFolder],
    folder: &ChunkFolder,
    common: &[ChunkName],
    chunks: &[ChunkName],
) -> Result<()> {
    if common == chunks {
        return Ok(());
    }
    let lacking = common.iter().find(|name| chunks.binary_search(name).is_err());
    let extra = chunks.iter().find(|name| common.binary_search(name).is_err());
    let other = first.first().map_or(folder, |first| &first.folder);
    let (name, has, lacks) = match (lacking, extra) {
        (Some(name), _) => (name, other, folder),
        (None, Some(name)) => (name, folder, other),
        (None, None) => return Ok(()),
    };
    Err(Error::input(format!(
        "the hook points of the cache have unequal chunks: `{has}` has {name}, `{lacks}` has not"
    )))
}
