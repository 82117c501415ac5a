//! A store as a whole: of what it is, which columns it has, and what may be done with it.

use std::path::PathBuf;

use serde::Serialize;

use super::columns::{Column, columns, flags, size};
use crate::error::{Error, Result};
use crate::findings::Store;
use crate::serve::reading::Named;
use crate::serve::stores::Page;

/// What every page knows.
#[derive(Clone, Debug, Serialize)]
pub(in crate::serve) struct Overview {
    title: String,
    path: String,
    /// Pages name it when they ask further, so that they are not given figures of another analysis.
    version: String,
    store: usize,
    stores: Vec<String>,
    analysis: String,
    analyses: Vec<String>,
    state: &'static str,
    latents: usize,
    tokens: u64,
    contexts: u64,
    approximate: bool,
    estimated_pairs: bool,
    columns: Vec<Column>,
    flags: Vec<&'static str>,
    /// Names and texts.
    facts: Vec<(String, String)>,
    /// Settings of the analysis, JSON.
    settings: String,
    evaluation: Vec<(String, Option<f64>)>,
    writable: bool,
    /// Why not, if so.
    closed: Option<String>,
}

/// Returns what is known of the store `store` of `stores`.
///
/// # Errors
/// A damaged store.
pub(in crate::serve) fn overview(page: &Page<'_>, store: usize, stores: &[String]) -> Result<Overview> {
    let opened = &page.opened;
    let analysis = &page.analysis;
    let meta = opened.store().all_meta()?;
    let names = opened
        .store()
        .analyses()?
        .into_iter()
        .map(|analysis| analysis.name);
    Ok(Overview {
        title: title(&meta).unwrap_or_else(|| stores.get(store).cloned().unwrap_or_default()),
        path: opened.path().display().to_string(),
        version: page.version.clone(),
        store,
        stores: stores.to_vec(),
        analysis: analysis.name.clone(),
        analyses: names.collect(),
        state: analysis.state.name(),
        latents: size(analysis)?,
        tokens: analysis.counted,
        contexts: analysis.contexts,
        approximate: analysis.approximate,
        estimated_pairs: analysis.estimated_pairs,
        columns: columns(opened.store())?,
        flags: flags(),
        facts: facts(&meta, page),
        settings: pretty(&analysis.settings),
        evaluation: opened.store().evaluations()?,
        writable: opened.closed().is_none(),
        closed: opened.closed().map(str::to_string),
    })
}

type Meta = std::collections::BTreeMap<String, String>;

/// Returns what the dictionary is called.
fn title(meta: &Meta) -> Option<String> {
    let name = meta.get("dictionary.name").or_else(|| meta.get("sae_name"))?;
    Some(name.clone()).filter(|name| !name.trim().is_empty())
}

/// The longest fact that is shown as such; longer ones are settings, or of no use to a reader.
const LONGEST: usize = 400;

fn facts(meta: &Meta, page: &Page<'_>) -> Vec<(String, String)> {
    let analysis = &page.analysis;
    let mut facts = vec![
        ("analysis".to_string(), analysis.name.clone()),
        ("begun".to_string(), analysis.created.clone()),
    ];
    facts.extend(
        analysis
            .finished
            .clone()
            .map(|time| ("finished".to_string(), time)),
    );
    let estimates = analysis.estimates().into_iter();
    facts.extend(estimates.map(|text| ("figures".to_string(), text.to_string())));
    let short = meta
        .iter()
        .filter(|(key, value)| value.len() <= LONGEST && !key.starts_with("made."));
    facts.extend(short.map(|(key, value)| (key.clone(), value.clone())));
    facts
}

/// Returns what a store says of its model and dictionary.
///
/// # Errors
/// A damaged store.
pub(in crate::serve) fn named(store: &Store) -> Result<Named> {
    let fact = |key: &str| Ok::<_, Error>(store.meta(key)?.filter(|value| !value.trim().is_empty()));
    Ok(Named {
        model: fact("model.name")?,
        model_weights: fact("model.weights")?,
        sae: fact("dictionary.path")?.map(PathBuf::from),
        sae_identity: fact("dictionary.identity")?,
    })
}

/// Returns JSON with its lines and indents; as it is where it is none.
fn pretty(settings: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(settings);
    read.ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| settings.to_string())
}
