//! Records of the reference system into a store: first what tokens they need, then the records themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indexmap::IndexMap;

use super::lines::each_record;
use super::numbers::Short;
use super::place::RecordPlace;
use super::record::{AnalysisRecord, Document, LogitsRecord};
use super::samples::{activations, places, rule, samples};
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::findings::{
    Context, Estimates, Flags, Heads, Latent, LatentText, Logits, Place, Samples, State, Store, Subsample,
    TokenLogit, Vocabulary,
};

/// What an analysis of the records is called, and what all its latents share.
#[derive(Debug, Default)]
struct Facts {
    counted: Option<u64>,
    /// Name and largest number of samples of each subsample.
    rules: IndexMap<String, u32>,
    places: BTreeSet<RecordPlace>,
}

/// What records need to become a store.
#[derive(Debug, Default)]
pub struct Needed {
    /// Name of the dictionary.
    pub sae_name: Option<String>,
    /// Series that it belongs to.
    pub sae_series: Option<String>,
    /// Name of the model.
    pub model_name: Option<String>,
    /// How many latents there are.
    pub latents: u32,
    /// Every record that is named, and how many of its tokens there must be.
    pub records: BTreeMap<RecordPlace, usize>,
    /// Fields that stores have no place for.
    pub dropped: BTreeSet<String>,
    analyses: IndexMap<String, Facts>,
}

/// Returns what the records in `paths` need.
///
/// # Errors
/// What is wrong with a record, with file and line; latents that are missing or there twice.
pub fn needed(paths: &[PathBuf], stop: &StopFlag) -> Result<Needed> {
    let mut needed = Needed::default();
    let mut latents = BTreeSet::new();
    each_record(paths, stop, |document| {
        let latent = number(&document)?;
        if !latents.insert(latent) {
            return Err(Error::input(format!("latent {latent} is there already"))
                .hint("give the records of one dictionary, each once"));
        }
        for (ours, theirs) in [
            (&mut needed.sae_name, &document.sae_name),
            (&mut needed.sae_series, &document.sae_series),
        ] {
            match (&*ours, theirs) {
                (Some(known), Some(other)) if known != other => {
                    return Err(Error::input(format!(
                        "latent {latent} is of the dictionary `{other}`, but those before are of `{known}`"
                    ))
                    .hint("a store is of one dictionary: give its records alone"));
                }
                (None, Some(name)) => *ours = Some(name.clone()),
                _ => {}
            }
        }
        let mut analyses = document.analyses.iter();
        analyses.try_for_each(|analysis| {
            needed
                .add(analysis)
                .map_err(|error| of_latent(error, latent, &analysis.name))
        })
    })?;
    let end = latents.last().map_or(0, |last| last + 1);
    if end == 0 {
        return Err(Error::input("there are no records"));
    }
    if let Some(missing) = (0..end).find(|latent| !latents.contains(latent)) {
        return Err(Error::input(format!(
            "there are {} records up to latent {}, but none of latent {missing}",
            latents.len(),
            end - 1
        ))
        .hint("give the records of all latents, from 0 on; they may lie in several files"));
    }
    needed.latents = end;
    Ok(needed)
}

fn of_latent(error: Error, latent: u32, analysis: &str) -> Error {
    error.context(format!("in the analysis `{analysis}` of latent {latent}"))
}

fn number(document: &Document) -> Result<u32> {
    let index = document.index.0;
    u32::try_from(index).map_err(|_| Error::input(format!("{index} is no number of a latent")))
}

impl Needed {
    fn add(&mut self, analysis: &AnalysisRecord) -> Result<()> {
        let facts = self.analyses.entry(analysis.name.clone()).or_default();
        if let Some(counted) = analysis.n_analyzed_tokens {
            match facts.counted.replace(counted.0) {
                Some(other) if other != counted.0 => {
                    return Err(Error::input(format!(
                        "{} tokens were analysed, but {other} of the latents before",
                        counted.0
                    )));
                }
                _ => {}
            }
        }
        if !analysis.max_feature_acts.0.is_finite() {
            return Err(Error::input(format!(
                "`max_feature_acts` is {}",
                analysis.max_feature_acts.0
            )));
        }
        for sampling in &analysis.samplings {
            let in_subsample = |error: Error| error.context(format!("in the subsample `{}`", sampling.name));
            let named = places(sampling).map_err(in_subsample)?;
            let most = facts.rules.entry(sampling.name.clone()).or_default();
            *most = (*most).max(named.len() as u32);
            let fired = activations(sampling).map_err(in_subsample)?;
            for (place, fired) in named.into_iter().zip(fired) {
                let end = fired.last().map_or(1, |(position, _)| usize::from(*position) + 1);
                let tokens = self.records.entry(place.clone()).or_default();
                *tokens = end.max(*tokens);
                facts.places.insert(place);
            }
            if self.model_name.is_none() {
                let models = sampling.model_name.as_ref();
                self.model_name = models.and_then(|names| names.first().cloned());
            }
            self.dropped.extend(sampling.others.keys().cloned());
        }
        Ok(())
    }
}

/// What is given to an import besides the records.
pub struct Importing<'a> {
    /// Tokens of every record that is needed.
    pub tokens: &'a BTreeMap<RecordPlace, Vec<u32>>,
    /// What stands out about a latent, of so many counted tokens.
    pub flags: &'a dyn Fn(&Latent, u64) -> Flags,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Latents that were written.
    pub latents: u32,
    /// Analyses that were written.
    pub analyses: usize,
    /// Contexts that were written.
    pub contexts: usize,
    /// Tokens of logits that the tokenizer does not have, or has several of, and that were left out.
    pub unknown_tokens: usize,
}

/// Writes the records into a store that has a vocabulary and no analyses of these names.
///
/// # Errors
/// What is wrong with a record; the store cannot be written.
pub fn import_reference(
    paths: &[PathBuf],
    store: &Store,
    needed: &Needed,
    importing: &Importing<'_>,
    stop: &StopFlag,
) -> Result<Imported> {
    store
        .transaction(|| {
            let vocabulary = store.vocabulary()?;
            let mut import = Import {
                store,
                importing,
                texts: texts(&vocabulary),
                vocabulary,
                begun: BTreeMap::new(),
                metrics: BTreeMap::new(),
                labels: Vec::new(),
                done: Imported {
                    latents: needed.latents,
                    ..Imported::default()
                },
            };
            import.begin(needed)?;
            each_record(paths, stop, |document| import.put(&document))?;
            import.end()
        })
        .and_then(|(done, labels, metrics)| {
            for (latent, text) in labels {
                store.set_label(latent, &text, "model")?;
            }
            for (name, values) in metrics {
                store.set_metric(&name, &values)?;
            }
            Ok(done)
        })
}

/// Tokens by their text, of those that no other shares.
fn texts(vocabulary: &Vocabulary) -> BTreeMap<String, Option<u32>> {
    let mut texts = BTreeMap::new();
    for token in 0..vocabulary.len() as u32 {
        texts
            .entry(vocabulary.text(token))
            .and_modify(|known| *known = None)
            .or_insert(Some(token));
    }
    texts
}

/// An analysis that is being written.
struct Begun {
    id: i64,
    counted: u64,
    rules: Vec<Subsample>,
    contexts: BTreeMap<RecordPlace, u32>,
}

struct Import<'a> {
    store: &'a Store,
    importing: &'a Importing<'a>,
    vocabulary: Vocabulary,
    texts: BTreeMap<String, Option<u32>>,
    begun: BTreeMap<String, Begun>,
    metrics: BTreeMap<String, BTreeMap<u32, f64>>,
    labels: Vec<(u32, String)>,
    done: Imported,
}

type Done = (Imported, Vec<(u32, String)>, BTreeMap<String, BTreeMap<u32, f64>>);

impl Import<'_> {
    fn begin(&mut self, needed: &Needed) -> Result<()> {
        for (name, facts) in &needed.analyses {
            let settings = r#"{"imported_from": "reference"}"#;
            let id = self.store.begin_analysis(name, settings, needed.latents, false)?;
            let rules = facts.rules.iter().enumerate();
            let rules: Vec<Subsample> = rules
                .map(|(id, (name, most))| rule(id as u32, name, *most))
                .collect();
            self.store.put_subsamples(id, &rules)?;
            let first = self.store.next_context()?;
            let placed = facts.places.iter().enumerate();
            let contexts: Vec<Context> = placed
                .map(|(at, place)| Context {
                    id: first + at as u32,
                    ordinal: at as u64,
                    place: Place {
                        dataset: place.dataset.clone(),
                        shard: (place.shards > 1).then_some((place.shard, place.shards)),
                        record: Some(place.record),
                        start: Some(0),
                    },
                    tokens: self.importing.tokens.get(place).cloned().unwrap_or_default(),
                })
                .collect();
            self.store.put_contexts(id, &contexts)?;
            let counted = facts.counted.unwrap_or(0);
            self.store
                .set_extent(id, counted, counted, contexts.len() as u64)?;
            self.done.contexts += contexts.len();
            self.done.analyses += 1;
            let contexts = facts.places.iter().cloned().zip(first..).collect();
            let begun = Begun {
                id,
                counted,
                rules,
                contexts,
            };
            self.begun.insert(name.clone(), begun);
        }
        Ok(())
    }

    fn put(&mut self, document: &Document) -> Result<()> {
        let latent = number(document)?;
        for analysis in &document.analyses {
            self.put_analysis(latent, analysis)
                .map_err(|error| of_latent(error, latent, &analysis.name))?;
        }
        if let Some(logits) = &document.logits {
            let logits = self.logits(logits);
            self.store.put_logits(latent, &logits)?;
        }
        if let Some(label) = &document.interpretation {
            self.labels.push((latent, label.text.clone()));
        }
        for (name, value) in document.metric.iter().flatten() {
            self.metrics
                .entry(name.clone())
                .or_default()
                .insert(latent, value.0);
        }
        Ok(())
    }

    fn put_analysis(&self, latent: u32, analysis: &AnalysisRecord) -> Result<()> {
        let begun = &self.begun[&analysis.name];
        let act_times = i64::try_from(analysis.act_times.0)
            .map_err(|_| Error::input(format!("`act_times` is {}", analysis.act_times.0)))?;
        let mut figures = Latent {
            latent,
            act_times: act_times as u64,
            max: analysis.max_feature_acts.0,
            density: act_times as f64 / begun.counted.max(1) as f64,
            ..Latent::default()
        };
        figures.flags = (self.importing.flags)(&figures, begun.counted);
        self.store.put_latent(begun.id, &figures)?;
        for sampling in &analysis.samplings {
            let id = begun.rules.iter().find(|rule| rule.name == sampling.name);
            let samples = Samples {
                subsample: id.map_or(0, |rule| rule.id),
                samples: samples(sampling, |place| begun.contexts[place])?,
            };
            if !samples.samples.is_empty() {
                self.store.put_samples(begun.id, latent, &samples, false)?;
            }
        }
        if let Some(heads) = heads(analysis) {
            self.store.put_heads(latent, &heads)?;
        }
        let text = LatentText::of_latent((self.store, begun.id), &figures, &self.vocabulary)?;
        self.store.put_text(begun.id, latent, &text)
    }

    fn logits(&mut self, record: &LogitsRecord) -> Logits {
        let mut known = |tokens: &[super::record::TokenRecord]| -> Vec<TokenLogit> {
            let mut found = Vec::with_capacity(tokens.len());
            for one in tokens {
                let by_number = one.token_id.and_then(|id| u32::try_from(id.0).ok());
                match by_number.or_else(|| self.texts.get(&one.token).copied().flatten()) {
                    Some(token) => found.push(TokenLogit {
                        token,
                        logit: one.logit.0,
                    }),
                    None => self.done.unknown_tokens += 1,
                }
            }
            found
        };
        Logits {
            top: known(&record.top_positive),
            bottom: known(&record.top_negative),
            ..Logits::default()
        }
    }

    fn end(self) -> Result<Done> {
        for begun in self.begun.values() {
            let estimates = Estimates {
                samples: true,
                pairs: false,
            };
            self.store.finish_analysis(begun.id, State::Complete, estimates)?;
        }
        Ok((self.done, self.labels, self.metrics))
    }
}

fn heads(analysis: &AnalysisRecord) -> Option<Heads> {
    let flat = |rows: &Option<Vec<Vec<Short>>>| -> Vec<f32> {
        rows.iter().flatten().flatten().map(|value| value.0).collect()
    };
    let norms = analysis.decoder_norms.as_ref()?;
    Some(Heads {
        norms: norms.iter().map(|value| value.0).collect(),
        cosines: flat(&analysis.decoder_similarity_matrices),
        inner: flat(&analysis.decoder_inner_product_matrices),
    })
}
