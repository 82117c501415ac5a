//! Activation streams, from data sets and from caches.

mod cached;
mod parity;
mod stream;
mod toy;
mod written;
