//! Where an interrupted generation goes on: the stream's state, saved now and then beside the chunks.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::activations::{Batch, BatchStream, saved_rows};
use crate::error::{Error, Result};
use crate::files::{self, SETTINGS_MOST};
use crate::tensor::Device;
use crate::{atomic, checksums};

/// How far a generation has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// Chunks cut from the stream.
    pub chunks: u64,
    /// Tokens in them.
    pub tokens: u64,
    /// Rows that were taken from the stream and wait for their chunk to fill up.
    pub waiting: usize,
}

const PROGRESS_FILE: &str = "progress.json";
const WAITING_FILE: &str = "waiting.safetensors";

/// The folder of the saved state.
pub(super) struct ResumePoint {
    folder: PathBuf,
}

impl ResumePoint {
    pub(super) fn new(root: &Path, shard: Option<u32>) -> Self {
        let name = match shard {
            Some(shard) => format!(".resume-shard-{shard}"),
            None => ".resume".into(),
        };
        ResumePoint {
            folder: root.join(name),
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// Brings `stream` to the saved place and says where that is, with the rows that waited there. Without a saved
    /// state, or if chunks from before it are missing, the stream stays at its start.
    pub(super) fn take_up(
        &self,
        kept: u64,
        stream: &mut dyn BatchStream,
    ) -> Result<(Reached, Option<Batch>)> {
        for folder in [self.folder.clone(), self.beside("-old")] {
            let Some(progress) = read_progress(&folder)?.filter(|progress| progress.chunks <= kept) else {
                continue;
            };
            let again = |error: Error| {
                error.hint(format!(
                    "delete `{}` to generate from the beginning",
                    folder.display()
                ))
            };
            checksums::check_all(&folder).map_err(again)?;
            let waiting = match progress.waiting {
                0 => None,
                rows => Some(saved_rows::read(&folder.join(WAITING_FILE), rows, Device::Cpu).map_err(again)?),
            };
            stream.restore_state(&folder).map_err(again)?;
            return Ok((progress, waiting));
        }
        Ok((Reached::default(), None))
    }

    /// Saves the stream's state in place of the one before. Streams that cannot be resumed are left alone.
    pub(super) fn save(
        &self,
        progress: Reached,
        waiting: Option<&Batch>,
        stream: &mut dyn BatchStream,
    ) -> Result<()> {
        if !stream.is_resumable() {
            return Ok(());
        }
        let (new, old) = (self.beside("-new"), self.beside("-old"));
        remove(&new)?;
        fs::create_dir_all(&new).map_err(|error| Error::io("create", &new, error))?;
        stream.save_state(&new)?;
        if let Some(rows) = waiting {
            saved_rows::write(&new.join(WAITING_FILE), rows, None)?;
        }
        let text = serde_json::to_vec(&progress)
            .map_err(|error| Error::run(format!("cannot write how far the generation has got: {error}")))?;
        atomic::write(new.join(PROGRESS_FILE), text)?;
        checksums::record_rest(&new)?;
        remove(&old)?;
        let rename =
            |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| Error::io("rename", from, error));
        if self.folder.exists() {
            rename(&self.folder, &old)?;
        }
        rename(&new, &self.folder)?;
        remove(&old)
    }

    /// Removes the saved state, once the generation is complete.
    pub(super) fn remove(&self) -> Result<()> {
        [self.folder.clone(), self.beside("-new"), self.beside("-old")]
            .iter()
            .try_for_each(|folder| remove(folder))
    }
}

fn read_progress(folder: &Path) -> Result<Option<Reached>> {
    let path = folder.join(PROGRESS_FILE);
    match files::read(&path, SETTINGS_MOST) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Error::input(format!("`{}` is damaged: {error}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path, error)),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream whose state cannot be written.
    struct Unwritable {
        is_resumable: bool,
    }

    impl BatchStream for Unwritable {
        fn next_batch(&mut self) -> Result<Option<Batch>> {
            Ok(None)
        }

        fn is_resumable(&self) -> bool {
            self.is_resumable
        }

        fn save_state(&mut self, folder: &Path) -> Result<()> {
            let denied = std::io::ErrorKind::PermissionDenied.into();
            Err(Error::io("write", folder, denied))
        }
    }

    #[test]
    fn a_state_that_cannot_be_written_is_an_error_and_one_that_cannot_be_is_none() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let saved = |is_resumable| {
            ResumePoint::new(root.path(), None).save(
                Reached::default(),
                None,
                &mut Unwritable { is_resumable },
            )
        };
        let error = saved(true).expect_err("nothing was saved").to_string();
        assert!(error.contains("permission denied"), "{error}");
        saved(false).expect("left alone");
    }
}
