//! Activations on disk.
//!
//! ```text
//! CACHE_DIR/HOOK_POINT/chunk-00000000.safetensors    activation, tokens, mask, attention_mask
//!                      chunk-00000000.meta.json      origins of the rows, in 2D
//!                      index.jsonl                   sizes and checksums, one line a chunk
//! ```
//!
//! Chunks of a generation in shards are called `shard-S-chunk-00000000`, and each shard has an index of its own. The
//! layout, but for the index, is that of Language-Model-SAEs, whose caches are read here and which reads ours.
//!
//! A cache may lie on a web server or in an object store: its chunks are fetched ahead into files without a name, then
//! read like those of a folder.

mod check;
mod chunk;
mod chunk_file;
mod chunk_list;
mod chunk_name;
mod chunker;
mod column_view;
mod comparing;
mod config;
mod contents;
mod engine;
mod fetching;
mod folder;
mod form;
mod gather;
mod index;
mod kept;
mod layout;
mod listed;
mod open_chunks;
mod planner;
mod reader;
mod resume;
mod run;
mod source;
mod space;
mod spool;
mod target;
mod threads;
mod writer;

pub use check::{CacheReport, check_cache, is_cache};
pub use config::{ActivationWriterConfig, CacheFormat};
pub(super) use contents::contents_of;
pub use run::Written;
pub(super) use source::{CacheSource, cached_engine};
pub use writer::ActivationWriter;
