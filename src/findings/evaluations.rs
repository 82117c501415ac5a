//! Figures of evaluations of the dictionary.

use super::store::Store;
use crate::error::Result;

impl Store {
    /// Returns the figures of evaluations by name; a figure without a number has only details.
    ///
    /// # Errors
    /// A damaged store.
    pub fn evaluations(&self) -> Result<Vec<(String, Option<f64>)>> {
        let query = "SELECT name, value FROM evaluation ORDER BY name";
        self.rows(query, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }
}
