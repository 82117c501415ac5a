//! `saescript logits`: what the latents of a dictionary add to the logits of its model.

use super::arguments::{AllowanceArguments, ConfigArguments, ProgressArguments};
use crate::error::Result;
use crate::report::Printer;
use crate::runner::{DirectLogitAttributeSettings, direct_logit_attribute};

/// Compute what latents add to the logits, into the store of an analysis
///
/// `saescript analyze` does it too where its model has weights; this is for stores made from a cache, and for the other
/// mode. The file holds the fields of DirectLogitAttributeSettings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript logits logits.toml
  saescript logits logits.toml --set direct_logit_attributor.mode=reference")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    allowances: AllowanceArguments,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Attributes; the exit code.
///
/// # Errors
/// What [`direct_logit_attribute`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.read()?;
    let settings: DirectLogitAttributeSettings = document.build()?;
    let context = arguments.progress.interruptible(printer)?;
    let allowed = arguments.allowances.get();
    let store =
        direct_logit_attribute(&settings, &allowed, &context).map_err(|error| document.locate(error))?;
    printer.line(&format!("logits of every latent in {}", store.display()));
    Ok(0)
}
