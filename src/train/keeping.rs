//! Which checkpoints stay, and how much of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{STATE_FILE, list_checkpoints, read_state};
use super::config::TrainerConfig;
use crate::checksums;
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// Removes the checkpoints that the configuration does not ask to keep, and from older ones what only going on needs.
pub(super) fn prune(cfg: &TrainerConfig, folder: &Path) -> Result<()> {
    if let Some(last) = cfg.keep_last_checkpoints {
        remove_all_but(last, cfg.keep_best_checkpoints.unwrap_or(0), folder)?;
    }
    for (_, path) in older_than_newest(folder, cfg.resumable_checkpoints) {
        keep_dictionary(&path)?;
    }
    Ok(())
}

/// Returns all checkpoints but the `newest`, oldest first.
fn older_than_newest(folder: &Path, newest: u64) -> Vec<(u64, PathBuf)> {
    let mut all = list_checkpoints(folder);
    all.truncate(
        all.len()
            .saturating_sub(usize::try_from(newest).unwrap_or(usize::MAX)),
    );
    all
}

fn remove_all_but(last: u64, best: u64, folder: &Path) -> Result<()> {
    let mut older: Vec<(f64, PathBuf)> = older_than_newest(folder, last)
        .into_iter()
        .map(|(_, path)| (reconstruction_loss(&path), path))
        .collect();
    older.sort_by(|left, right| left.0.total_cmp(&right.0));
    for (_, path) in older.into_iter().skip(best as usize) {
        fs::remove_dir_all(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    Ok(())
}

/// Returns the reconstruction loss that was logged last before the checkpoint at `path`; infinite where there is none.
fn reconstruction_loss(path: &Path) -> f64 {
    let logged = read_state(path).ok().and_then(|saved| {
        let found = saved
            .last_metrics
            .into_iter()
            .find(|(name, _)| name == "losses/mse_loss");
        found.map(|(_, value)| value)
    });
    logged.unwrap_or(f64::INFINITY)
}

/// Removes from the checkpoint at `path` all but the dictionary, the settings and the counters. A crash on the way
/// leaves less to remove the next time.
fn keep_dictionary(path: &Path) -> Result<()> {
    let mut kept = SparseAutoEncoder::FILES.to_vec();
    kept.extend([STATE_FILE, Fingerprint::FILE, checksums::FILE]);
    let failed = |error| Error::io("read", path, error);
    let mut surplus = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !kept.contains(&name.as_str()) {
            surplus.push(name);
        }
    }
    let names: Vec<&str> = surplus.iter().map(String::as_str).collect();
    checksums::forget(path, &names)?;
    for name in names {
        let file = path.join(name);
        let removed = if file.is_dir() {
            fs::remove_dir_all(&file)
        } else {
            fs::remove_file(&file)
        };
        removed.map_err(|error| Error::io("remove", &file, error))?;
    }
    Ok(())
}
