//! The dictionary: the sparse autoencoder, its activation functions, losses and files.
//!
//! Shapes throughout: `x (…, d_model)`, `W_E (d_model, d_sae)`, `b_E (d_sae)`, `W_D (d_sae, d_model)`, `b_D (d_model)`,
//! latents `f (…, d_sae)`. The leading dimensions are `(batch)` or `(batch, seq)`.

mod activation;
mod config;
mod convert;
mod files;
mod loss;
mod norm;
mod other_makes;
mod pass;
mod place;
mod sae;
mod saelens;
mod trained;
mod weights;

pub use activation::ActFn;
pub use config::{SAEConfig, SaeType};
pub use convert::ThresholdEstimate;
pub use files::LoadOptions;
pub use loss::{DeadLatents, LossInput, LossSettings, LossTerms, SparsityLoss};
pub(crate) use loss::{squared_error, sum_last};
pub use norm::NormActivation;
pub use pass::{Pass, counted_rows};
pub use sae::{Encoded, LOG_THRESHOLD, SparseAutoEncoder};
