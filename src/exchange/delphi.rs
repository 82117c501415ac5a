//! The cache of activations that delphi explains latents from (<https://github.com/EleutherAI/delphi>): where each latent
//! fires, in the contexts that the store keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::files::{self, Existing};
use crate::atomic;
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::findings::{Analysis, Store};
use crate::tensor::{Tensor, safetensors};

/// Where the latents of an analysis fire.
#[derive(Default)]
struct Firings {
    /// Context, position and latent of each activation.
    locations: Vec<i64>,
    activations: Vec<f32>,
}

/// Writes the activations of all samples of an analysis into the folder `out`: `HOOK/0_LAST.safetensors` with `locations`
/// (n, 3: context, position, latent, int64, latent by latent), `activations` (n, float32) and `tokens` (contexts, length,
/// int64), and `HOOK/config.json`. Returns the files.
///
/// # Errors
/// Contexts of several lengths; a file is there already, or one of an earlier export; a damaged store; it cannot be
/// written; `stop` was set.
pub fn export_delphi(
    store: &Store,
    analysis: &Analysis,
    out: &Path,
    existing: Existing,
    stop: &StopFlag,
) -> Result<Vec<PathBuf>> {
    let folder = out.join(hook_point(store)?);
    let last = analysis.latents.saturating_sub(1);
    let paths = vec![
        folder.join(format!("0_{last}.safetensors")),
        folder.join("config.json"),
    ];
    existing.admit(&paths)?;
    let (rows, tokens, length) = contexts(store, analysis, stop)?;
    let firings = firings(store, analysis, &rows, stop)?;
    files::all_or_none(&paths, existing, || {
        let number = firings.activations.len() as i64;
        let locations = Tensor::f_from_slice(&firings.locations)?.f_reshape([number, 3])?;
        let activations = Tensor::f_from_slice(&firings.activations)?;
        let tokens = Tensor::f_from_slice(&tokens)?.f_reshape([rows.len() as i64, length as i64])?;
        let named = [
            ("locations", &locations),
            ("activations", &activations),
            ("tokens", &tokens),
        ];
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        safetensors::write(&paths[0], &named, &BTreeMap::new())?;
        let config = config(store, rows.len(), length)?;
        atomic::write(&paths[1], format!("{config:#}\n"))
    })?;
    Ok(paths)
}

/// Returns the hook point of the store's dictionary, by which delphi calls a cache.
fn hook_point(store: &Store) -> Result<String> {
    let config = store.meta("dictionary.config")?.unwrap_or_default();
    let config: Value = serde_json::from_str(&config).unwrap_or_default();
    let hook = config["hook_point_in"].as_str().unwrap_or("latents");
    // It becomes the name of a folder.
    Ok(hook.replace(['/', '\\'], "_").trim_start_matches('.').to_string())
}

/// Returns the rows of the contexts by their numbers in the store, their tokens one after the other, and their length.
fn contexts(
    store: &Store,
    analysis: &Analysis,
    stop: &StopFlag,
) -> Result<(BTreeMap<u32, i64>, Vec<i64>, usize)> {
    let mut named = BTreeSet::new();
    for latent in 0..analysis.latents {
        check(stop)?;
        let all = store.samples(analysis.id, latent)?;
        named.extend(
            all.iter()
                .flat_map(|one| &one.samples)
                .map(|sample| sample.context),
        );
    }
    let contexts = store.contexts(named.iter().copied())?;
    let mut tokens = Vec::new();
    let mut length = None;
    for id in &named {
        let own = &contexts[id].tokens;
        if *length.get_or_insert(own.len()) != own.len() {
            return Err(Error::input(
                "a cache of delphi has contexts of one length, and this store has several",
            )
            .hint("analyse a stream of packed or cut contexts, or export the table `sample`"));
        }
        tokens.extend(own.iter().map(|token| i64::from(*token)));
    }
    let Some(length) = length else {
        return Err(
            Error::input(format!("the analysis `{}` has no samples", analysis.name))
                .hint("an analysis that is complete, of a dictionary that is not all dead, has some"),
        );
    };
    let rows = (0..).zip(named).map(|(row, id)| (id, row)).collect();
    Ok((rows, tokens, length))
}

/// Returns where the latents fire; a context that is in several subsamples counts once.
fn firings(
    store: &Store,
    analysis: &Analysis,
    rows: &BTreeMap<u32, i64>,
    stop: &StopFlag,
) -> Result<Firings> {
    let mut firings = Firings::default();
    for latent in 0..analysis.latents {
        check(stop)?;
        let all = store.samples(analysis.id, latent)?;
        let samples = all.iter().flat_map(|one| &one.samples);
        let by_row: BTreeMap<i64, _> = samples.map(|sample| (rows[&sample.context], sample)).collect();
        for (row, sample) in by_row {
            for (position, value) in &sample.activations {
                firings
                    .locations
                    .extend([row, i64::from(*position), i64::from(latent)]);
                firings.activations.push(*value);
            }
        }
    }
    Ok(firings)
}

fn check(stop: &StopFlag) -> Result<()> {
    if stop.is_set() {
        return Err(Error::interrupted("the export was stopped"));
    }
    Ok(())
}

/// Returns the facts that delphi keeps beside a cache, as far as the store has them.
fn config(store: &Store, contexts: usize, length: usize) -> Result<Value> {
    Ok(json!({
        "model_name": store.meta("model.name")?, "cache_ctx_len": length, "n_tokens": contexts * length, "n_splits": 1,
        "batch_size": 1, "dataset_repo": "", "dataset_split": "", "dataset_name": "", "dataset_column": "text",
    }))
}
