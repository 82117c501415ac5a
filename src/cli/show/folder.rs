//! What lies in a folder: a run, a dictionary, a store.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::to_value;
use crate::dictionary::SAEConfig;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::report::{Printer, Table, format};
use crate::serve::{OpenStores, Writing};
use crate::train::RunRecord;

/// The most bars of a curve.
const BARS: usize = 40;

/// Facts of a run that are told first.
const FACTS: [&str; 11] = [
    "status",
    "steps",
    "tokens",
    "seconds",
    "started_at",
    "finished_at",
    "saescript",
    "libtorch",
    "device",
    "threads",
    "step_engine",
];

/// Prints what lies at `path`: the folder of a run, a checkpoint or another folder of a dictionary, a store.
///
/// # Errors
/// Nothing of these is there; files that are damaged.
pub(super) fn show(path: &Path, json: bool, printer: &Printer) -> Result<()> {
    let run = RunRecord::read(path)?;
    let dictionary = dictionary(path)?;
    let store = if path.is_file() || path.join("analysis.sqlite").is_file() {
        Some(OpenStores::open(&[path.to_path_buf()], Writing::Own)?.summary()?)
    } else {
        None
    };
    if run.is_none() && dictionary.is_none() && store.is_none() {
        return Err(Error::input(format!(
            "there is no run, no dictionary and no store of an analysis at `{}`",
            path.display()
        ))
        .hint("give the folder that `saescript train` wrote, a checkpoint in it, or an analysis.sqlite"));
    }
    if json {
        let curves = run.as_ref().map(RunRecord::curves).unwrap_or_default();
        let last = curves
            .iter()
            .filter_map(|(name, values)| Some((*name, *values.last()?)));
        let last: BTreeMap<&str, f64> = last.collect();
        let all = json!({
            "run": to_value(&run)?, "metrics": last, "dictionary": dictionary, "analyses": to_value(&store)?,
        });
        printer.line(&all.to_string());
        return Ok(());
    }
    if let Some(run) = &run {
        print_run(path, run, printer);
    }
    if let Some(dictionary) = &dictionary {
        printer.line(&format!("dictionary\n{}", listed(dictionary.iter())));
    }
    if let Some(store) = &store {
        printer.line(&store.to_string());
        printer.line(&format!(
            "saescript show {} LATENT, or saescript view {0}",
            path.display()
        ));
    }
    Ok(())
}

/// Returns what a dictionary in `folder` is, if there is one.
fn dictionary(folder: &Path) -> Result<Option<Map<String, Value>>> {
    if !["config.json", "cfg.json"]
        .iter()
        .any(|name| folder.join(name).is_file())
    {
        return Ok(None);
    }
    let config = SAEConfig::from_pretrained(folder, &RunContext::default())?;
    config.architecture().map(Some)
}

fn print_run(path: &Path, run: &RunRecord, printer: &Printer) {
    if let Some(settings) = &run.settings {
        printer.line(&format!(
            "settings of {}\n\n{}",
            path.display(),
            settings.trim_end()
        ));
        printer.line("");
    }
    let facts = FACTS.iter().filter_map(|name| run.facts.get_key_value(*name));
    printer.line(&format!("run\n{}", listed(facts)));
    let steps: Vec<String> = run.checkpoints.iter().map(|step| format::count(*step)).collect();
    if !steps.is_empty() {
        printer.line(&format!("  {:<30} of step {}", "checkpoints", steps.join(", ")));
    }
    let Some((step, _)) = run.metrics.last() else {
        return;
    };
    let last = format!("up to step {}", format::count(*step));
    let mut table = Table::new(["metric", last.as_str(), "curve"]);
    for (name, values) in run.curves() {
        let last = values.last().copied().unwrap_or(f64::NAN);
        table.row([
            name.to_string(),
            format::metric(last),
            format::bars(&thinned(&values)),
        ]);
    }
    printer.line(&format!("\n{}\n", table.render(None)));
}

fn listed<'f>(facts: impl Iterator<Item = (&'f String, &'f Value)>) -> String {
    let lines = facts.map(|(name, value)| match value {
        Value::String(text) => format!("  {name:<30} {text}"),
        other => format!("  {name:<30} {other}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns means over equal parts of `values`, where there are too many for a line.
fn thinned(values: &[f64]) -> Vec<f64> {
    let each = values.len().div_ceil(BARS).max(1);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    values.chunks(each).map(mean).collect()
}
