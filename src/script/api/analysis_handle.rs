//! The handle by which scripts hold an analysis.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::findings::{Analysis, Store, Vocabulary};

/// An analysis that scripts hold; copies of the handle mean the same one.
#[derive(Clone)]
pub struct AnalysisHandle(Rc<Opened>);

struct Opened {
    store: Store,
    analysis: Analysis,
    vocabulary: OnceCell<Vocabulary>,
}

impl AnalysisHandle {
    /// Opens the analysis `name` of the store at `path`; without a name the only one, or "default", or the first.
    ///
    /// # Errors
    /// No store there, or no such analysis in it.
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self> {
        let inside = path.join("analysis.sqlite");
        let store = Store::open(if inside.is_file() { &inside } else { path })?;
        let analysis = store.analysis(name)?;
        Ok(AnalysisHandle(Rc::new(Opened {
            store,
            analysis,
            vocabulary: OnceCell::new(),
        })))
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns the analysis as the store has it.
    pub fn analysis(&self) -> &Analysis {
        &self.0.analysis
    }

    /// Returns what tokens stand for.
    ///
    /// # Errors
    /// A damaged store.
    pub fn vocabulary(&self) -> Result<&Vocabulary> {
        if let Some(known) = self.0.vocabulary.get() {
            return Ok(known);
        }
        let read = self.0.store.vocabulary()?;
        Ok(self.0.vocabulary.get_or_init(|| read))
    }

    /// Returns the latent of that number.
    ///
    /// # Errors
    /// There is none.
    pub fn number(&self, latent: i64) -> Result<u32> {
        let latents = self.0.analysis.latents;
        u32::try_from(latent)
            .ok()
            .filter(|latent| *latent < latents)
            .ok_or_else(|| {
                Error::input(format!("there is no latent {latent}")).hint(format!(
                    "latents are numbered from 0 to {}",
                    latents.saturating_sub(1)
                ))
            })
    }
}
