//! Requests over HTTP and files that arrive in pieces: what is tried again and for how long, redirects, transfers that
//! go on where they broke off, several of them at once.
//!
//! Whom to ask for what, and how to put a refusal into words, is left to the layers above: a hub, a web server, an
//! object store.

mod body;
pub mod pool;
mod progress;
mod receive;
mod redirect;
mod request;
mod retry;
mod trouble;

pub use body::{Method, Reply, cut};
pub use progress::Progress;
pub use receive::{Sink, persist, receive};
pub use redirect::Leave;
pub use request::{Request, Web, bytes, escaped, header, refusal, text};
pub use retry::{Patience, patiently};
pub use trouble::{Refusal, Trouble};
