//! `saescript convert`: a trained dictionary in another form.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use super::arguments::ProgressArguments;
use crate::error::{Result, counted};
use crate::report::Printer;
use crate::runner::{Conversion, ConversionData, ConversionTarget, convert_sae};

/// Convert a trained dictionary: to jumprelu, or to and from SAELens
///
/// Dictionaries of topk and batchtopk become jumprelu. The threshold is the smallest positive activation of a batch, averaged over batches. They come from a
/// cache of activations, or from a language model that reads a data set.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript convert results out --to jumprelu --cache path/to/activations
  saescript convert results out --to jumprelu --model EleutherAI/pythia-160m --dataset corpus.jsonl
  saescript convert results out --to saelens --model-name pythia-160m
  saescript convert saelens_folder out --to saescript")]
pub(super) struct Arguments {
    /// The trained dictionary: a folder of saescript's or SAELens's, or `org/repo:folder` on the hub
    sae: String,
    /// Folder for the result
    out: PathBuf,
    /// What to convert to
    #[arg(long, value_name = "FORM")]
    to: Target,
    /// jumprelu: a cache of activations to measure the threshold on
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["model", "dataset"])]
    cache: Option<String>,
    /// jumprelu: the language model, a folder or a name on the hub
    #[arg(long, requires = "dataset")]
    model: Option<String>,
    /// jumprelu: the texts it reads, a file, a folder or a name on the hub
    #[arg(long, requires = "model")]
    dataset: Option<String>,
    /// jumprelu: how many batches the threshold is averaged over
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    batches: u64,
    /// jumprelu: activations in a batch
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..))]
    batch_size: u64,
    /// saelens: name of the language model, for its records
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    model_name: String,
    /// Write what came of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Jumprelu,
    Saelens,
    Saescript,
}

/// Converts; the exit code.
///
/// # Errors
/// What [`convert_sae`] cannot do.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let context = arguments.progress.interruptible(printer)?;
    let texts = arguments.model.clone().zip(arguments.dataset.clone());
    let data = match (&arguments.cache, texts) {
        (Some(cache), _) => Some(ConversionData::Cache(cache.clone())),
        (None, Some((model, dataset))) => Some(ConversionData::Texts { model, dataset }),
        (None, None) => None,
    };
    let conversion = Conversion {
        sae: arguments.sae.clone(),
        out: arguments.out.clone(),
        target: match arguments.to {
            Target::Jumprelu => ConversionTarget::Jumprelu,
            Target::Saelens => ConversionTarget::Saelens,
            Target::Saescript => ConversionTarget::Saescript,
        },
        data,
        batches: arguments.batches,
        batch_size: arguments.batch_size,
        model_name: arguments.model_name.clone(),
    };
    let sae = convert_sae(&conversion, &context)?;
    let (act_fn, d_sae) = (sae.cfg.act_fn.name(), sae.cfg.d_sae());
    if arguments.json {
        printer.line(&json!({"folder": arguments.out, "act_fn": act_fn, "d_sae": d_sae}).to_string())
    } else {
        printer.line(&format!(
            "{act_fn} dictionary of {} in {}",
            counted(d_sae, "latent"),
            arguments.out.display()
        ))
    }
    Ok(0)
}
