//! Feature analysis: against the reference's numbers, and against itself in other batches, bands and after being killed.

mod best;
mod cached;
pub mod command;
mod crosscoder;
mod disks;
mod estimates;
mod older;
mod quickstart;
mod reference;
mod refusals;
mod same;
mod stores;
mod unfinished;
mod weights;
mod wiki;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use saescript::activations::{Batch, BatchStream};
use saescript::analysis::{AnalysisInputs, FeatureAnalyzer, FeatureAnalyzerConfig};
use saescript::config::{Value, from_value};
use saescript::dictionary::{LoadOptions, SparseAutoEncoder};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::findings::{Analysis, Store};
use saescript::fingerprint::{Allowances, Fingerprint};
use saescript::tensor::{Kind, Tensor};
use serde_json::json;

use crate::fixtures::{roots, tensor, tensors};

pub const HOOK: &str = "blocks.1.hook_resid_post";

/// Whole contexts, some at a time.
pub struct Contexts {
    pub activations: BTreeMap<String, Tensor>,
    pub tokens: Tensor,
    pub mask: Option<Tensor>,
    pub batch: i64,
    pub at: i64,
    /// How many were given so far in other streams, after which an error comes; `None`: it never does.
    pub breaks_after: Option<i64>,
}

impl Contexts {
    /// The contexts of the fixture.
    pub fn tiny(root: &Path, batch: i64) -> Self {
        let file = tensors(root.join("analysis/tiny/stream.safetensors"));
        Contexts {
            activations: BTreeMap::from([(HOOK.into(), tensor(&file, "activations"))]),
            tokens: tensor(&file, "tokens"),
            mask: Some(tensor(&file, "mask")),
            batch,
            at: 0,
            breaks_after: None,
        }
    }

    pub fn share(&self) -> Self {
        let activations = self.activations.iter();
        Contexts {
            activations: activations
                .map(|(hook, x)| (hook.clone(), x.shallow_clone()))
                .collect(),
            tokens: self.tokens.shallow_clone(),
            mask: self.mask.as_ref().map(Tensor::shallow_clone),
            batch: self.batch,
            at: self.at,
            breaks_after: self.breaks_after,
        }
    }
}

impl BatchStream for Contexts {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let all = self.tokens.size()[0];
        let count = self.batch.min(all - self.at);
        if self.breaks_after.is_some_and(|after| self.at >= after) {
            return Err(saescript::Error::run("the stream broke off"));
        }
        if count <= 0 {
            return Ok(None);
        }
        let of = |tensor: &Tensor| tensor.narrow(0, self.at, count);
        let meta = (self.at..self.at + count).map(|at| json!({"context_idx": at, "dataset_name": "fixture"}));
        let batch = Batch {
            activations: self
                .activations
                .iter()
                .map(|(hook, x)| (hook.clone(), of(x)))
                .collect(),
            tokens: Some(of(&self.tokens).to_kind(Kind::Int64)),
            mask: self.mask.as_ref().map(of),
            meta: Some(meta.collect()),
            ..Batch::default()
        };
        self.at += count;
        Ok(Some(batch))
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        Ok(Fingerprint::new())
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn save_state(&mut self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("at"), self.at.to_string()).expect("written");
        Ok(())
    }

    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        let text = std::fs::read_to_string(folder.join("at")).expect("read");
        self.at = text.parse().expect("a number");
        Ok(())
    }
}

/// The folder of the fixtures that has `path`, if one is there.
pub fn root_with(path: &str) -> Option<PathBuf> {
    roots("").into_iter().find(|root| root.join(path).exists())
}

/// Where a dictionary of the fixtures lies.
pub fn dictionary_at(name: &str) -> PathBuf {
    let found = [roots(""), roots("sae"), roots("analysis")]
        .concat()
        .into_iter()
        .map(|root| root.join(name));
    found
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {name}"))
}

/// A dictionary of the fixtures.
pub fn dictionary(name: &str) -> SparseAutoEncoder {
    SparseAutoEncoder::from_pretrained(dictionary_at(name), &LoadOptions::default()).expect("a dictionary")
}

pub fn config(value: Value) -> FeatureAnalyzerConfig {
    from_value(value).expect("a configuration")
}

/// Analyses `sae` on `contexts` into a new store in `folder`.
pub fn analyse(
    folder: &Path,
    sae: &SparseAutoEncoder,
    config: FeatureAnalyzerConfig,
    contexts: &Contexts,
) -> (Store, Analysis) {
    let path = folder.join("a.sqlite");
    let store = if path.exists() {
        Store::open(&path).expect("a store")
    } else {
        Store::create(&path, &BTreeMap::new()).expect("a store")
    };
    let analysis = go(&store, sae, config, contexts).unwrap_or_else(|error| panic!("{error}"));
    (store, analysis)
}

/// What an analysis is asked for besides its settings.
#[derive(Default)]
pub struct Asked<'a> {
    pub decided_by: Fingerprint,
    pub allow: Allowances,
    pub replace: bool,
    pub at_last: Option<&'a mut dyn FnMut() -> Result<()>>,
}

/// Analyses into a store that is there.
pub fn go(
    store: &Store,
    sae: &SparseAutoEncoder,
    config: FeatureAnalyzerConfig,
    contexts: &Contexts,
) -> Result<Analysis> {
    attempt(store, sae, config, contexts, Asked::default())
}

/// Analyses as [`go`] does, and as is asked.
pub fn attempt(
    store: &Store,
    sae: &SparseAutoEncoder,
    config: FeatureAnalyzerConfig,
    contexts: &Contexts,
    asked: Asked<'_>,
) -> Result<Analysis> {
    let mut open = || Ok(Box::new(contexts.share()) as Box<dyn BatchStream>);
    let mut nothing = || Ok(());
    let inputs = AnalysisInputs {
        sae,
        open: &mut open,
        can_replay: true,
        amp: None,
        decided_by: asked.decided_by,
        runs_a_model: false,
        allow_change: asked.allow,
        replace: asked.replace,
        at_last: asked.at_last.unwrap_or(&mut nothing),
    };
    let report = FeatureAnalyzer::new(config)?.analyze(store, "default", inputs, &RunContext::default())?;
    Ok(report.analysis)
}

/// The beginning of a script that has the fixtures' `model`, and a `factory` of its activations on `words`.
pub fn preamble() -> String {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/lm/neox_parallel");
    format!(
        r#"
        let model = TransformerLensLanguageModel(LanguageModelConfig(#{{
            model_name: "tiny", model_from_pretrained_path: {model:?},
        }}));
        let factory = ActivationFactory(ActivationFactoryConfig(#{{
            sources: [ActivationFactoryDatasetSource(#{{ name: "words" }})],
            target: ActivationFactoryTarget::ACTIVATIONS_2D,
            hook_points: ["blocks.1.hook_resid_post"], batch_size: 8, context_size: 24,
        }}));
    "#
    )
}
