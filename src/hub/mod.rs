//! The Hugging Face hub: files of models, data sets and dictionaries, by way of the cache that Python shares.
//!
//! `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean to `huggingface_hub`,
//! and the cache has its layout: `models--ORG--NAME/{blobs,refs,snapshots}`, blobs named by their ETag, relative links
//! to them, `.incomplete` files for what is under way, and its lock files. What one side has fetched the other reads.
//!
//! Ids, addresses and the names in the cache are those of the crate `hf-hub`. The transfer is this program's own: the
//! crate's does not compare what arrives with the checksum the hub names, trusts an unfinished file whatever it holds,
//! and turns every refusal into a bare status. Here a file takes its place in the cache only after its size and its
//! SHA-256 (large files) or Git's SHA-1 (small ones) agree with what the hub said.

mod cache;
mod checksum;
mod failure;
mod listing;
mod names;
mod repository;
mod request;
mod settings;
mod transfer;
mod upload;

pub use names::{Meant, meant_by, names_a_repository};
pub use repository::{RepoKind, Repository};
pub use settings::{HubSettings, HubSurvey, token_places};
pub use upload::Upload;
