//! A store of an analysis in the forms of other programs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::clock::timestamp;
use crate::dictionary::{LoadOptions, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::exchange::{
    Described, Existing, GivenIdentity, Maker, SourceIdentity, TableFormat, export_dashboards, export_delphi,
    export_neuronpedia, export_reference, export_tables,
};
use crate::findings::{Access, Store, TABLES, Table};
use crate::tensor::Kind;

/// What a store is exported to.
#[derive(Clone, Debug)]
pub enum ExportForm {
    /// Tables of these names, or all, as they are.
    Tables(TableFormat, Vec<String>),
    /// Records of the reference system.
    Reference,
    /// The cache from which delphi explains latents.
    Delphi,
    /// `batch-N.json` of SAEDashboard.
    Dashboard,
    /// Neuronpedia's bulk import.
    Neuronpedia {
        /// Name of the release.
        release: Option<String>,
        /// Who made it.
        creator: String,
    },
}

/// An export.
#[derive(Clone, Debug)]
pub struct Export {
    /// The store: a file, or a folder with an `analysis.sqlite`.
    pub store: PathBuf,
    /// Which analysis; `None`: that of `Store::analysis` without a name, and all for the reference's records.
    pub analysis: Option<String>,
    /// Into what.
    pub form: ExportForm,
    /// A file or folder.
    pub out: PathBuf,
    /// What becomes of files that are there.
    pub existing: Existing,
    /// The dictionary, for the decoder's rows in dashboards.
    pub sae: Option<String>,
    /// Names for dashboards.
    pub identity: GivenIdentity,
}

/// What came of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The file or folder.
    pub out: PathBuf,
    /// All files.
    pub files: Vec<PathBuf>,
}

/// Exports a store.
///
/// # Errors
/// No store, or no such analysis or table; something that the form cannot hold; a file that is there already; a stop was
/// asked for.
pub fn export_store(export: &Export, context: &RunContext) -> Result<Exported> {
    let inside = export.store.join("analysis.sqlite");
    let path = if inside.is_file() { &inside } else { &export.store };
    let store = Store::open_for(path, Access::Read)?;
    let (existing, stop, out) = (export.existing, &context.stop, export.out.as_path());
    let done = |out: &Path, files| {
        Ok(Exported {
            out: out.to_path_buf(),
            files,
        })
    };
    match &export.form {
        ExportForm::Tables(format, names) => {
            let named = names.iter().map(|name| Table::of_name(name));
            let mut tables: Vec<&Table> = named.collect::<Result<_>>()?;
            if tables.is_empty() {
                tables = TABLES.iter().collect();
            }
            done(out, export_tables(&store, &tables, *format, out, existing)?)
        }
        ExportForm::Reference => {
            let analyses = match &export.analysis {
                Some(name) => vec![store.analysis(Some(name))?],
                None => store.analyses()?,
            };
            if analyses.is_empty() {
                store.analysis(None)?;
            }
            export_reference(&store, &analyses, out, existing, stop)?;
            done(out, vec![out.to_path_buf()])
        }
        ExportForm::Delphi => {
            let analysis = store.analysis(export.analysis.as_deref())?;
            done(out, export_delphi(&store, &analysis, out, existing, stop)?)
        }
        ExportForm::Dashboard => {
            let analysis = store.analysis(export.analysis.as_deref())?;
            let described = Described::new(&store, &analysis, vectors(export, &store, context)?)?;
            let identity = SourceIdentity::new(&export.identity, &store.all_meta()?)?;
            done(
                out,
                export_dashboards(&described, &identity, out, existing, stop)?,
            )
        }
        ExportForm::Neuronpedia { release, creator } => {
            let analysis = store.analysis(export.analysis.as_deref())?;
            let described = Described::new(&store, &analysis, vectors(export, &store, context)?)?;
            let identity = SourceIdentity::new(&export.identity, &store.all_meta()?)?;
            let maker = Maker {
                release: release.clone().unwrap_or_else(|| identity.set.clone()),
                description: format!("{}, layer {}", identity.set, identity.layer),
                creator: creator.clone(),
                created: timestamp(SystemTime::now()),
            };
            let (folder, files) = export_neuronpedia(&described, &identity, &maker, out, (existing, stop))?;
            done(&folder, files)
        }
    }
}

/// Returns the decoder's rows of the dictionary that was named, of one with heads those of the last one; none where none
/// was named.
fn vectors(export: &Export, store: &Store, context: &RunContext) -> Result<Vec<Vec<f32>>> {
    let Some(name) = &export.sae else {
        return Ok(Vec::new());
    };
    let path = Path::new(name);
    let identity = SparseAutoEncoder::identity(path, context)?;
    if store
        .meta("dictionary.identity")?
        .is_some_and(|known| known != identity)
    {
        return Err(Error::input(format!(
            "`{name}` is not the dictionary that was analysed: its weights are others"
        ))
        .hint("give the dictionary of the analysis with `--sae`, or leave it out"));
    }
    let options = LoadOptions {
        context: context.clone(),
        ..LoadOptions::default()
    };
    let sae = SparseAutoEncoder::from_pretrained(path, &options)?;
    let mut rows = sae.parameter("W_D")?.f_detach()?.f_to_kind(Kind::Float)?;
    while rows.dim() > 2 {
        rows = rows.f_select(0, -1)?;
    }
    let rows = (0..rows.size()[0])
        .map(|latent| Ok(Vec::<f32>::try_from(rows.f_select(0, latent)?.f_contiguous()?)?));
    rows.collect()
}
