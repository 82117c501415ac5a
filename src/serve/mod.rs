//! The viewer: what analyses found about the latents of a dictionary, as pages in a browser and as text.
//!
//! [`OpenStores`] holds the stores that are looked at, `view/` makes what pages are told of them, `http/` is the server, and
//! `front/` the pages: modules, styles and pictures written by hand, embedded in the program as they stand.
//!
//! A store may come from anywhere and any page in the browser may try to speak to the server, so texts of stores are
//! never markup, whoever asks has to have come by the one-time link, and names, origins and lengths of requests are checked
//! before anything is read.

mod export;
mod front;
mod http;
mod reading;
mod shown;
mod stores;
mod view;

pub use export::{Chosen, LARGE};
pub use http::{Server, ServerOptions};
pub use reading::Given;
pub use stores::{OpenStores, Writing};
