//! Reads every chunk of a cache and names what is wrong with any of them.

use std::path::{Path, PathBuf};

use super::chunk::{Checked, Chunk, Rows};
use super::index::Entry;
use super::layout::{self, ChunkName};
use super::reader;
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};

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
    path: PathBuf,
    chunks: Vec<ChunkName>,
    entries: Vec<Entry>,
}

impl HookFolder {
    fn entry(&self, chunk: ChunkName) -> Option<&Entry> {
        let name = chunk.to_string();
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// Is `folder` a cache, or one hook point's part of it?
pub fn is_cache(folder: &Path) -> bool {
    folder.is_dir() && hook_folders(folder).is_ok_and(|folders| !folders.is_empty())
}

/// Checks the cache `folder`, which holds hook points' folders or is one of them.
///
/// # Errors
/// A folder that cannot be read or is no cache. What is wrong with a cache stands in the report.
pub fn check_cache(folder: &Path, context: &RunContext) -> Result<CacheReport> {
    let paths = hook_folders(folder)?;
    if paths.is_empty() {
        return Err(
            Error::input(format!("`{}` is no cache of activations", folder.display())).hint(
                "expected folders named after hook points, with files such as chunk-00000000.safetensors",
            ),
        );
    }
    let mut report = CacheReport {
        has_checksums: true,
        ..CacheReport::default()
    };
    let mut folders = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        report.hook_points.push(name.clone());
        let chunks = layout::chunks_in(&path)?;
        let entries = match reader::indexed(&path).and_then(|found| match found {
            Some(entries) => reader::match_up(&path, &chunks, entries).map(Some),
            None => Ok(None),
        }) {
            Ok(found) => found,
            Err(error) => {
                report.problems.push(error);
                None
            }
        };
        report.has_checksums &= entries.is_some();
        folders.push(HookFolder {
            name,
            path,
            chunks,
            entries: entries.unwrap_or_default(),
        });
    }
    check_chunks(&folders, &mut report, context)?;
    Ok(report)
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
    for (done, name) in (1u64..).zip(names) {
        context.check("checking the cache")?;
        for folder in folders.iter().filter(|folder| !folder.chunks.contains(&name)) {
            report.problems.push(Error::input(format!(
                "the hook point `{}` lacks {name}, which others have",
                folder.name
            )));
        }
        let holders: Vec<&HookFolder> = folders
            .iter()
            .filter(|folder| folder.chunks.contains(&name))
            .collect();
        match rows_of(&holders, name) {
            Ok(rows) => report.rows += rows,
            Err(error) => {
                // Which of the hook points' files is it?
                let alone = holders.iter().filter_map(|folder| rows_of(&[folder], name).err());
                let before = report.problems.len();
                report.problems.extend(alone);
                if report.problems.len() == before {
                    report.problems.push(error);
                }
            }
        }
        context.events.emit(Event::TaskAdvanced {
            done,
            shown: Vec::new(),
        })?;
    }
    context.events.emit(Event::TaskFinished).map(drop)
}

/// Rows of a chunk, after comparing it with the index and between hook points.
fn rows_of(folders: &[&HookFolder], name: ChunkName) -> Result<u64> {
    let files: Vec<(&str, &Path, Option<&Entry>)> = folders
        .iter()
        .map(|folder| (folder.name.as_str(), folder.path.as_path(), folder.entry(name)))
        .collect();
    let chunk = Chunk::open(name, &files, &Rows::Stored, Checked::default())?;
    chunk.check()?;
    Ok(chunk.rows() as u64)
}

/// The folders with chunks: `folder` itself, or those in it.
fn hook_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    if layout::chunks_in(folder).is_ok() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let names = layout::sub_folders(folder)?;
    let paths = names.into_iter().map(|name| folder.join(name));
    Ok(paths.filter(|path| layout::chunks_in(path).is_ok()).collect())
}
