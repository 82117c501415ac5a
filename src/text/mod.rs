//! Text: data sets and tokenizers.

mod added;
mod card;
mod config;
mod data_file;
mod dataset;
mod disk;
mod files;
mod fingerprint;
mod format;
mod layout;
mod order;
mod rows;
mod special;
mod split;
mod tokenizer;
mod trace;
mod transform;

pub use config::{DataFiles, DatasetConfig};
pub use dataset::{Content, Dataset, Origin, Record, RecordKind, Records, TOKEN_COLUMN};
pub use format::Row;
pub use special::SpecialTokens;
pub use tokenizer::Tokenizer;
pub use trace::TracedToken;
pub use transform::SHUFFLE_BUFFER;
