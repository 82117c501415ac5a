//! A text read by the model and the dictionary: which latents fire on which token, how much of the reconstruction they
//! are, and what they do to the next token.
//!
//! The store names the model and the dictionary; they are loaded when the first text comes, and only if their weights are
//! those of the analysis.

mod figures;
mod load;
mod named;

use std::sync::{Mutex, PoisonError};

use self::load::Readers;
pub use self::named::Given;
pub(super) use self::named::{Named, ReadText};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::findings::Vocabulary;

/// The longest text that is read, in tokens; a model may take fewer.
const LONGEST: usize = 512;

/// Reads texts; holds one model and one dictionary, those of the store that was asked last.
pub(super) struct Reading {
    given: Given,
    loaded: Mutex<Option<(Named, Readers)>>,
    context: RunContext,
}

impl Reading {
    /// Returns one that has loaded nothing yet.
    pub(super) fn new(given: Given, context: RunContext) -> Self {
        Reading {
            given,
            loaded: Mutex::default(),
            context,
        }
    }

    /// Returns why no text can be read with the store that says `named`; `None` if it can be tried.
    pub(super) fn missing(&self, named: &Named) -> Option<String> {
        let model = self.given.model.is_some() || named.model.is_some();
        let sae = self.given.sae.is_some() || named.sae.is_some();
        let lacks = match (model, sae) {
            (true, true) => return None,
            (false, true) => "the store names no model; `--model` does",
            (true, false) => "the store names no dictionary; `--sae` does",
            (false, false) => "the store names neither model nor dictionary; `--model` and `--sae` do",
        };
        Some(lacks.to_string())
    }

    /// Reads `text` with the model and dictionary of the store that says `named`.
    ///
    /// # Errors
    /// They cannot be loaded, or are not those of the analysis; the text is empty.
    pub(super) fn read(&self, named: &Named, words: &Vocabulary, text: &str) -> Result<ReadText> {
        if text.is_empty() {
            return Err(Error::input("the text is empty"));
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.as_ref().is_none_or(|(of, _)| of != named) {
            // The old ones go first: two models may not fit.
            *loaded = None;
            let readers = Readers::load(&self.given, named, &self.context)?;
            *loaded = Some((named.clone(), readers));
        }
        match loaded.as_ref() {
            Some((_, readers)) => figures::read(readers, words, text, LONGEST),
            None => Err(Error::run("the model was not loaded")),
        }
    }
}
