//! Activations made by running a model.
//!
//! ```text
//! opener, tokens, packing   data sets -> token sequences, by threads
//! mixture, position         several sources as one, and where each has got to
//! model, language_model     what is needed of a model
//! grouping, forward, buffer sequences -> rows of the buffer
//! producer, ahead           the buffer -> batches, some of them ahead of whoever takes them
//! ```

mod ahead;
mod buffer;
mod forward;
mod grouping;
mod language_model;
mod mixture;
mod model;
mod opener;
mod packing;
mod position;
mod producer;
mod tokens;

pub(super) use ahead::{AheadProducer, DirectProducer};
pub(super) use forward::{Forward, SpecialIds};
pub(super) use grouping::Limits;
pub use model::{ActivationModel, Capture, Encoder};
pub(super) use opener::SourceOpener;
pub(super) use producer::LiveProducer;
