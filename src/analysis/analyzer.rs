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
use crate::findings::{Analysis, State, Store};
use crate::fingerprint::{Allowances, Fingerprint, Names};
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
}

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

    /// Analyses a dictionary into `store`, under `name`. An analysis of that name which was broken off goes on.
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
        let done = work.run();
        let passes = work.passes;
        // Also where it was broken off, so that the file can be copied.
        store.end_writing()?;
        done?;
        Ok(AnalysisReport {
            analysis: store.analysis(Some(name))?,
            passes,
        })
    }

    /// Returns the number of the analysis in the store: a new one, or that of the one to go on with.
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
        let all = store.analyses()?;
        let latents = inputs.sae.cfg.d_sae() as u32;
        if let Some(other) = all.iter().find(|one| one.latents != latents) {
            return Err(Error::input(format!(
                "the store `{}` is of a dictionary with {} latents, and this one has {latents}",
                store.path().display(),
                other.latents
            ))
            .hint("write this analysis into another `store`"));
        }
        let there = all.into_iter().find(|one| one.name == name);
        let Some(there) = there else {
            let settings = json!({"analyzer": to_value(&*self.config)?, "decided_by": is.to_value()});
            return store.transaction(|| {
                let id = store.begin_analysis(name, &settings.to_string(), latents, self.config.compact)?;
                store.put_subsamples(id, &self.config.subsamples())?;
                Ok(id)
            });
        };
        let shown = store.path().display();
        if there.state != State::Running {
            return Err(
                Error::input(format!("`{shown}` has a complete analysis `{name}` already")).hint(
                    "give this one another `feature_analysis_name`, or replace that one with `--replace`",
                ),
            );
        }
        let settings: Value = serde_json::from_str(&there.settings).unwrap_or_default();
        let was = Fingerprint::from_value(&settings["decided_by"]).unwrap_or_default();
        let what = format!("the analysis `{name}` in `{shown}`");
        let comparison = inputs.allow_change.compare(&what, &was, &is, &Names::default());
        let comparison = comparison.map_err(|error| {
            error.hint("give this one another `feature_analysis_name`, or begin it anew with `--replace`")
        })?;
        comparison.tell(&context.events)?;
        context
            .events
            .note(format!("{what} goes on where it was broken off"))?;
        Ok(there.id)
    }
}
