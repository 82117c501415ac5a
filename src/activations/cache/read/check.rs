//! Reads every chunk of a cache and names what is wrong with any of them.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, unbounded};

use super::chunk::{Checked, Chunk, Rows};
use super::chunk_file::ChunkFile;
use super::folder::ChunkFolder;
use super::form::Form;
use super::listed;
use crate::activations::cache::chunk_name::{self, ChunkName};
use crate::activations::cache::index::Entry;
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};
use crate::policy;
use crate::store::{RemoteFolder, is_remote};
use crate::transfer::{Progress, Trouble, pool};

/// Chunks that are checked at the same time.
const THREADS: usize = 4;

/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(50);

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct CacheReport {
    /// The hook points that the cache has.
    pub hook_points: Vec<String>,
    /// Chunks of each hook point.
    pub chunks: u64,
    /// Rows (sequences in 2D) in all whole chunks.
    pub rows: u64,
    /// Could every chunk be compared with checksums? Caches of other programs have none.
    pub has_checksums: bool,
    /// Everything that is wrong.
    pub problems: Vec<Error>,
}

struct HookFolder {
    name: String,
    folder: ChunkFolder,
    chunks: Vec<ChunkName>,
    entries: Vec<Entry>,
}

impl HookFolder {
    fn entry(&self, chunk: ChunkName) -> Option<&Entry> {
        self.entries.get(self.position(chunk)?)
    }

    fn position(&self, chunk: ChunkName) -> Option<usize> {
        let name = chunk.to_string();
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// Refuses a number of tokens up to `chunk` that is not `tokens` more than up to the one before, as the index of
    /// one shard counts them.
    fn check_tokens(&self, chunk: ChunkName, tokens: u64) -> Result<()> {
        let Some(at) = self.position(chunk) else {
            return Ok(());
        };
        let before = at.checked_sub(1).filter(|before| {
            let name = ChunkName::parse(&self.entries[*before].name);
            name.is_some_and(|name| name.shard == chunk.shard)
        });
        let before = before.map_or(0, |before| self.entries[before].tokens);
        if self.entries[at].tokens == before.saturating_add(tokens) {
            Ok(())
        } else {
            Err(Error::input(format!(
                "the chunk {chunk} at the hook point `{}` has {tokens} tokens, and its index says {} up to it after {before}",
                self.name, self.entries[at].tokens
            )))
        }
    }
}

/// Returns whether `location` is a cache, or one hook point's part of it. What lies elsewhere is taken for one.
pub fn is_cache(location: &Path) -> bool {
    location.to_str().is_some_and(is_remote)
        || (location.is_dir() && local_folders(location).is_ok_and(|folders| !folders.is_empty()))
}

/// Checks the cache `location`, a folder or the address of one, which holds hook points' folders or is one of them.
///
/// # Errors
/// A folder that cannot be read or is no cache. What is wrong with a cache stands in the report.
pub fn check_cache(location: &Path, context: &RunContext) -> Result<CacheReport> {
    let opened = pool::one(context, |progress| Ok(list(location, progress)?));
    let (folders, mut report) = opened.map_err(|trouble| match trouble {
        Trouble::Local(error) => error,
        other => Error::run(format!("the cache cannot be opened: {other:?}")),
    })?;
    check_chunks(&folders, &mut report, context)?;
    Ok(report)
}

/// The folders of the hook points, and what is wrong with their indices.
fn list(location: &Path, progress: &Progress) -> Result<(Vec<HookFolder>, CacheReport)> {
    let folders = match location.to_str().filter(|text| is_remote(text)) {
        Some(address) => remote_folders(address, progress)?,
        None => local_folders(location)?,
    };
    if folders.is_empty() {
        return Err(
            Error::input(format!("`{}` is no cache of activations", location.display())).hint(
                "expected folders named after hook points, with files such as chunk-00000000.safetensors",
            ),
        );
    }
    let mut report = CacheReport {
        has_checksums: true,
        ..CacheReport::default()
    };
    let mut found = Vec::new();
    for folder in folders {
        let name = folder.last_part();
        report.hook_points.push(name.clone());
        let (chunks, entries) = match listed::listed(&folder, progress) {
            Ok(listed) => listed,
            Err(error) => {
                report.problems.push(error);
                // The chunks are read all the same, if the folder has any.
                (folder.chunks(None, progress).unwrap_or_default(), None)
            }
        };
        report.has_checksums &= entries.is_some();
        found.push(HookFolder {
            name,
            folder,
            chunks,
            entries: entries.unwrap_or_default(),
        });
    }
    Ok((found, report))
}

fn check_chunks(folders: &[HookFolder], report: &mut CacheReport, context: &RunContext) -> Result<()> {
    let mut names: Vec<ChunkName> = folders
        .iter()
        .flat_map(|folder| folder.chunks.iter().copied())
        .collect();
    names.sort();
    names.dedup();
    report.chunks = names.len() as u64;
    context.events.emit(Event::TaskStarted {
        title: "checking".into(),
        unit: "chunks",
        total: Some(names.len() as u64),
    })?;
    let checked = check_all(folders, &names, context)?;
    let mut usual: Option<Form> = None;
    for chunk in checked {
        report.rows += chunk.rows;
        report.problems.extend(chunk.problems);
        if let Some(form) = chunk.form {
            report
                .problems
                .extend(usual.get_or_insert_with(|| form.clone()).fits(&form).err());
        }
    }
    context.events.emit(Event::TaskFinished).map(drop)
}

/// Checks the chunks on several threads.
fn check_all(folders: &[HookFolder], names: &[ChunkName], context: &RunContext) -> Result<Vec<OneChunk>> {
    let mut checked: Vec<OneChunk> = names.iter().map(|_| OneChunk::default()).collect();
    let (next, progress) = (AtomicUsize::new(0), Progress::default());
    let (sender, receiver) = unbounded();
    let outcome = thread::scope(|scope| {
        for _ in 0..THREADS.min(names.len()) {
            let (sender, next, progress) = (sender.clone(), &next, &progress);
            scope.spawn(policy::carried(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = names.get(index).filter(|_| progress.check().is_ok()) else {
                        return;
                    };
                    // Nobody listens any more after an interrupt.
                    let _ = sender.send((index, check_chunk(folders, *name, progress)));
                }
            }));
        }
        drop(sender);
        let mut done = 0;
        let outcome = loop {
            match receiver.recv_timeout(TICK) {
                Ok((index, chunk)) => {
                    checked[index] = chunk;
                    done += 1;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
            }
            if let Err(error) = tell(done, &progress, context) {
                break Err(error);
            }
        };
        progress.cancel();
        outcome
    });
    outcome.map(|()| checked)
}

fn tell(done: u64, progress: &Progress, context: &RunContext) -> Result<()> {
    for remark in progress.take_remarks() {
        context.events.note(remark)?;
    }
    context.events.emit(Event::TaskAdvanced {
        done,
        shown: Vec::new(),
    })?;
    context.check("checking the cache")
}

/// What the check of one chunk came to.
#[derive(Default)]
struct OneChunk {
    rows: u64,
    form: Option<Form>,
    problems: Vec<Error>,
}

/// Reads a chunk at all hook points and compares it with the index and between them.
fn check_chunk(folders: &[HookFolder], name: ChunkName, progress: &Progress) -> OneChunk {
    let mut found = OneChunk::default();
    let (holders, others): (Vec<&HookFolder>, Vec<&HookFolder>) =
        folders.iter().partition(|folder| folder.chunks.contains(&name));
    found.problems.extend(others.iter().map(|folder| {
        Error::input(format!(
            "the hook point `{}` lacks {name}, which others have",
            folder.name
        ))
    }));
    let before = found.problems.len();
    let mut files = Vec::new();
    for holder in &holders {
        let entry = holder.entry(name);
        match ChunkFile::open(&holder.name, &holder.folder, name, entry, true, progress) {
            Ok(file) => files.push(file),
            Err(error) => found.problems.push(error),
        }
    }
    let mut together = None;
    if found.problems.len() == before {
        match opened(files.clone()) {
            Ok(chunk) => {
                found.rows = chunk.rows() as u64;
                found.form = Some(Form::of(&chunk));
                for holder in &holders {
                    let checked = chunk
                        .counted()
                        .and_then(|tokens| holder.check_tokens(name, tokens));
                    found.problems.extend(checked.err());
                }
                return found;
            }
            Err(error) => together = Some(error),
        }
    }
    // Which of the hook points' files is it?
    let alone: Vec<Error> = files
        .into_iter()
        .filter_map(|file| opened(vec![file]).err())
        .collect();
    if alone.is_empty() {
        found.problems.extend(together)
    } else {
        found.problems.extend(alone)
    }
    found
}

/// A chunk after comparing it with the index and between hook points.
fn opened(files: Vec<ChunkFile>) -> Result<Chunk> {
    let chunk = Chunk::open(files, &Rows::Stored, Checked::default())?;
    chunk.check()?;
    Ok(chunk)
}

/// The folders with chunks: `folder` itself, or those in it.
fn local_folders(folder: &Path) -> Result<Vec<ChunkFolder>> {
    if chunk_name::chunks_in(folder).is_ok() {
        return Ok(vec![ChunkFolder::Local(folder.to_path_buf())]);
    }
    let names = chunk_name::sub_folders(folder)?;
    let paths = names.into_iter().map(|name| folder.join(name));
    Ok(paths
        .filter(|path| chunk_name::chunks_in(path).is_ok())
        .map(ChunkFolder::Local)
        .collect())
}

/// The same elsewhere. A web server's folders are known if its own page about the cache has links to them.
fn remote_folders(address: &str, progress: &Progress) -> Result<Vec<ChunkFolder>> {
    let root = RemoteFolder::open(address)?;
    let itself = ChunkFolder::remote(root.clone(), progress)?;
    if listed::listed(&itself, progress).is_ok() {
        return Ok(vec![itself]);
    }
    let names = match root.list(progress)? {
        Some(listing) => listing.folders,
        None => root.linked_folders(progress)?,
    };
    let mut folders = Vec::new();
    for name in names {
        let folder = ChunkFolder::remote(root.below(&name), progress)?;
        // A folder with an index is a cache, whatever is wrong with it.
        let listed = listed::listed(&folder, progress);
        if listed.is_ok() || folder.read("index.jsonl", progress)?.is_some() {
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        Err(nothing_found(
            &root,
            matches!(itself, ChunkFolder::Remote { listing: None, .. }),
        ))
    } else {
        Ok(folders)
    }
}

fn nothing_found(root: &RemoteFolder, is_blind: bool) -> Error {
    let error = Error::input(format!("no cache of activations is found at `{root}`"));
    if is_blind {
        error.hint(
        "a web server does not tell which folders it has: give the address of a hook point's folder, e.g. \
         https://host/cache/blocks.0.hook_resid_post",
    )
    } else {
        error.hint("expected folders named after hook points, with files such as chunk-00000000.safetensors")
    }
}
