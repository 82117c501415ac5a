//! A store as a whole: what it is of, and what analyses it holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::tokens::word;
use crate::error::{Result, counted};
use crate::findings::{Flag, Store};

/// What a store holds.
#[derive(Clone, Debug, Serialize)]
pub struct StoreSummary {
    /// Where it lies.
    pub store: String,
    /// Short facts about dictionary and model, by name.
    pub about: BTreeMap<String, String>,
    /// Its analyses, in the order in which they were begun.
    pub analyses: Vec<AnalysisSummary>,
    /// Latents with a label.
    pub labelled: usize,
    /// Bookmarks.
    pub bookmarks: usize,
}

/// What one analysis comes to.
#[derive(Clone, Debug, Serialize)]
pub struct AnalysisSummary {
    /// Its name.
    pub name: String,
    /// "running", "complete" or "ended_early".
    pub state: &'static str,
    /// Latents of the dictionary.
    pub latents: u32,
    /// Tokens that count.
    pub tokens: u64,
    /// Contexts that were read.
    pub contexts: u64,
    /// Latents with each flag.
    pub flags: BTreeMap<&'static str, usize>,
    /// What is not exact, in sentences.
    pub estimates: Vec<&'static str>,
}

/// Facts that say what a store is of.
const ABOUT: [&str; 5] = [
    "dictionary.name",
    "dictionary.series",
    "dictionary.path",
    "model.name",
    "program",
];

impl Store {
    /// Returns how many latents of an analysis have each flag.
    ///
    /// # Errors
    /// A damaged store.
    pub fn flag_counts(&self, analysis: i64) -> Result<[(Flag, usize); Flag::ALL.len()]> {
        let scalars = self.scalars(analysis)?;
        let count = |flag: Flag| scalars.iter().filter(|one| one.flags.has(flag)).count();
        Ok(Flag::ALL.map(|flag| (flag, count(flag))))
    }

    /// Returns what the store holds.
    ///
    /// # Errors
    /// A damaged store.
    pub fn summary(&self) -> Result<StoreSummary> {
        let mut about = self.all_meta()?;
        about.retain(|key, _| ABOUT.contains(&key.as_str()));
        let mut analyses = Vec::new();
        for one in self.analyses()? {
            let flags = self.flag_counts(one.id)?;
            analyses.push(AnalysisSummary {
                state: one.state.name(),
                latents: one.latents,
                tokens: one.counted,
                contexts: one.contexts,
                flags: flags.map(|(flag, count)| (flag.name(), count)).into(),
                estimates: one.estimates(),
                name: one.name,
            });
        }
        Ok(StoreSummary {
            store: self.path().display().to_string(),
            about,
            analyses,
            labelled: self.labels()?.len(),
            bookmarks: self.bookmarks()?.len(),
        })
    }
}

impl fmt::Display for StoreSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "store {}", word(&self.store))?;
        for (key, value) in &self.about {
            write!(formatter, "\n  {key:<18} {}", word(value))?;
        }
        for one in &self.analyses {
            let flags = one.flags.iter().filter(|(_, count)| **count > 0);
            let flags: Vec<String> = flags.map(|(flag, count)| format!("{count} {flag}")).collect();
            write!(
                formatter,
                "\n  analysis {:<9} {}: {} on {} in {}{}{}",
                word(&one.name),
                one.state.replace('_', " "),
                counted(u64::from(one.latents), "latent"),
                counted(one.tokens, "token"),
                counted(one.contexts, "context"),
                if flags.is_empty() { "" } else { "; " },
                flags.join(", ")
            )?;
            for estimate in &one.estimates {
                write!(formatter, "\n  {:<18} {estimate}", "")?;
            }
        }
        let labelled = counted(self.labelled as u64, "labelled latent");
        let bookmarks = counted(self.bookmarks as u64, "bookmark");
        write!(formatter, "\n  {:<18} {labelled}, {bookmarks}", "added")
    }
}
