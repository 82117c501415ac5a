//! What decides the records of a data set: what its files hold, and what was chosen of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::cell::{self, Row};
use super::data_file::DataFile;
use super::dataset::{Dataset, Source};
use crate::config::Value;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::identity;

/// Records in memory are told by their contents up to so many bytes.
const LARGEST_IN_MEMORY: usize = 64 << 20;

impl Dataset {
    /// Returns what decides its records and their order: `split`, `text_column` and others as settings have them,
    /// `files` (or `records`, of those that a script made) for what they hold, and `steps` for what was done with it
    /// since.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprint = Fingerprint::default();
        fingerprint.set("text_column", self.text_column().into());
        for (key, value) in self.reading() {
            fingerprint.set(*key, value.clone());
        }
        let (mut steps, mut split, mut at) = (Vec::new(), None, self.clone());
        loop {
            // What comes before is how the split was found.
            split = split.or_else(|| at.split().map(str::to_string));
            let below = match at.source() {
                Source::Chosen(of, order) => {
                    if split.is_none() {
                        steps.insert(0, Value::from(order.described()));
                    }
                    of.clone()
                }
                Source::Files(files) => {
                    fingerprint.set("files", of_files(files)?.into());
                    break;
                }
                Source::Memory(rows) => {
                    match in_memory(rows) {
                        Some(records) => fingerprint.set("records", records.into()),
                        None => fingerprint.set_unverified("records", "many records that are in memory"),
                    }
                    break;
                }
            };
            at = below;
        }
        if let Some(split) = split {
            fingerprint.set("split", split.into());
        }
        if !steps.is_empty() {
            fingerprint.set("steps", steps.into());
        }
        Ok(fingerprint)
    }
}

/// What the files hold; those of the hub by their commit and names, without fetching them.
fn of_files(files: &[Arc<DataFile>]) -> Result<String> {
    let on_hub: Option<Vec<(String, &str)>> = files.iter().map(|file| file.on_hub_at()).collect();
    if let Some(named) = on_hub
        && let Some((repository, _)) = named.first()
    {
        let names: Vec<&str> = named.iter().map(|(_, name)| *name).collect();
        let digest = identity::of_text(&names.join("\n"));
        return Ok(format!("{} files of {repository}, names {digest}", names.len()));
    }
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|file| file.path().map(|path| path.to_path_buf()))
        .collect::<Result<_>>()?;
    identity::of_data(&paths)
}

/// The contents of `rows`; `None` if they are too many to look at.
fn in_memory(rows: &[Row]) -> Option<String> {
    let mut text = Vec::new();
    for row in rows {
        cell::write_row(row, &mut text).ok()?;
        text.push(b'\n');
        if text.len() > LARGEST_IN_MEMORY {
            return None;
        }
    }
    Some(format!("{} records, {}", rows.len(), identity::content(&text)))
}
