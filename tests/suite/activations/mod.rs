//! Activation streams, from data sets and from caches.

mod cached;
mod stream;
mod toy;
