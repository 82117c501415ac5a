//! What was found about the latents of a dictionary, for other programs and from them: tables, records of the reference
//! system, files of dashboards. `docs/exchange.md` describes the forms.

mod columns;
mod dashboard;
mod delphi;
mod described;
mod files;
mod identity;
mod neuronpedia;
mod reference;
mod tables;

pub use dashboard::export_dashboards;
pub use delphi::export_delphi;
pub use described::Described;
pub use files::Existing;
pub use identity::{GivenIdentity, SourceIdentity};
pub use neuronpedia::{Maker, export_neuronpedia};
pub use reference::{
    Imported, Importing, Needed, PICKLE_SCRIPT, RecordPlace, export_reference, import_reference, needed,
};
pub use tables::{TableFormat, export_tables};
