//! Activation streams, from data sets and from caches.

mod stream;
mod toy;
