//! What people added to a store, and what is found in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::Result;
use crate::findings::Store;
use crate::serve::reading::ReadText;
use crate::serve::stores::Page;

/// The most latents that a search gives.
const HITS: usize = 2_000;

/// A bookmark of a latent: all its tags, and its note.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(in crate::serve) struct Marks {
    pub(super) tags: Vec<String>,
    pub(super) note: String,
    pub(super) created: String,
}

/// A bookmark with its latent.
#[derive(Clone, Debug, Serialize)]
pub(in crate::serve) struct Marked {
    latent: u32,
    #[serde(flatten)]
    marks: Marks,
}

/// Latents that a search found, best first.
#[derive(Clone, Debug, Serialize)]
pub(in crate::serve) struct Found {
    latents: Vec<u32>,
    /// There were more.
    cut: bool,
}

/// Returns all bookmarks, one a latent.
///
/// # Errors
/// A damaged store.
pub(in crate::serve) fn bookmarks(store: &Store) -> Result<Vec<Marked>> {
    let mut all: BTreeMap<u32, Marks> = BTreeMap::new();
    for bookmark in store.bookmarks()? {
        let marks = all.entry(bookmark.latent).or_default();
        if !bookmark.tag.is_empty() {
            marks.tags.push(bookmark.tag);
        }
        add_note(&mut marks.note, &bookmark.note);
        if marks.created.is_empty() || bookmark.created < marks.created {
            marks.created = bookmark.created;
        }
    }
    let marked = all.into_iter().map(|(latent, mut marks)| {
        marks.tags.sort();
        Marked { latent, marks }
    });
    Ok(marked.collect())
}

/// Adds what a bookmark notes to what others of the same latent do, unless they say it already.
pub(super) fn add_note(notes: &mut String, note: &str) {
    if note.is_empty() || notes.split("\n\n").any(|known| known == note) {
        return;
    }
    if !notes.is_empty() {
        notes.push_str("\n\n");
    }
    notes.push_str(note);
}

/// Returns the bookmark of a latent, if it has one.
///
/// # Errors
/// A damaged store.
pub(super) fn marks_of(store: &Store, latent: u32) -> Result<Option<Marks>> {
    let all = bookmarks(store)?.into_iter();
    Ok(all
        .filter(|marked| marked.latent == latent)
        .map(|marked| marked.marks)
        .next())
}

/// Returns what a latent is called, if somebody said.
///
/// # Errors
/// A damaged store.
pub(super) fn label_text(store: &Store, latent: u32) -> Result<Option<String>> {
    Ok(store.label(latent)?.map(|label| label.text))
}

/// Returns what the latents that fire on a text are called, where somebody said.
///
/// # Errors
/// A damaged store.
pub(in crate::serve) fn labels_of(store: &Store, read: &ReadText) -> Result<BTreeMap<u32, String>> {
    let firing: BTreeSet<u32> = read.latents.iter().flatten().map(|firing| firing.0).collect();
    let labels = store.labels()?.into_iter();
    Ok(labels
        .filter(|(latent, _)| firing.contains(latent))
        .map(|(latent, label)| (latent, label.text))
        .collect())
}

/// Returns the latents whose labels, top tokens or texts have `words`, best first.
///
/// # Errors
/// A damaged store.
pub(in crate::serve) fn search(page: &Page<'_>, words: &str) -> Result<Found> {
    let hits = page.opened.store().search(page.analysis.id, words, HITS + 1)?;
    let known = hits
        .iter()
        .map(|hit| hit.latent)
        .filter(|latent| *latent < page.analysis.latents);
    Ok(Found {
        latents: known.take(HITS).collect(),
        cut: hits.len() > HITS,
    })
}
