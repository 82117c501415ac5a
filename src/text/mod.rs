//! Text: data sets and tokenizers.

mod added;
mod card;
mod cell;
mod config;
mod data_file;
mod dataset;
mod disk;
mod failure;
mod files;
mod find;
mod fingerprint;
mod format;
mod layout;
mod loading;
mod offsets;
mod order;
mod reading;
mod records;
mod rows;
mod special;
mod split;
mod token_bytes;
mod tokenizer;
mod trace;
mod transform;
mod windows;

pub use cell::{Cell, Row};
pub use config::{DataFiles, DatasetConfig, OnBadRecord};
pub use dataset::Dataset;
pub use format::SampleBy;
pub use records::{Content, Record, RecordKind, Records, Skipped, TOKEN_COLUMN};
pub use rows::Origin;
pub use special::SpecialTokens;
pub use tokenizer::Tokenizer;
pub use trace::TracedToken;
pub use transform::SHUFFLE_BUFFER;
