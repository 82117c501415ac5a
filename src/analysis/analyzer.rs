//! The analysis from its beginning to its end: two passes over a stream, or more where memory is short, into a store.

use serde_json::json;

use super::progress::Keeper;
use super::settings::FeatureAnalyzerConfig;
use super::work::{OpenStream, Work};
use crate::activations::BatchStream;
use crate::config::{Checked, IntoChecked, Value, to_value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::findings::{Analysis, Estimates, State, Store};
use crate::fingerprint::{Allowances, Comparison, Fingerprint, Names};
use crate::tensor::{DType, no_grad_guard};

/// What is analysed, and on what.
pub struct AnalysisInputs<'a> {
    /// The dictionary.
    pub sae: &'a SparseAutoEncoder,
    /// Gives its stream of whole contexts.
    pub open: &'a mut OpenStream<'a>,
    /// Whether `open` gives the same stream from its beginning whenever it is called.
    pub can_replay: bool,
    /// Number format of products; `None`: that of the dictionary.
    pub amp: Option<DType>,
    /// What decides the numbers besides the stream and the settings of the analyzer: what the dictionary holds.
    pub decided_by: Fingerprint,
    /// Whether a model runs in each pass.
    pub runs_a_model: bool,
    /// What may differ from what an unfinished analysis was begun with.
    pub allow_change: Allowances,
    /// Take the place of an analysis of the same name, once this one is complete.
    pub replace: bool,
    /// What is left to do when all that the stream tells is written, before the analysis is complete.
    pub at_last: &'a mut dyn FnMut() -> Result<()>,
}

/// What is added to the name of an analysis while it is made to take the place of another.
const BESIDE: &str = " (replacement)";

/// What an analysis read.
#[derive(Clone, Debug)]
pub struct AnalysisReport {
    /// The analysis as the store has it.
    pub analysis: Analysis,
    /// Passes over the stream.
    pub passes: u32,
}

/// Finds out about the latents of dictionaries.
#[derive(Clone, Debug)]
pub struct FeatureAnalyzer {
    config: Checked<FeatureAnalyzerConfig>,
}

impl FeatureAnalyzer {
    /// Checks the configuration.
    ///
    /// # Errors
    /// What [`Config::validate`](crate::config::Config::validate) refuses.
    pub fn new(config: impl IntoChecked<FeatureAnalyzerConfig>) -> Result<Self> {
        Ok(FeatureAnalyzer {
            config: config.into_checked()?,
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Checked<FeatureAnalyzerConfig> {
        &self.config
    }

    /// Analyses a dictionary into `store`, under `name`. An analysis of that name which was broken off goes on; one that is
    /// to be replaced stays until the new one, which is made beside it, is complete.
    ///
    /// # Errors
    /// There is a complete analysis of that name, or an unfinished one of something else; what the stream says, or the
    /// store; a stop was asked for.
    pub fn analyze(
        &self,
        store: &Store,
        name: &str,
        inputs: AnalysisInputs<'_>,
        context: &RunContext,
    ) -> Result<AnalysisReport> {
        let _no_grad = no_grad_guard();
        if !inputs.can_replay && !self.config.single_pass {
            return Err(
                Error::input("this stream can be read only once, and an analysis reads it at least twice").hint(
                    "set `single_pass` of the analyzer, with which bins, histograms and tokens are approximate; or write \
                     the activations to a cache, and analyse that",
                ),
            );
        }
        if name.ends_with(BESIDE) {
            return Err(Error::input(format!(
                "names that end with \"{BESIDE}\" are for analyses that are to replace another"
            ))
            .hint("give it another `feature_analysis_name`"));
        }
        let first = (inputs.open)()?;
        let analysis = self.begin(store, name, (&inputs, first.as_ref()), context)?;
        store.begin_writing()?;
        let mut work = Work {
            config: &self.config,
            rules: self.config.subsamples(),
            keeper: Keeper::new(store, analysis, self.config.save_every_seconds),
            sae: inputs.sae,
            amp: inputs.amp,
            open: inputs.open,
            opened: Some(first),
            runs_a_model: inputs.runs_a_model,
            context,
            passes: 0,
        };
        let done = work.run().and_then(|state| {
            (inputs.at_last)()?;
            let estimates = Estimates {
                samples: self.config.single_pass,
                pairs: work.estimates_pairs(),
            };
            store.transaction(|| {
                store.take_name(analysis, name)?;
                store.finish_analysis(analysis, state, estimates)
            })
        });
        let passes = work.passes;
        // Also where it was broken off, so that the file can be copied.
        store.end_writing()?;
        done?;
        Ok(AnalysisReport {
            analysis: store.analysis(Some(name))?,
            passes,
        })
    }

    /// Returns the analysis in the store: a new one, or the one to go on with.
    fn begin(
        &self,
        store: &Store,
        name: &str,
        (inputs, stream): (&AnalysisInputs<'_>, &dyn BatchStream),
        context: &RunContext,
    ) -> Result<i64> {
        let mut is = Fingerprint::new();
        is.merge(inputs.decided_by.clone());
        is.add("analyzer", &*self.config)?;
        is.set("amp_dtype", to_value(&inputs.amp)?);
        is.merge(stream.fingerprint()?);
        let beside = format!("{name}{BESIDE}");
        let all = store.analyses()?;
        let is_kept = |one: &&Analysis| !(inputs.replace && (one.name == name || one.name == beside));
        let latents = inputs.sae.cfg.d_sae() as u32;
        require_width(store, all.iter().filter(is_kept), latents)?;
        let find = |name: &str| all.iter().find(|one| one.name == name);
        let (there, unfinished) = (find(name), find(&beside));
        if inputs.replace {
            let begun = unfinished.into_iter().chain(there);
            for one in begun.filter(|one| one.state == State::Running && is.is_verified()) {
                let same = self.compare(store, one, &is, inputs);
                if let Ok(comparison) = same {
                    return self.go_on(store, one, (&is, &comparison), context);
                }
            }
            if let Some(one) = unfinished {
                store.remove_analysis(one.id)?;
            }
            let name = if there.is_some() { &beside } else { name };
            return self.begin_anew(store, name, (&is, latents));
        }
        match there {
            None => self.begin_anew(store, name, (&is, latents)),
            Some(there) if there.state == State::Running => {
                let comparison = self.compare(store, there, &is, inputs)?;
                self.go_on(store, there, (&is, &comparison), context)
            }
            Some(_) => {
                let shown = store.path().display();
                let error = Error::input(format!("`{shown}` has a complete analysis `{name}` already")).hint(
                    "give this one another `feature_analysis_name`, or replace that one with `--replace`, in a script `analyze_sae(settings, #{ replace: true })`",
                );
                Err(match unfinished {
                    Some(_) => error.hint("one to replace it was broken off: `--replace` goes on with it"),
                    None => error,
                })
            }
        }
    }

    fn begin_anew(&self, store: &Store, name: &str, (is, latents): (&Fingerprint, u32)) -> Result<i64> {
        let settings = self.settings(is, &[])?;
        store.transaction(|| {
            let id = store.begin_analysis(name, &settings, latents, self.config.compact)?;
            store.put_subsamples(id, &self.config.subsamples())?;
            Ok(id)
        })
    }

    /// Returns what the store says of an analysis: its settings, what decides it, and what changed while it was made.
    fn settings(&self, is: &Fingerprint, changed: &[Value]) -> Result<String> {
        let mut settings = json!({"analyzer": to_value(&*self.config)?, "decided_by": is.to_value()});
        if !changed.is_empty() {
            settings["changed"] = changed.into();
        }
        Ok(settings.to_string())
    }

    /// Compares what an unfinished analysis was begun with and what it is to go on with.
    fn compare(
        &self,
        store: &Store,
        begun: &Analysis,
        is: &Fingerprint,
        inputs: &AnalysisInputs<'_>,
    ) -> Result<Comparison> {
        let settings: Value = serde_json::from_str(&begun.settings).unwrap_or_default();
        let was = Fingerprint::from_value(&settings["decided_by"]).unwrap_or_default();
        let names = Names::default()
            .with_fixed(FeatureAnalyzerConfig::is_fixed)
            .or_else("give this one another `feature_analysis_name`, or begin it anew with `--replace`");
        inputs.allow_change.compare(&told(store, begun), &was, is, &names)
    }

    /// Returns the number of an analysis that goes on, once the store says with what.
    fn go_on(
        &self,
        store: &Store,
        begun: &Analysis,
        (is, comparison): (&Fingerprint, &Comparison),
        context: &RunContext,
    ) -> Result<i64> {
        comparison.tell(&context.events)?;
        if !comparison.allowed.is_empty() {
            let settings: Value = serde_json::from_str(&begun.settings).unwrap_or_default();
            let mut changed = settings["changed"].as_array().cloned().unwrap_or_default();
            for change in &comparison.allowed {
                changed.push(to_value(change)?);
            }
            store.set_settings(begun.id, &self.settings(is, &changed)?)?;
        }
        let what = told(store, begun);
        context
            .events
            .note(format!("{what} goes on where it was broken off"))?;
        Ok(begun.id)
    }
}

/// Returns what messages call an analysis.
fn told(store: &Store, analysis: &Analysis) -> String {
    format!("the analysis `{}` in `{}`", analysis.name, store.path().display())
}

/// Refuses a store that has an analysis of another number of latents.
fn require_width<'a>(store: &Store, mut all: impl Iterator<Item = &'a Analysis>, latents: u32) -> Result<()> {
    match all.find(|one| one.latents != latents) {
        None => Ok(()),
        Some(other) => Err(Error::input(format!(
            "the store `{}` is of a dictionary with {} latents, and this one has {latents}",
            store.path().display(),
            other.latents
        ))
        .hint("write this analysis into another `store`")),
    }
}
