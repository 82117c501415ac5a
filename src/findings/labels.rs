//! Labels: what somebody, or something, says that a latent means.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::store::Store;
use crate::clock::timestamp;
use crate::error::{Error, Result};

/// The longest label.
const LONGEST: usize = 10_000;

/// One label.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The latent.
    pub latent: u32,
    /// What it says.
    pub text: String,
    /// Who says so: "user", "rule", or "model".
    pub source: String,
    /// Which model, if one.
    pub model: Option<String>,
    /// Whether it is the one that is shown; the others are earlier ones.
    pub current: bool,
    /// Since when, UTC.
    pub created: String,
}

const COLUMNS: &str = "SELECT latent, text, source, model, current, created FROM explanation";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Label> {
    Ok(Label {
        latent: row.get(0)?,
        text: row.get(1)?,
        source: row.get(2)?,
        model: row.get(3)?,
        current: row.get(4)?,
        created: row.get(5)?,
    })
}

impl Store {
    /// Returns the current label of a latent.
    ///
    /// # Errors
    /// A damaged store.
    pub fn label(&self, latent: u32) -> Result<Option<Label>> {
        self.row(
            &format!("{COLUMNS} WHERE latent = ? AND current = 1"),
            [latent],
            read,
        )
    }

    /// Returns the current labels by latent.
    ///
    /// # Errors
    /// A damaged store.
    pub fn labels(&self) -> Result<BTreeMap<u32, Label>> {
        let rows = self.rows(&format!("{COLUMNS} WHERE current = 1"), [], read)?;
        Ok(rows.into_iter().map(|label| (label.latent, label)).collect())
    }

    /// Returns all labels that a latent has had, the newest first.
    ///
    /// # Errors
    /// A damaged store.
    pub fn label_history(&self, latent: u32) -> Result<Vec<Label>> {
        self.rows(
            &format!("{COLUMNS} WHERE latent = ? ORDER BY id DESC"),
            [latent],
            read,
        )
    }

    /// Gives a latent the label `text`; the one it had stays in its history. An empty text takes the label away.
    ///
    /// # Errors
    /// Too long a text; the store cannot be written.
    pub fn set_label(&self, latent: u32, text: &str, source: &str) -> Result<()> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(Error::input(format!(
                "a label has at most {LONGEST} bytes, but this one has {}",
                text.len()
            )));
        }
        self.transaction(|| {
            self.change("UPDATE explanation SET current = 0 WHERE latent = ?", [latent])?;
            self.change("DELETE FROM label_text WHERE rowid = ?", [latent])?;
            if text.is_empty() {
                return Ok(());
            }
            self.change(
                "INSERT INTO explanation (latent, text, source, current, created) VALUES (?, ?, ?, 1, ?)",
                (latent, text, source, timestamp(SystemTime::now())),
            )?;
            self.change(
                "INSERT INTO label_text (rowid, label) VALUES (?, ?)",
                (latent, text),
            )
            .map(drop)
        })
    }
}
