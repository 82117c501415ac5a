//! `saescript show`: a latent, or what lies in a folder, on the terminal.

mod folder;

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::findings::{Colours, Printing};
use crate::report::Printer;
use crate::serve::{OpenStores, Writing};

/// Print a latent of an analysed dictionary, or what lies in a folder of results
///
/// With a number: a latent's label and figures, contexts with the tokens on which it fires, what it does to the logits, and
/// latents near it. On a terminal activations are colours; elsewhere ‹token› marks a token on which it fires, and «token» the
/// peak. Without: a run's settings, its facts, and what it logged, with curves; what a dictionary is; which analyses a store
/// holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript show results
  saescript show results/checkpoints/step_1000
  saescript show results 123
  saescript show results 123 --samples 10 --range 50
  saescript show results 123 --json | jq .tokens")]
pub(super) struct Arguments {
    /// A folder of results, of a checkpoint or of a dictionary; the store of an analysis
    path: PathBuf,
    /// The number of a latent; `path` is a store, or a folder in which an analysis.sqlite lies
    latent: Option<u32>,
    /// Which analysis of the store
    #[arg(long, value_name = "NAME", requires = "latent")]
    analysis: Option<String>,
    /// The most contexts of each bin
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    samples: usize,
    /// Tokens on each side of a peak
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    range: usize,
    /// Write everything that is known as one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints; the exit code.
///
/// # Errors
/// Nothing of that kind is there, no such latent; damaged files.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let Some(latent) = arguments.latent else {
        return folder::show(&arguments.path, arguments.json, printer).map(|()| 0);
    };
    let stores = OpenStores::open(std::slice::from_ref(&arguments.path), Writing::Own)?;
    let analysis = arguments.analysis.as_deref();
    if arguments.json {
        let latent = stores.latent(analysis, latent)?;
        let text = serde_json::to_string(&latent).map_err(|error| Error::run(format!("{error}")))?;
        printer.line(&text);
        return Ok(0);
    }
    let printing = Printing {
        colours: colours(),
        samples: arguments.samples,
        range: arguments.range,
    };
    printer.styled(&format!("{}\n", stores.printed(analysis, latent, &printing)?));
    Ok(0)
}

/// Returns which colours the terminal has, by the variables that terminals and people set.
fn colours() -> Colours {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let is =
        |name: &str, values: &[&str]| std::env::var(name).is_ok_and(|value| values.contains(&value.as_str()));
    let forced = set("CLICOLOR_FORCE");
    if set("NO_COLOR") || is("TERM", &["dumb"]) || !(forced || std::io::stdout().is_terminal()) {
        return Colours::None;
    }
    if is("COLORTERM", &["truecolor", "24bit"]) {
        Colours::Full
    } else {
        Colours::Palette
    }
}
