//! The model and the dictionary of a store, compared with what the store says of them.

use std::path::Path;

use super::named::{Given, Named};
use crate::config::Value;
use crate::dictionary::{LoadOptions, SparseAutoEncoder};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::model::{LanguageModel, LanguageModelConfig, LogitMode};
use crate::tensor::{Kind, Tensor, no_grad};

/// What reads texts.
pub(super) struct Readers {
    pub(super) model: LanguageModel,
    pub(super) sae: SparseAutoEncoder,
    /// What each coordinate of the residual stream adds to the logits, `(d_model, d_vocab)`; or why that means nothing
    /// where the dictionary writes.
    pub(super) to_logits: std::result::Result<Tensor, String>,
}

impl Readers {
    /// Loads both.
    ///
    /// # Errors
    /// One of them is not there, cannot be loaded, or is not that of the analysis.
    pub(super) fn load(given: &Given, named: &Named, context: &RunContext) -> Result<Self> {
        let place = given.sae.as_deref().or(named.sae.as_deref());
        let place = place
            .ok_or_else(|| Error::input("the store names no dictionary").hint("give it with `--sae`"))?;
        let sae =
            dictionary(place, named, context).context("while loading the dictionary for the page `text`")?;
        let name = given.model.as_deref().or(named.model.as_deref());
        let name =
            name.ok_or_else(|| Error::input("the store names no model").hint("give it with `--model`"))?;
        let model = model(name, named, context).context("while loading the model for the page `text`")?;
        let to_logits = match sae.cfg.writes().as_slice() {
            [hook] => to_logits(&model, hook).map_err(|error| error.message().to_string()),
            _ => Err("the dictionary writes at several hook points".to_string()),
        };
        Ok(Readers {
            model,
            sae,
            to_logits,
        })
    }
}

fn dictionary(place: &Path, named: &Named, context: &RunContext) -> Result<SparseAutoEncoder> {
    let not_here = |error: Error| error.hint("`--sae` says where the dictionary lies now");
    let identity = SparseAutoEncoder::identity(place, context).map_err(not_here)?;
    if let Some(known) = &named.sae_identity
        && *known != identity
    {
        return Err(Error::input(format!(
            "`{}` is not the dictionary that was analysed: it has {identity}, and that had {known}",
            place.display()
        ))
        .hint("give the one that was with `--sae`, or analyse this one"));
    }
    let options = LoadOptions {
        context: context.clone(),
        ..LoadOptions::default()
    };
    SparseAutoEncoder::from_pretrained(place, &options).map_err(not_here)
}

fn model(name: &str, named: &Named, context: &RunContext) -> Result<LanguageModel> {
    let folder = Path::new(name).is_dir().then(|| name.into());
    let config = LanguageModelConfig {
        model_name: name.to_string(),
        model_from_pretrained_path: folder,
        ..LanguageModelConfig::default()
    };
    let model = LanguageModel::load(config, context)
        .map_err(|error| error.hint("`--model` says where the model lies now"))?;
    let fingerprint = model.fingerprint()?;
    let weights = fingerprint.get("weights").and_then(Value::as_str);
    if let (Some(known), Some(weights)) = (named.model_weights.as_deref(), weights)
        && known != weights
    {
        return Err(Error::input(format!(
            "`{name}` is not the model of the analysis: its weights are {weights}, and that had {known}"
        ))
        .hint("give the one of the analysis with `--model`"));
    }
    Ok(model)
}

/// Returns what each coordinate of what is written at `hook` adds to the logits, `(width, d_vocab)`.
fn to_logits(model: &LanguageModel, hook: &str) -> Result<Tensor> {
    let width = model.hook_width(hook)?;
    no_grad(|| {
        let each = Tensor::f_eye(width, (Kind::Float, model.device()))?;
        let residual = model.to_residual(&each, hook)?;
        model.direct_logits(&residual, LogitMode::Linear)
    })
}
