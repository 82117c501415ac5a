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

mod chunk_name;
mod index;
mod read;
mod space;
mod tensor_names;
mod write;

pub use read::{CacheReport, check_cache, is_cache};
pub(super) use read::{CacheWalk, cached_producer, contents_of};
pub use write::{ActivationWriter, ActivationWriterConfig, CacheFormat, Written};
