//! `saescript analyze`: what the latents of a trained dictionary mean, into one file.

use serde_json::json;

use super::again::with_way_on;
use super::arguments::{AllowanceArguments, ConfigArguments, ProgressArguments};
use crate::config::Document;
use crate::error::{Result, counted};
use crate::event::RunContext;
use crate::findings::Store;
use crate::report::Printer;
use crate::runner::{
    AnalyzeCrosscoderSettings, AnalyzeOptions, AnalyzeReport, AnalyzeSAESettings, analyze_crosscoder,
    analyze_sae,
};

/// Find out what the latents of a trained dictionary mean
///
/// Where each latent fires, with samples of its contexts, statistics, the latents near it and what it adds to the logits,
/// in one SQLite file that `saescript view` and `show` open. The file holds the fields of AnalyzeSAESettings, or those of
/// AnalyzeCrosscoderSettings, which has several `activation_factories`. An analysis that was interrupted goes on where it
/// stopped when the same command is given again.
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
    /// Replace the analysis of the same name, once the new one is complete; labels and bookmarks stay
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

type Analysis = dyn Fn(&AnalyzeOptions, &RunContext) -> Result<AnalyzeReport>;

/// Returns the analysis that `document` has the settings of: a crosscoder's is told by its several streams.
fn prepared(document: &Document) -> Result<Box<Analysis>> {
    if document.value().get("activation_factories").is_some() {
        let settings: AnalyzeCrosscoderSettings = document.build()?;
        return Ok(Box::new(move |options, context| {
            analyze_crosscoder(&settings, options, context)
        }));
    }
    let settings: AnalyzeSAESettings = document.build()?;
    Ok(Box::new(move |options, context| {
        analyze_sae(&settings, options, context)
    }))
}

/// Analyses; the exit code.
///
/// # Errors
/// What [`analyze_sae`] and [`analyze_crosscoder`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.read()?;
    let analyze = prepared(&document)?;
    let context = arguments.progress.interruptible(printer)?;
    let options = AnalyzeOptions {
        replace: arguments.replace,
        allow_change: arguments.allowances.get(),
    };
    let report = analyze(&options, &context).map_err(|error| with_way_on(document.locate(error)))?;
    let flags = Store::open(&report.store)?.flag_counts(report.analysis.id)?;
    let analysis = &report.analysis;
    if arguments.json {
        let flags = flags.map(|(flag, count)| (flag.name().to_string(), count.into()));
        let facts = json!({
            "store": report.store,
            "analysis": analysis.name,
            "state": analysis.state.name(),
            "latents": analysis.latents,
            "tokens": analysis.tokens,
            "counted": analysis.counted,
            "contexts": analysis.contexts,
            "passes": report.passes,
            "estimates": analysis.estimates(),
            "flags": serde_json::Map::from_iter(flags),
        });
        printer.line(&facts.to_string());
    } else {
        let flags = flags.map(|(flag, count)| format!("{count} {}", flag.name()));
        printer.line(&format!(
            "{} on {} in {}: {}",
            counted(u64::from(analysis.latents), "latent"),
            counted(analysis.counted, "token"),
            counted(analysis.contexts, "context"),
            flags.join(", ")
        ));
        analysis.estimates().iter().for_each(|text| printer.line(text));
        printer.line(&format!("saescript view {}", report.store.display()));
    }
    Ok(0)
}
