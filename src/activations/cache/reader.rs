//! A cache as a sequence of chunks that can be opened in any order.

use std::sync::{Arc, OnceLock};

use super::chunk::{ACTIVATION, Checked, Chunk, Rows};
use super::chunk_file::ChunkFile;
use super::fetching::Fetching;
use super::folder::ChunkFolder;
use super::form::Form;
use super::index::{self, Entry, Index};
use super::layout::{self, ChunkName};
use crate::activations::CachePath;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::transfer::{Progress, Trouble, pool};

/// Shards that a generation may have been cut into.
const MOST_SHARDS: u32 = 65_536;

/// A cache that is open for reading.
pub(in crate::activations) struct CacheReader {
    contents: Arc<Contents>,
    /// Fetches chunks, if some folder lies elsewhere.
    fetching: Option<Fetching>,
}

/// The folders of a cache and the chunks that all of them have.
pub(super) struct Contents {
    folders: Vec<HookFolder>,
    chunks: Vec<ChunkName>,
    /// For each chunk, what its check came to. A chunk from elsewhere is checked each time it is fetched.
    checks: Vec<Checked>,
    rows: Rows,
    /// What the chunk opened first looks like, and all others must.
    form: OnceLock<Form>,
}

/// The chunks of one hook point.
struct HookFolder {
    hook_point: String,
    folder: ChunkFolder,
    /// What the index says of each chunk of the cache; empty where there is no index.
    entries: Vec<Entry>,
}

impl CacheReader {
    /// Lists the chunks and reads the indices. `workers` threads fetch what lies elsewhere.
    ///
    /// # Errors
    /// Missing or empty folders, a cache that is still being written, chunks that are missing or that the index does
    /// not know, unequal numbers of chunks at different hook points.
    pub(super) fn open(
        path: &CachePath,
        hook_points: &[String],
        rows: Rows,
        workers: usize,
        context: &RunContext,
    ) -> Result<Self> {
        let opened = pool::one(context, |progress| {
            Ok(Contents::list(path, hook_points, rows.clone(), progress)?)
        });
        let contents = Arc::new(opened.map_err(local)?);
        let is_remote = contents.folders.iter().any(|folder| folder.folder.is_remote());
        let fetching = is_remote.then(|| Fetching::start(&contents, workers, context.clone()));
        Ok(CacheReader {
            fetching: fetching.transpose()?,
            contents,
        })
    }

    /// Returns the number of chunks.
    pub(super) fn len(&self) -> usize {
        self.contents.chunks.len()
    }

    /// Returns chunk number `number` of the sequence, mapped; waits if it has to be fetched.
    pub(super) fn chunk(&self, number: usize) -> Result<Arc<Chunk>> {
        match &self.fetching {
            Some(fetching) => fetching.take(number),
            None => self.contents.open(number, &Progress::default()).map(Arc::new),
        }
    }

    /// Has a chunk fetched that will be asked for soon, if it lies elsewhere.
    pub(super) fn order(&self, number: usize) {
        if let Some(fetching) = &self.fetching {
            fetching.order(number);
        }
    }

    /// Has the first of `numbers` fetched, so that at most `limit` chunks are under way.
    pub(super) fn order_ahead(&self, numbers: impl IntoIterator<Item = usize>, limit: usize) {
        if let Some(fetching) = &self.fetching {
            for number in numbers {
                if fetching.under_way() >= limit {
                    return;
                }
                fetching.order(number);
            }
        }
    }

    /// Returns whether chunks have to be fetched.
    pub(super) fn is_remote(&self) -> bool {
        self.fetching.is_some()
    }

    /// Rows of a chunk that can be had without waiting; `None` for one that is still on its way, or not ordered.
    pub(super) fn arrived_rows(&self, number: usize) -> Option<usize> {
        self.fetching.as_ref()?.arrived_rows(number)
    }

    /// Returns the length of the stored sequences, in 2D, by the first chunk.
    pub(super) fn length(&self, context: &RunContext) -> Result<Option<i64>> {
        if self.fetching.is_none() {
            return Ok(self.chunk(0)?.length());
        }
        let shape = pool::one(context, |progress| {
            let (folder, chunk) = (&self.contents.folders[0].folder, self.contents.chunks[0]);
            Ok(folder.shape(chunk, ACTIVATION, progress)?)
        });
        match shape.map_err(local)?.as_deref() {
            Some([_, length, _]) => Ok(Some(*length)),
            Some([_, _]) => Ok(None),
            // Opening it tells what is wrong with it, or fetches it whole where one end of it lies here.
            _ => Ok(self.chunk(0)?.length()),
        }
    }

    /// Returns where the first hook point's chunks lie, for messages.
    pub(super) fn folder(&self) -> String {
        let first = self.contents.folders.first();
        first.map(|folder| folder.folder.to_string()).unwrap_or_default()
    }
}

/// Returns the error of trouble on threads of its own, which has its words already.
pub(super) fn local(trouble: Trouble) -> Error {
    match trouble {
        Trouble::Local(error) => error,
        other => Error::run(format!("the cache cannot be opened: {other:?}")),
    }
}

impl Contents {
    fn list(path: &CachePath, hook_points: &[String], rows: Rows, progress: &Progress) -> Result<Self> {
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
        Ok(Contents {
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

/// Returns the chunks of a hook point and what its index says of each; `None` without an index.
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

/// Returns the entries of all indices in `folder`, or `None` where there are none.
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
