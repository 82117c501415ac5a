//! Folders on web servers and object stores, read like folders here.
//!
//! ```text
//! https://host/path          any web server that sends files; better one that sends parts of them
//! s3://bucket/prefix         Amazon's object store, or another one that speaks its protocol
//! ```
//!
//! Requests to an object store are signed, and its lists of files read, by the crate `rusty-s3`, which does no input or
//! output; sending them, trying again and going on after a cut are `transfer`'s. Keys, region and endpoint are found
//! where Amazon's own programs find them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE with
//! the files in `~/.aws`, AWS_REGION, AWS_ENDPOINT_URL. Without keys, requests are not signed, as public buckets want
//! it.

mod bucket;
mod failure;
mod fetch;
mod folder;
mod listing;
mod place;
mod settings;

pub use folder::{RemoteFolder, is_remote};
pub use listing::Listing;
pub use settings::key_places;
