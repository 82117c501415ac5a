//! Latents that somebody wants to find again.

use std::time::SystemTime;

use super::store::Store;
use crate::clock::timestamp;
use crate::error::Result;

/// One bookmark: a latent under a tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Bookmark {
    /// The latent.
    pub latent: u32,
    /// The tag; empty for none.
    pub tag: String,
    /// A note.
    pub note: String,
    /// Since when, UTC.
    pub created: String,
}

impl Store {
    /// Returns all bookmarks, the newest first.
    ///
    /// # Errors
    /// A damaged store.
    pub fn bookmarks(&self) -> Result<Vec<Bookmark>> {
        let query = "SELECT latent, tag, note, created FROM bookmark ORDER BY created DESC, latent, tag";
        self.rows(query, [], |row| {
            Ok(Bookmark {
                latent: row.get(0)?,
                tag: row.get(1)?,
                note: row.get(2)?,
                created: row.get(3)?,
            })
        })
    }

    /// Bookmarks a latent under `tag`, with a note in the place of the one there.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn bookmark(&self, latent: u32, tag: &str, note: &str) -> Result<()> {
        self.change(
            "INSERT INTO bookmark VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET note = excluded.note",
            (latent, tag.trim(), note, timestamp(SystemTime::now())),
        )
        .map(drop)
    }

    /// Removes the bookmark of a latent under `tag`; returns whether there was one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remove_bookmark(&self, latent: u32, tag: &str) -> Result<bool> {
        let removed = self.change(
            "DELETE FROM bookmark WHERE latent = ? AND tag = ?",
            (latent, tag.trim()),
        )?;
        Ok(removed > 0)
    }
}
