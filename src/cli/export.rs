//! `saescript export`: a store of an analysis for other programs.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use super::arguments::ProgressArguments;
use crate::error::{Error, Result, counted};
use crate::exchange::{Existing, GivenIdentity, PICKLE_SCRIPT, TableFormat};
use crate::report::Printer;
use crate::runner::{Export, ExportForm, export_store};

/// Write what a store holds for other programs
///
/// The store's tables as JSON lines, CSV or Parquet; records of the reference system (Language-Model-SAEs), which
/// `saescript import` reads back; the cache from which delphi explains latents; dashboards as SAEDashboard writes them, or in the layout of Neuronpedia's bulk import.
/// Nothing that is there is written over without --force.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript export results --to parquet -o tables
  saescript export results --to csv --table latent -o latents.csv
  saescript export results --to reference -o features.jsonl
  saescript export results --to delphi -o latents
  saescript export results --to dashboard --sae results -o dashboards
  saescript export results --to neuronpedia --release my-release --creator me -o neuronpedia
  saescript export --pickle-script > pickle_records.py")]
pub(super) struct Arguments {
    /// The store of an analysis: a file, or a folder of results in which an analysis.sqlite lies
    #[arg(required_unless_present = "pickle_script")]
    store: Option<PathBuf>,
    /// What to write
    #[arg(long, value_name = "FORM", required_unless_present = "pickle_script")]
    to: Option<Form>,
    /// A file for reference and for a single table, else a folder
    #[arg(short, long, value_name = "PATH", required_unless_present = "pickle_script")]
    out: Option<PathBuf>,
    /// Which analysis of the store; by default all for reference, else the one called default
    #[arg(long, value_name = "NAME")]
    analysis: Option<String>,
    /// jsonl, csv, parquet: a table; may be given several times; all by default
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// dashboard, neuronpedia: the dictionary that was analysed, for the directions of its latents
    #[arg(long, value_name = "FOLDER")]
    sae: Option<String>,
    /// dashboard, neuronpedia: name of the model, instead of the store's
    #[arg(long, value_name = "NAME")]
    model_id: Option<String>,
    /// dashboard, neuronpedia: the layer, instead of that of the hook point
    #[arg(long, value_name = "N")]
    layer: Option<i64>,
    /// dashboard, neuronpedia: name of the set of dictionaries, instead of the series
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// dashboard, neuronpedia: what tells several of a layer and a set apart
    #[arg(long, value_name = "NAME")]
    suffix: Option<String>,
    /// neuronpedia: name of the release; that of the set by default
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// neuronpedia: who made it
    #[arg(long, value_name = "NAME", default_value = "")]
    creator: String,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Print a Python program that turns pickles of the reference system into records, and back
    #[arg(long, exclusive = true)]
    pickle_script: bool,
    /// Write what came of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Tables, a JSON object a row
    Jsonl,
    /// Tables, comma-separated
    Csv,
    /// Tables in Parquet
    Parquet,
    /// Records of the reference system, a line a latent
    Reference,
    /// The cache of activations from which delphi explains latents
    Delphi,
    /// batch-N.json of SAEDashboard
    Dashboard,
    /// The layout of Neuronpedia's bulk import
    Neuronpedia,
}

impl Arguments {
    /// Refuses arguments that the form has no use for.
    fn check(&self, form: Form) -> Result<()> {
        let is_table = matches!(form, Form::Jsonl | Form::Csv | Form::Parquet);
        let is_dashboard = matches!(form, Form::Dashboard | Form::Neuronpedia);
        let given = [
            ("--table", !self.table.is_empty(), is_table),
            ("--analysis", self.analysis.is_some(), !is_table),
            ("--sae", self.sae.is_some(), is_dashboard),
            ("--model-id", self.model_id.is_some(), is_dashboard),
            ("--layer", self.layer.is_some(), is_dashboard),
            ("--set", self.set.is_some(), is_dashboard),
            ("--suffix", self.suffix.is_some(), is_dashboard),
            ("--release", self.release.is_some(), form == Form::Neuronpedia),
            ("--creator", !self.creator.is_empty(), form == Form::Neuronpedia),
        ];
        match given.iter().find(|(_, given, used)| *given && !used) {
            Some((name, ..)) => Err(Error::input(format!(
                "`{name}` has no meaning for this form: `saescript export --help` says which it is for"
            ))),
            None => Ok(()),
        }
    }

    fn form(&self, form: Form) -> ExportForm {
        match form {
            Form::Jsonl => ExportForm::Tables(TableFormat::JsonLines, self.table.clone()),
            Form::Csv => ExportForm::Tables(TableFormat::Csv, self.table.clone()),
            Form::Parquet => ExportForm::Tables(TableFormat::Parquet, self.table.clone()),
            Form::Reference => ExportForm::Reference,
            Form::Delphi => ExportForm::Delphi,
            Form::Dashboard => ExportForm::Dashboard,
            Form::Neuronpedia => ExportForm::Neuronpedia {
                release: self.release.clone(),
                creator: self.creator.clone(),
            },
        }
    }
}

/// Exports; the exit code.
///
/// # Errors
/// What [`export_store`] cannot do.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let (Some(store), Some(form), Some(out)) = (&arguments.store, arguments.to, &arguments.out) else {
        PICKLE_SCRIPT.lines().for_each(|line| printer.line(line));
        return Ok(0);
    };
    arguments.check(form)?;
    let context = arguments.progress.interruptible(printer)?;
    let export = Export {
        store: store.clone(),
        analysis: arguments.analysis.clone(),
        form: arguments.form(form),
        out: out.clone(),
        existing: if arguments.force {
            Existing::Replace
        } else {
            Existing::Keep
        },
        sae: arguments.sae.clone(),
        identity: GivenIdentity {
            model: arguments.model_id.clone(),
            layer: arguments.layer,
            set: arguments.set.clone(),
            suffix: arguments.suffix.clone(),
        },
    };
    let exported = export_store(&export, &context)?;
    if arguments.json {
        printer.line(&json!({"out": exported.out, "files": exported.files}).to_string());
    } else {
        let files = counted(exported.files.len(), "file");
        printer.line(&match exported.files.as_slice() {
            [one] if *one == exported.out => one.display().to_string(),
            _ => format!("{files} in {}", exported.out.display()),
        });
    }
    Ok(0)
}
