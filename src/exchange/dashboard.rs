//! Dashboards of latents as SAEDashboard writes them for Neuronpedia: `batch-N.json`, 128 latents each.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::described::{Described, Feature};
use super::files::{self, Existing, failed};
use super::identity::SourceIdentity;
use crate::error::{Error, Result};
use crate::event::StopFlag;

/// Latents in a file.
pub(super) const BATCH: u32 = 128;

/// One file.
#[derive(Serialize)]
struct BatchFile<'a> {
    model_id: &'a str,
    layer: i64,
    sae_set: &'a str,
    sae_id_suffix: Option<&'a str>,
    features: Vec<Feature>,
}

/// Writes the dashboards of all latents to the folder `out`. Returns the files.
///
/// # Errors
/// A file is there already, or one of an earlier export would be taken for a part of this one; numbers that JSON has not;
/// a store without its tokens' texts; a damaged store; it cannot be written; `stop` was set.
pub fn export_dashboards(
    described: &Described<'_>,
    identity: &SourceIdentity,
    out: &Path,
    existing: Existing,
    stop: &StopFlag,
) -> Result<Vec<PathBuf>> {
    let batches = batches(described.latents());
    let paths: Vec<PathBuf> = (0..batches.len())
        .map(|number| out.join(format!("batch-{number}.json")))
        .collect();
    existing.admit(&paths)?;
    files::refuse_leftovers(out, ".json", &paths)?;
    files::all_or_none(&paths, existing, || {
        for (range, path) in batches.into_iter().zip(&paths) {
            if stop.is_set() {
                return Err(Error::interrupted("the export was stopped"));
            }
            write_batch(described, identity, range, path)?;
        }
        Ok(())
    })?;
    Ok(paths)
}

fn write_batch(
    described: &Described<'_>,
    identity: &SourceIdentity,
    latents: Range<u32>,
    path: &Path,
) -> Result<()> {
    let batch = BatchFile {
        model_id: &identity.model,
        layer: identity.layer,
        sae_set: &identity.set,
        sae_id_suffix: identity.suffix.as_deref(),
        features: latents
            .map(|latent| described.feature(latent))
            .collect::<Result<_>>()?,
    };
    files::write(path, |file| {
        serde_json::to_writer(&mut *file, &batch)
            .map_err(|error| Error::run(format!("cannot write `{}`: {error}", path.display())))?;
        file.write_all(b"\n").map_err(failed(path))
    })
}

/// Returns the latents of each file.
pub(super) fn batches(latents: u32) -> Vec<Range<u32>> {
    let starts = (0..latents).step_by(BATCH as usize);
    starts.map(|start| start..latents.min(start + BATCH)).collect()
}
