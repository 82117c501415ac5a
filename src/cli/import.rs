//! `saescript import`: records of another system into a store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::arguments::ProgressArguments;
use crate::config::Document;
use crate::error::{Error, Result, counted};
use crate::exchange::Existing;
use crate::model::LanguageModelConfig;
use crate::report::Printer;
use crate::runner::{ImportSettings, import_records};
use crate::text::DatasetConfig;

/// Make a store of records of the reference system
///
/// Records are JSON lines, a latent each, as `mongoexport` writes the collection `features`, with arrays as lists. They
/// name contexts by data set and number, so that the texts are read once, from the data set and by the tokenizer of the
/// analysis; the store then holds them. For its pickles see `saescript export --pickle-script`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript import features.jsonl --model EleutherAI/pythia-160m --dataset corpus.jsonl -o a.sqlite
  saescript import features.jsonl --model path/to/model --dataset wiki=wiki.parquet --dataset code=code.jsonl
  saescript import features-*.jsonl --config texts.toml -o a.sqlite    # the fields of ImportSettings")]
pub(super) struct Arguments {
    /// Files of records
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The store that is made
    #[arg(short, long, value_name = "FILE", default_value = "analysis.sqlite")]
    out: PathBuf,
    /// The model, whose tokenizer is used: a folder or a name on the hub
    #[arg(long, value_name = "MODEL", required_unless_present = "config")]
    model: Option<String>,
    /// The texts: a file, a folder or a name on the hub; NAME=PATH where records name several
    #[arg(long, value_name = "[NAME=]PATH", required_unless_present = "config")]
    dataset: Vec<String>,
    /// Tokens of a context at most, BOS included
    #[arg(long, value_name = "N")]
    context_size: Option<usize>,
    /// Texts did not begin with the BOS token
    #[arg(long)]
    no_bos: bool,
    /// All of these from a .toml, .json or .yaml file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "dataset", "context_size", "no_bos"])]
    config: Option<PathBuf>,
    /// Replace a store that is there
    #[arg(long)]
    force: bool,
    /// Write what came of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

impl Arguments {
    fn settings(&self) -> Result<ImportSettings> {
        let mut datasets = BTreeMap::new();
        for given in &self.dataset {
            let (name, path) = match given.split_once('=') {
                Some((name, path)) => (name, path),
                None => ("", given.as_str()),
            };
            let config = DatasetConfig {
                dataset_name_or_path: path.into(),
                ..DatasetConfig::default()
            };
            if datasets.insert(name.to_string(), config).is_some() {
                return Err(Error::input(match name {
                    "" => "several data sets were given without a name".to_string(),
                    name => format!("the data set `{name}` was given twice"),
                })
                .hint("tell them apart: --dataset NAME=PATH, with the names that records have for them"));
            }
        }
        Ok(ImportSettings {
            model: LanguageModelConfig {
                model_name: self.model.clone().unwrap_or_default(),
                ..LanguageModelConfig::default()
            },
            datasets,
            context_size: self.context_size,
            prepend_bos: !self.no_bos,
        })
    }
}

/// Imports; the exit code.
///
/// # Errors
/// What [`import_records`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.as_deref().map(Document::read).transpose()?;
    let settings = match &document {
        Some(document) => document.build()?,
        None => arguments.settings()?,
    };
    let context = arguments.progress.interruptible(printer)?;
    let existing = if arguments.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let imported =
        import_records(&arguments.files, &settings, &arguments.out, existing, &context).map_err(|error| {
            match &document {
                Some(document) => document.locate(error),
                None => error,
            }
        })?;
    if arguments.json {
        let facts = json!({
            "store": arguments.out, "latents": imported.latents, "analyses": imported.analyses,
            "contexts": imported.contexts, "unknown_tokens": imported.unknown_tokens,
        });
        printer.line(&facts.to_string());
    } else {
        printer.line(&format!(
            "{} in {}",
            counted(imported.latents, "latent"),
            counted(imported.contexts, "context"),
        ));
        printer.line(&format!("saescript view {}", arguments.out.display()));
    }
    Ok(0)
}
