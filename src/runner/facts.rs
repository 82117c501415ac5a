//! What a store says of its dictionary and model, compared before anything is written into it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::Value;
use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::event::RunContext;
use crate::findings::Store;
use crate::fingerprint::{Allowances, Fingerprint, Names};
use crate::model::LanguageModel;
use crate::train::list_checkpoints;

/// Facts by their keys.
pub type Facts = BTreeMap<String, String>;

/// What tells one dictionary or model from another.
const COMPARED: [&str; 6] = [
    "dictionary.d_sae",
    "dictionary.identity",
    "dictionary.weights",
    "model.weights",
    "model.config",
    "model.tokenizer",
];

const OF_MODELS: [&str; 3] = ["weights", "config", "tokenizer"];

/// Returns what is to be told of a dictionary and its model by what they hold.
///
/// # Errors
/// Too little memory; files of the model that cannot be read any more.
pub fn facts_of(sae: &SparseAutoEncoder, model: Option<&LanguageModel>) -> Result<Facts> {
    let architecture = Value::Object(sae.cfg.architecture()?);
    let mut facts = Facts::from([
        (
            "program".to_string(),
            format!("saescript {}", env!("CARGO_PKG_VERSION")),
        ),
        ("dictionary.config".into(), architecture.to_string()),
        ("dictionary.d_sae".into(), sae.cfg.d_sae().to_string()),
        ("dictionary.weights".into(), sae.digest()?),
    ]);
    if let Some(model) = model {
        facts.insert("model.name".into(), model.name().to_string());
        let fingerprint = model.fingerprint()?;
        for key in OF_MODELS {
            if let Some(value) = fingerprint.get(key).and_then(Value::as_str) {
                facts.insert(format!("model.{key}"), value.to_string());
            }
        }
    }
    Ok(facts)
}

/// Returns what decides an analysis besides its settings and its stream: the dictionary, as `identity` has it. Facts of
/// stores may be named among what is allowed to change.
pub fn decided_by(sae: &SparseAutoEncoder, identity: &str) -> Result<Fingerprint> {
    let mut decided = Fingerprint::default();
    decided.set("sae", identity.into());
    decided.set(
        "sae.norm_activation",
        sae.cfg.architecture()?["norm_activation"].clone(),
    );
    COMPARED.iter().for_each(|key| decided.set_free(*key));
    Ok(decided)
}

/// Opens the store at `path` to write what is about `facts`, or makes it.
///
/// # Errors
/// It cannot be written; it is of another dictionary, model or tokenizer, and that is not allowed.
pub fn store_for(path: &Path, facts: &Facts, allowed: &Allowances, context: &RunContext) -> Result<Store> {
    if !path.exists() {
        return Store::create(path, facts);
    }
    let store = Store::open(path)?;
    store.require_writable()?;
    compare_with_store(&store, facts, allowed, context)?;
    store.transaction(|| {
        facts
            .iter()
            .try_for_each(|(key, value)| store.set_meta(key, value))
    })?;
    Ok(store)
}

/// Refuses a store of another dictionary, model or tokenizer; what it or `facts` do not say is not compared.
///
/// # Errors
/// What differs and is not allowed.
pub(super) fn compare_with_store(
    store: &Store,
    facts: &Facts,
    allowed: &Allowances,
    context: &RunContext,
) -> Result<()> {
    let known = store.all_meta()?;
    let (mut was, mut is) = (Fingerprint::default(), Fingerprint::default());
    for key in COMPARED {
        if let (Some(known), Some(given)) = (known.get(key), facts.get(key)) {
            was.set(key, known.as_str().into());
            is.set(key, given.as_str().into());
        }
    }
    let names = Names::default().or_else("write into another `store`");
    let what = format!("the store `{}`", store.path().display());
    let comparison = allowed.compare_part(&what, &was, &is, &names)?;
    comparison.tell(&context.events)
}

/// Refuses another model or tokenizer than the dictionary in `folder` was trained on, as far as its checkpoints say.
///
/// # Errors
/// What differs and is not allowed, under its key of the settings; a fingerprint that cannot be read.
pub(super) fn compare_with_training(
    folder: &Path,
    model: Option<&LanguageModel>,
    allowed: &Allowances,
    context: &RunContext,
) -> Result<()> {
    let Some(model) = model.filter(|_| folder.is_dir()) else {
        return Ok(());
    };
    let newest = list_checkpoints(folder).pop().map(|(_, path)| path);
    let made = match Fingerprint::read(folder)? {
        Some(made) => Some(made),
        None => newest.map(|path| Fingerprint::read(&path)).transpose()?.flatten(),
    };
    let Some(made) = made else { return Ok(()) };
    let (mut was, mut is) = (Fingerprint::default(), Fingerprint::default());
    let here = model.fingerprint()?;
    for key in OF_MODELS {
        let shown = format!("model.{key}");
        if let (Some(known), Some(here)) = (made.get(&shown), here.get(key)) {
            was.set(shown.clone(), known.clone());
            is.set(shown, here.clone());
        }
    }
    let names = Names::default()
        .or_else("take the model that it was trained on: latents mean something on that one alone");
    let what = format!("the training of `{}`", folder.display());
    let comparison = allowed.compare_part(&what, &was, &is, &names)?;
    comparison.tell(&context.events)
}
