//! Caches as they are read: checked, fetched, shuffled.
//!
//! ```text
//! layout, folder, listed   where chunks lie, and what their indices say
//! chunk, chunk_file        one chunk: mapped files, checked before a row of them is used
//! reader, fetching, spool  a cache as a sequence of chunks; those from elsewhere are fetched ahead
//! planner, open_chunks     which rows of which chunks make the next batch
//! gather, producer         the rows of a batch, brought together by threads
//! opener                   a factory's sources that are caches
//! check, contents          what is wrong with a cache; what it holds, in a line
//! ```

mod check;
mod chunk;
mod chunk_file;
mod chunk_list;
mod column_view;
mod contents;
mod fetching;
mod folder;
mod form;
mod gather;
mod kept;
mod layout;
mod listed;
mod open_chunks;
mod opener;
mod planner;
mod producer;
mod reader;
mod spool;

pub use check::{CacheReport, check_cache, is_cache};
pub(in crate::activations) use contents::contents_of;
pub(in crate::activations) use opener::{CacheWalk, cached_producer};
