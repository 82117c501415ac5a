//! `saescript analyze`: what the latents of a trained dictionary mean, into one file.

use serde_json::json;

use super::again::with_way_on;
use super::arguments::{AllowanceArguments, ConfigArguments, ProgressArguments};
use crate::error::{Result, counted};
use crate::findings::{Flag, Store};
use crate::report::Printer;
use crate::runner::{AnalyzeOptions, AnalyzeSAESettings, analyze_sae};

/// Find out what the latents of a trained dictionary mean
///
/// Where each latent fires, with samples of its contexts, statistics, the latents near it and what it adds to the logits,
/// in one SQLite file that `saescript view` and `show` open. The file holds the fields of AnalyzeSAESettings. An analysis
/// that was interrupted goes on where it stopped when the same command is given again.
///
/// Exit code: 0 written, 1 the run failed, 2 the settings or data are wrong, 130 interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript analyze analyze.toml
  saescript analyze analyze.toml --set analyzer.total_analyzing_tokens=1e6
  saescript analyze analyze.toml --set feature_analysis_name=validation --json | jq .store")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Remove the analysis of the same name first; labels and bookmarks stay
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    allowances: AllowanceArguments,
    /// Write what came of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Analyses; the exit code.
///
/// # Errors
/// What [`analyze_sae`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.read()?;
    let settings: AnalyzeSAESettings = document.build()?;
    let context = arguments.progress.interruptible(printer)?;
    let options = AnalyzeOptions {
        replace: arguments.replace,
        allow_change: arguments.allowances.get(),
    };
    let report =
        analyze_sae(&settings, &options, &context).map_err(|error| with_way_on(document.locate(error)))?;
    let scalars = Store::open(&report.store)?.scalars(report.analysis.id)?;
    let count = |flag: Flag| scalars.iter().filter(|one| one.flags.has(flag)).count();
    let analysis = &report.analysis;
    if arguments.json {
        let flags = Flag::ALL.map(|flag| (flag.name().to_string(), count(flag).into()));
        let facts = json!({
            "store": report.store,
            "analysis": analysis.name,
            "state": analysis.state.name(),
            "latents": analysis.latents,
            "tokens": analysis.tokens,
            "counted": analysis.counted,
            "contexts": analysis.contexts,
            "passes": report.passes,
            "flags": serde_json::Map::from_iter(flags),
        });
        printer.line(&facts.to_string());
    } else {
        let flags = Flag::ALL.map(|flag| format!("{} {}", count(flag), flag.name()));
        printer.line(&format!(
            "{} on {} in {}: {}",
            counted(u64::from(analysis.latents), "latent"),
            counted(analysis.counted, "token"),
            counted(analysis.contexts, "context"),
            flags.join(", ")
        ));
        printer.line(&format!("saescript view {}", report.store.display()));
    }
    Ok(0)
}
