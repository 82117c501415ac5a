//! Where an analysis stands, kept in its store, so that one that was broken off goes on with equal results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::pack::broken;
use crate::activations::BatchStream;
use crate::error::{Error, Result};
use crate::findings::Store;

/// Saving takes at most one part in so many of the time.
const PART_OF_TIME: u32 = 20;

/// Names of parts: what the first pass found, once it is done; and what the pass under way has.
const FOUND: &str = "found/";
const UNDER_WAY: &str = "way/";

const POSITION: &str = "position";
const STREAM: &str = "stream/";

/// How far the passes over the stream are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Whether the first pass is done.
    pub(super) counted_all: bool,
    /// Latents that are looked at in one pass after the first; 0 before that is known.
    pub(super) at_a_time: u32,
    /// The first latent of the band under way.
    pub(super) first: u32,
    /// Contexts, positions and counted positions that the pass under way has read.
    pub(super) contexts: u32,
    pub(super) tokens: u64,
    pub(super) counted: u64,
    /// The stream ended before all tokens that were wanted.
    pub(super) ended_early: bool,
    /// Whether all that the stream tells is written.
    #[serde(default)]
    pub(super) written: bool,
}

/// Parts of what is kept, by name.
pub(super) type Parts = BTreeMap<String, Vec<u8>>;

/// Keeps where an analysis stands.
pub(super) struct Keeper<'a> {
    pub(super) store: &'a Store,
    pub(super) analysis: i64,
    every: Duration,
    last: Instant,
    cost: Duration,
}

impl<'a> Keeper<'a> {
    /// Returns a keeper that keeps every so many seconds.
    pub(super) fn new(store: &'a Store, analysis: i64, every: f64) -> Self {
        Keeper {
            store,
            analysis,
            every: Duration::try_from_secs_f64(every).unwrap_or(Duration::MAX),
            last: Instant::now(),
            cost: Duration::ZERO,
        }
    }

    /// Returns whether it is time to keep again: often enough to lose little, seldom enough to cost little.
    pub(super) fn is_due(&self) -> bool {
        let wait = match self.every {
            Duration::ZERO => Duration::ZERO,
            every => every.max(self.cost * PART_OF_TIME),
        };
        self.last.elapsed() >= wait
    }

    /// Keeps where the pass under way is, `parts` being what it has and `stream` where that is. A stream that cannot say
    /// is read from its beginning again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(super) fn keep(
        &mut self,
        position: &Position,
        parts: Parts,
        stream: &mut dyn BatchStream,
    ) -> Result<()> {
        if !stream.is_resumable() {
            return Ok(());
        }
        let start = Instant::now();
        let mut all: Vec<(String, Vec<u8>)> = parts.into_iter().collect();
        all.push((POSITION.into(), written(position)?));
        all.extend(state_of(stream)?);
        self.store
            .transaction(|| self.store.keep_progress(self.analysis, UNDER_WAY, &all))?;
        (self.last, self.cost) = (Instant::now(), start.elapsed());
        Ok(())
    }

    /// Keeps what the first pass found, and that the first band is next.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(super) fn keep_found(&self, position: &Position, parts: Parts) -> Result<()> {
        let parts: Vec<(String, Vec<u8>)> = parts.into_iter().collect();
        self.store.transaction(|| {
            self.store.keep_progress(self.analysis, FOUND, &parts)?;
            self.next(position)
        })
    }

    /// Says, within a transaction, that a pass begins.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(super) fn next(&self, position: &Position) -> Result<()> {
        let position = [(POSITION.to_string(), written(position)?)];
        self.store.keep_progress(self.analysis, UNDER_WAY, &position)
    }

    /// Returns where the analysis stands, and what the pass under way has; at the beginning, where nothing was kept.
    ///
    /// # Errors
    /// A damaged store.
    pub(super) fn position(&self) -> Result<(Position, Parts)> {
        let mut parts = self.store.progress(self.analysis, UNDER_WAY)?;
        match parts.remove(POSITION) {
            Some(bytes) => {
                let position = serde_json::from_slice(&bytes).map_err(|_| broken())?;
                Ok((position, parts))
            }
            None => Ok((Position::default(), Parts::new())),
        }
    }

    /// Returns what the first pass found.
    ///
    /// # Errors
    /// A damaged store.
    pub(super) fn found(&self) -> Result<Parts> {
        self.store.progress(self.analysis, FOUND)
    }
}

fn written(position: &Position) -> Result<Vec<u8>> {
    serde_json::to_vec(position)
        .map_err(|error| Error::run(format!("cannot write where the analysis stands: {error}")))
}

/// Returns the files with which `stream` goes on here.
fn state_of(stream: &mut dyn BatchStream) -> Result<Parts> {
    let folder = temporary()?;
    stream.save_state(folder.path())?;
    let mut parts = Parts::new();
    gather(folder.path(), STREAM, &mut parts)?;
    Ok(parts)
}

/// Reads the files in `folder` and the folders in it, under their paths after `prefix`.
fn gather(folder: &Path, prefix: &str, parts: &mut Parts) -> Result<()> {
    let failed = |error| Error::io("read", folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            gather(&path, &format!("{name}/"), parts)?;
        } else {
            let bytes = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
            parts.insert(name, bytes);
        }
    }
    Ok(())
}

/// Has `stream`, which gave nothing yet, go on where `parts` say; returns whether they say anything.
///
/// # Errors
/// Another stream was kept.
pub(super) fn restore(stream: &mut dyn BatchStream, parts: &Parts) -> Result<bool> {
    let folder = temporary()?;
    let mut any = false;
    for (name, bytes) in parts {
        if let Some(name) = name.strip_prefix(STREAM) {
            let inside = |part| matches!(part, Component::Normal(_));
            if !Path::new(name).components().all(inside) {
                return Err(broken());
            }
            let path = folder.path().join(name);
            let parent = path.parent().unwrap_or(folder.path());
            fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
            fs::write(&path, bytes).map_err(|error| Error::io("write", &path, error))?;
            any = true;
        }
    }
    if any {
        stream.restore_state(folder.path())?;
    }
    Ok(any)
}

fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|error| Error::io("create a folder in", std::env::temp_dir(), error))
}
