//! The analyses that a store holds; several of one dictionary live side by side.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::contexts::first_context_key;
use super::failure::broken;
use super::store::Store;
use crate::clock::timestamp;
use crate::error::{Error, Result};

/// How far an analysis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being made, or was broken off and can go on.
    Running,
    /// All that was asked for is there.
    Complete,
    /// The stream ended before all tokens that were asked for; what is there is complete for these.
    EndedEarly,
}

impl State {
    /// Returns its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Complete => "complete",
            State::EndedEarly => "ended_early",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [State::Running, State::Complete, State::EndedEarly]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// Which contexts a subsample has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubsampleKind {
    /// Those with the largest peaks up to `proportion` of the latent's maximum.
    #[default]
    Top,
    /// Drawn uniformly from those whose peaks lie above `min_proportion` and up to `proportion` of the maximum.
    Uniform,
    /// Drawn from those in which the latent never fires.
    Silent,
}

impl SubsampleKind {
    /// Returns its name in settings and in the store.
    pub fn name(self) -> &'static str {
        match self {
            SubsampleKind::Top => "top",
            SubsampleKind::Uniform => "uniform",
            SubsampleKind::Silent => "silent",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [SubsampleKind::Top, SubsampleKind::Uniform, SubsampleKind::Silent]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What of an analysis is not exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimates {
    /// It is of a single pass: samples below the top, histograms and counts of tokens.
    pub samples: bool,
    /// Neighbours by firing together are of the frequent companions of each latent.
    pub pairs: bool,
}

impl Analysis {
    /// Returns what of it is not exact, in sentences for people.
    pub fn estimates(&self) -> Vec<&'static str> {
        let single =
            "of a single pass: the largest peaks are exact; bins, histograms and tokens are approximate";
        let pairs =
            "neighbours by firing together are estimates, of the 64 most frequent companions of each latent";
        let said = [(self.approximate, single), (self.estimated_pairs, pairs)];
        said.into_iter()
            .filter_map(|(is, text)| is.then_some(text))
            .collect()
    }
}

/// One subsample of an analysis: a rule by which contexts of each latent were kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Subsample {
    /// Its place in the settings, from 0.
    pub id: u32,
    /// Its name in the settings.
    pub name: String,
    /// Which contexts it has.
    pub kind: SubsampleKind,
    /// Peaks are above this part of the latent's maximum.
    pub min_proportion: f64,
    /// Peaks are at most this part of the latent's maximum.
    pub proportion: f64,
    /// The most contexts of a latent.
    pub n_samples: u32,
    /// Of silent ones, whether those where near latents fire come first.
    pub hard: bool,
}

impl Subsample {
    /// Returns the numbers of the rules whose contexts show what a latent fires on: those of the largest peaks first, none
    /// of those in which it is silent.
    pub fn strongest_first(rules: &[Subsample]) -> Vec<u32> {
        let mut firing: Vec<&Subsample> = rules
            .iter()
            .filter(|rule| rule.kind != SubsampleKind::Silent)
            .collect();
        firing.sort_by(|a, b| {
            let is_top = |rule: &Subsample| rule.kind == SubsampleKind::Top;
            let by_kind = is_top(b).cmp(&is_top(a));
            by_kind.then(b.proportion.total_cmp(&a.proportion))
        });
        firing.into_iter().map(|rule| rule.id).collect()
    }
}

/// One analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// Its number in the store.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its settings, JSON.
    pub settings: String,
    /// How far it is.
    pub state: State,
    /// Latents of the dictionary.
    pub latents: u32,
    /// Positions that were read.
    pub tokens: u64,
    /// Of these, the positions that count: no BOS, no padding, no ignored token.
    pub counted: u64,
    /// Contexts that were read.
    pub contexts: u64,
    /// Whether it is of a single pass: samples below the top, histograms and counts of tokens are approximate then.
    pub approximate: bool,
    /// Whether neighbours by firing together are estimates, of the frequent companions of each latent.
    pub estimated_pairs: bool,
    /// Whether activations of samples are kept in float16.
    pub compact: bool,
    /// When it began, UTC.
    pub created: String,
    /// When it was complete, UTC.
    pub finished: Option<String>,
}

const COLUMNS: &str = "SELECT id, name, settings, state, latents, tokens, counted, contexts, approximate, compact, \
     created, finished, estimated_pairs FROM analysis";

impl Store {
    /// Returns the analyses, in the order in which they were begun.
    ///
    /// # Errors
    /// A damaged store.
    pub fn analyses(&self) -> Result<Vec<Analysis>> {
        let rows = self.rows(&format!("{COLUMNS} ORDER BY id"), [], |row| {
            let state: String = row.get(3)?;
            let analysis = Analysis {
                id: row.get(0)?,
                name: row.get(1)?,
                settings: row.get(2)?,
                state: State::Running,
                latents: row.get(4)?,
                tokens: row.get::<_, i64>(5)? as u64,
                counted: row.get::<_, i64>(6)? as u64,
                contexts: row.get::<_, i64>(7)? as u64,
                approximate: row.get(8)?,
                compact: row.get(9)?,
                created: row.get(10)?,
                finished: row.get(11)?,
                estimated_pairs: row.get(12)?,
            };
            Ok((analysis, state))
        })?;
        let named = rows.into_iter().map(|(analysis, state)| {
            let state = State::of_name(&state).ok_or_else(|| broken(self.path(), "an analysis' state"))?;
            Ok(Analysis { state, ..analysis })
        });
        named.collect()
    }

    /// Returns the analysis `name`; without a name the only one, or that called "default", or the first.
    ///
    /// # Errors
    /// There is none of that name, or none at all.
    pub fn analysis(&self, name: Option<&str>) -> Result<Analysis> {
        let all = self.analyses()?;
        let wanted = name.unwrap_or("default");
        let found = all.iter().position(|analysis| analysis.name == wanted);
        let found = found.or((name.is_none() && !all.is_empty()).then_some(0));
        match found {
            Some(index) => Ok(all[index].clone()),
            None if all.is_empty() => Err(Error::input(format!(
                "the store `{}` holds no analysis yet",
                self.path().display()
            ))
            .hint("`saescript analyze CONFIG` makes one")),
            None => {
                let names: Vec<&str> = all.iter().map(|analysis| analysis.name.as_str()).collect();
                Err(Error::unknown("analysis", wanted, &names))
            }
        }
    }

    /// Begins an analysis; returns its number.
    ///
    /// # Errors
    /// There is one of this name; the store cannot be written.
    pub fn begin_analysis(&self, name: &str, settings: &str, latents: u32, compact: bool) -> Result<i64> {
        if self.analyses()?.iter().any(|analysis| analysis.name == name) {
            return Err(Error::input(format!(
                "the store `{}` has an analysis `{name}` already",
                self.path().display()
            ))
            .hint("give this one another `feature_analysis_name`, or remove that one"));
        }
        let now = timestamp(SystemTime::now());
        self.change(
            "INSERT INTO analysis (name, settings, state, latents, compact, created) VALUES (?, ?, 'running', ?, ?, ?)",
            (name, settings, latents, compact, now),
        )?;
        Ok(self.connection().last_insert_rowid())
    }

    /// Sets what an analysis has read.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_extent(&self, analysis: i64, tokens: u64, counted: u64, contexts: u64) -> Result<()> {
        let extent = (tokens as i64, counted as i64, contexts as i64, analysis);
        self.change(
            "UPDATE analysis SET tokens = ?, counted = ?, contexts = ? WHERE id = ?",
            extent,
        )
        .map(drop)
    }

    /// Sets what an analysis is asked to do, as JSON: one that goes on with other settings than it was begun with.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_settings(&self, analysis: i64, settings: &str) -> Result<()> {
        self.change(
            "UPDATE analysis SET settings = ? WHERE id = ?",
            (settings, analysis),
        )
        .map(drop)
    }

    /// Gives an analysis a name, within a transaction; another one that has it is removed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn take_name(&self, analysis: i64, name: &str) -> Result<()> {
        let all = self.analyses()?.into_iter();
        let other = all.filter(|one| one.id != analysis).find(|one| one.name == name);
        if let Some(other) = other {
            self.remove_rows(other.id)?;
        }
        self.change("UPDATE analysis SET name = ? WHERE id = ?", (name, analysis))
            .map(drop)
    }

    /// Says that an analysis is done, and what of it are estimates; what it would have gone on from is dropped.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn finish_analysis(&self, analysis: i64, state: State, estimates: Estimates) -> Result<()> {
        let now = timestamp(SystemTime::now());
        self.change("DELETE FROM progress WHERE analysis = ?", [analysis])?;
        self.change(
            "UPDATE analysis SET state = ?, approximate = ?, estimated_pairs = ?, finished = ? WHERE id = ?",
            (state.name(), estimates.samples, estimates.pairs, now, analysis),
        )
        .map(drop)
    }

    /// Removes an analysis with all that belongs to it; labels, bookmarks and metrics stay.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remove_analysis(&self, analysis: i64) -> Result<()> {
        self.transaction(|| self.remove_rows(analysis))
    }

    /// Removes an analysis, within a transaction.
    fn remove_rows(&self, analysis: i64) -> Result<()> {
        let first = analysis << 32;
        self.change(
            "DELETE FROM latent_text WHERE rowid >= ? AND rowid < ?",
            (first, first + (1 << 32)),
        )?;
        self.change("DELETE FROM analysis WHERE id = ?", [analysis])?;
        // Its number may be given again.
        self.change("DELETE FROM meta WHERE key = ?", [first_context_key(analysis)])?;
        let orphans = "DELETE FROM context_tokens WHERE id NOT IN (SELECT block FROM context)";
        self.change(orphans, []).map(drop)
    }

    /// Returns the subsamples of an analysis, in the order of its settings.
    ///
    /// # Errors
    /// A damaged store.
    pub fn subsamples(&self, analysis: i64) -> Result<Vec<Subsample>> {
        let query = "SELECT id, name, kind, min_proportion, proportion, n_samples, hard FROM subsample \
                     WHERE analysis = ? ORDER BY id";
        let rows = self.rows(query, [analysis], |row| {
            let subsample = Subsample {
                id: row.get(0)?,
                name: row.get(1)?,
                kind: SubsampleKind::Top,
                min_proportion: row.get(3)?,
                proportion: row.get(4)?,
                n_samples: row.get(5)?,
                hard: row.get(6)?,
            };
            Ok((subsample, row.get::<_, String>(2)?))
        })?;
        let known = rows.into_iter().map(|(subsample, kind)| {
            let kind =
                SubsampleKind::of_name(&kind).ok_or_else(|| broken(self.path(), "a subsample's kind"))?;
            Ok(Subsample { kind, ..subsample })
        });
        known.collect()
    }

    /// Notes the subsamples of an analysis.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_subsamples(&self, analysis: i64, subsamples: &[Subsample]) -> Result<()> {
        for one in subsamples {
            self.change(
                "INSERT INTO subsample VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    analysis,
                    one.id,
                    &one.name,
                    one.kind.name(),
                    one.min_proportion,
                    one.proportion,
                    one.n_samples,
                    one.hard,
                ),
            )?;
        }
        Ok(())
    }
}
