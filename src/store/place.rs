//! Where a folder elsewhere is.

use super::bucket::Place;

#[derive(Clone)]
pub(super) enum Where {
    /// A web server: the address, and what follows each address after a `?`.
    Server { base: String, query: Option<String> },
    /// An object store.
    Bucket(Box<Place>),
}
