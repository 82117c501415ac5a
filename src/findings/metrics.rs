//! Numbers of latents under names of one's own.

use std::collections::BTreeMap;

use super::store::Store;
use crate::error::{Error, Result};

impl Store {
    /// Returns the names of the metrics there are.
    ///
    /// # Errors
    /// A damaged store.
    pub fn metric_names(&self) -> Result<Vec<String>> {
        self.rows("SELECT DISTINCT name FROM metric ORDER BY name", [], |row| {
            row.get(0)
        })
    }

    /// Returns the values of a metric by latent.
    ///
    /// # Errors
    /// A damaged store.
    pub fn metric(&self, name: &str) -> Result<BTreeMap<u32, f64>> {
        let query = "SELECT latent, value FROM metric WHERE name = ?";
        let rows = self.rows(query, [name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Returns the metrics of one latent by name.
    ///
    /// # Errors
    /// A damaged store.
    pub fn metrics_of(&self, latent: u32) -> Result<BTreeMap<String, f64>> {
        let query = "SELECT name, value FROM metric WHERE latent = ?";
        let rows = self.rows(query, [latent], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Writes a metric in the place of one of that name. Latents without a value have none.
    ///
    /// # Errors
    /// No name, a value that is no number; the store cannot be written.
    pub fn set_metric(&self, name: &str, values: &BTreeMap<u32, f64>) -> Result<()> {
        if name.trim().is_empty() {
            return Err(Error::input("a metric needs a name"));
        }
        if let Some((latent, value)) = values.iter().find(|(_, value)| !value.is_finite()) {
            return Err(
                Error::input(format!("the metric `{name}` of latent {latent} is {value}"))
                    .hint("leave out latents that have no value"),
            );
        }
        self.transaction(|| {
            self.change("DELETE FROM metric WHERE name = ?", [name])?;
            for (latent, value) in values {
                self.change("INSERT INTO metric VALUES (?, ?, ?)", (name, latent, value))?;
            }
            Ok(())
        })
    }
}
