//! What analyses found about the latents of a dictionary: one SQLite file that holds all a viewer needs, without the data
//! set, tokenizer or model they were found with. `docs/analysis-store.md` describes it for other programs.
//!
//! Reading needs no libtorch. Analyses (`analysis/`) write it; scripts and viewers read it, and write labels, bookmarks
//! and metrics.

mod analyses;
mod blobs;
mod bookmarks;
mod connect;
mod contexts;
mod evaluations;
mod failure;
mod flags;
mod home;
mod labels;
mod latents;
mod logits;
mod metrics;
mod migrate;
mod neighbours;
mod print;
mod progress;
mod samples;
mod search;
mod store;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod vocabulary;

pub use analyses::{Analysis, Estimates, State, Subsample, SubsampleKind};
pub use bookmarks::Bookmark;
pub use connect::Access;
pub use contexts::{Context, Place};
pub use flags::{Flag, Flags};
pub use labels::Label;
pub use latents::{Histogram, Latent, Scalars};
pub use logits::{Heads, Logits, TokenLogit};
pub use neighbours::{Near, Neighbour};
pub use print::{AnalysisSummary, Colours, Printing, StoreSummary};
pub use samples::{Sample, Samples};
pub use search::{Hit, LatentText};
pub use store::Store;
pub use tables::{CellKind, TABLES, Table, TableCell, TableColumn};
pub use vocabulary::{TokenFiring, Vocabulary};
