//! Activation streams, from data sets and from caches.

mod ahead;
mod cached;
pub mod files;
mod padding;
mod parity;
mod passes;
mod refusals;
mod remote;
mod stream;
mod toy;
mod written;
