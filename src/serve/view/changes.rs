//! What people add: labels, bookmarks, tags and notes.

use serde::{Deserialize, Serialize};

use super::found::{Marks, add_note, marks_of};
use crate::error::{Error, Result};
use crate::findings::Bookmark;
use crate::serve::stores::Page;

/// The most tags of a latent.
const TAGS: usize = 50;
/// The longest tag, and the longest note, in bytes.
const TAG: usize = 200;
const NOTE: usize = 20_000;

/// A label to be given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct NewLabel {
    latent: u32,
    text: String,
}

/// A bookmark as it is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct NewBookmark {
    latent: u32,
    on: bool,
    tags: Vec<String>,
    note: String,
}

/// What became of a change.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Changed {
    latent: u32,
    bookmark: Option<Marks>,
}

fn require(page: &Page<'_>, latent: u32) -> Result<()> {
    page.opened.require_open()?;
    if latent < page.analysis.latents {
        return Ok(());
    }
    Err(Error::input(format!("there is no latent {latent}")))
}

/// Gives a latent a label; an empty one takes it away.
///
/// # Errors
/// Nothing may be written; there is no such latent; too long a text.
pub(in crate::serve) fn set_label(page: &mut Page<'_>, new: &NewLabel) -> Result<Changed> {
    require(page, new.latent)?;
    page.opened.store().set_label(new.latent, &new.text, "user")?;
    page.opened.changed();
    Ok(Changed {
        latent: new.latent,
        bookmark: marks_of(page.opened.store(), new.latent)?,
    })
}

/// Bookmarks a latent with tags and a note, in the place of those it had; or no longer.
///
/// # Errors
/// Nothing may be written; there is no such latent; too many or too long tags, too long a note.
pub(in crate::serve) fn set_bookmark(page: &mut Page<'_>, new: &NewBookmark) -> Result<Changed> {
    require(page, new.latent)?;
    let mut tags: Vec<&str> = new
        .tags
        .iter()
        .map(|tag| tag.trim())
        .filter(|tag| !tag.is_empty())
        .collect();
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > TAGS || tags.iter().any(|tag| tag.len() > TAG) || new.note.len() > NOTE {
        return Err(Error::input(format!(
            "a latent has at most {TAGS} tags of {TAG} bytes each, and a note of {NOTE} bytes"
        )));
    }
    if tags.is_empty() {
        tags.push("");
    }
    let store = page.opened.store();
    store.transaction(|| {
        let of_latent = |mark: &Bookmark| mark.latent == new.latent;
        let old: Vec<Bookmark> = store.bookmarks()?.into_iter().filter(of_latent).collect();
        let (kept, gone): (Vec<&Bookmark>, Vec<&Bookmark>) = old
            .iter()
            .partition(|old| new.on && tags.contains(&old.tag.as_str()));
        for old in gone {
            store.remove_bookmark(new.latent, &old.tag)?;
        }
        let mut noted = String::new();
        kept.iter().for_each(|old| add_note(&mut noted, &old.note));
        // Each tag keeps the note it has, unless what all of them say was changed.
        let note = if noted == new.note { "" } else { &new.note };
        let tags = if new.on { tags.as_slice() } else { &[] };
        let is_kept = |tag: &str| noted == new.note && kept.iter().any(|old| old.tag == tag);
        tags.iter()
            .filter(|tag| !is_kept(tag))
            .try_for_each(|tag| store.bookmark(new.latent, tag, note))
    })?;
    let bookmark = marks_of(store, new.latent)?;
    page.opened.changed();
    Ok(Changed {
        latent: new.latent,
        bookmark,
    })
}
