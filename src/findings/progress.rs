//! Where an unfinished analysis stands, in parts whose contents only the analysis knows.

use std::collections::BTreeMap;

use super::store::Store;
use crate::error::Result;

/// The most that one row of `progress` holds, in bytes.
const LARGEST_PIECE: usize = 256 << 20;

impl Store {
    /// Keeps parts of where an analysis stands, in the place of all that were kept under names beginning with `prefix`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn keep_progress(&self, analysis: i64, prefix: &str, parts: &[(String, Vec<u8>)]) -> Result<()> {
        let mut end = prefix.to_string();
        end.push(char::MAX);
        self.change(
            "DELETE FROM progress WHERE analysis = ? AND part >= ? AND part < ?",
            (analysis, prefix, end),
        )?;
        for (part, data) in parts {
            for (piece, data) in data.chunks(LARGEST_PIECE).enumerate() {
                let name = format!("{prefix}{part}#{piece:04}");
                self.change("INSERT INTO progress VALUES (?, ?, ?)", (analysis, name, data))?;
            }
        }
        Ok(())
    }

    /// Returns the parts of where an analysis stands that were kept under names beginning with `prefix`, by the rest of
    /// their names; none if it is at its beginning or complete.
    ///
    /// # Errors
    /// A damaged store.
    pub fn progress(&self, analysis: i64, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let query = "SELECT part, data FROM progress WHERE analysis = ? ORDER BY part";
        let pieces = self.rows(query, [analysis], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, data) in pieces {
            let part = name.strip_prefix(prefix).and_then(|name| name.rsplit_once('#'));
            if let Some((part, _)) = part {
                parts.entry(part.to_string()).or_default().extend(data);
            }
        }
        Ok(parts)
    }
}
