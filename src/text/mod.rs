//! Text: data sets and tokenizers.

mod config;
mod dataset;
mod files;
mod format;
mod tokenizer;
mod trace;

pub use config::{DataFiles, DatasetConfig};
pub use dataset::{Content, Dataset, Origin, Record, RecordKind, Records, TOKEN_COLUMN};
pub use tokenizer::{SpecialTokens, Tokenizer};
pub use trace::TracedToken;
