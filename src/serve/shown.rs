//! Latents of a store for terminals and programs, without a server.

use serde::Serialize;

use super::stores::{OpenStores, Page, Refusal};
use super::view;
use crate::error::{Error, Result};
use crate::findings::Printing;

impl OpenStores {
    /// Returns the first store's latent as text for a terminal.
    ///
    /// # Errors
    /// There is no such analysis or latent; a damaged store.
    pub fn printed(&self, analysis: Option<&str>, latent: u32, printing: &Printing) -> Result<String> {
        self.first(analysis, |page| {
            page.opened.store().printed(&page.analysis, latent, printing)
        })
    }

    /// Returns all that pages are told of the first store's latent, contexts from end to end.
    ///
    /// # Errors
    /// There is no such analysis or latent; a damaged store.
    pub fn latent(&self, analysis: Option<&str>, latent: u32) -> Result<impl Serialize + use<>> {
        self.first(analysis, |mut page| view::latent::latent(&mut page, latent, true))
    }

    fn first<T>(&self, analysis: Option<&str>, work: impl FnOnce(Page<'_>) -> Result<T>) -> Result<T> {
        match self.read(0, analysis, None, work) {
            Ok(value) => Ok(value),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Rewritten) => Err(Error::run("the store was written anew while it was read")),
        }
    }
}
