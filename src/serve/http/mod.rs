//! The server: who may ask, what they may ask, and within which limits.

mod answer;
mod hosts;
mod limits;
mod routes;
mod server;
mod sessions;

pub use server::{Server, ServerOptions};
