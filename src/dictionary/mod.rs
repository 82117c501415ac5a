//! The dictionary: settings, parameters, losses and files of sparse autoencoders and their variants.
//!
//! ```text
//! config, fields, hook_points, size   what a dictionary is, as settings
//! parameters, sae, heads              the numbers, and what can be done with them
//! variant, variants/                  what is computed with them: a file and a row for each kind
//! activation, pass                    which latents are on, and what one call is told
//! loss/                               a list of terms, a file each
//! norm, weights, convert              scales, initial values, other activation functions
//! files, trained, place, saelens/     on disk and on the hub
//! ```
//!
//! Shapes throughout: `x (…, d_model)`, `W_E (d_model, d_sae)`, `b_E (d_sae)`, `W_D (d_sae, d_model)`, `b_D (d_model)`,
//! latents `f (…, d_sae)`. The leading dimensions are `(batch)` or `(batch, seq)`.

mod activation;
mod config;
mod convert;
mod fields;
mod files;
mod heads;
mod hook_points;
mod loss;
mod norm;
mod other_makes;
mod parameters;
mod pass;
mod place;
mod sae;
mod saelens;
mod size;
mod trained;
mod variant;
mod variants;
mod weights;

pub use activation::{ActFn, CustomActivation, LOG_THRESHOLD};
pub use config::{BaseConfig, SAEConfig};
pub use convert::ThresholdEstimate;
pub use files::LoadOptions;
pub use hook_points::{Heads, HookLayout, HookPoints, InOut};
pub use loss::{
    DeadLatents, LossContext, LossInput, LossSettings, LossTerms, SparsityLoss, Term, mean_squared_error,
    squared_error, sum_last,
};
pub use norm::NormActivation;
pub use parameters::{Parameter, ParameterSpec, Parameters, Role};
pub use pass::{Custom, LossFn, Pass, PenaltyFn, counted_rows};
pub use sae::{Encoded, SparseAutoEncoder};
pub use variant::{Capability, StepFacts, Variant, require};
pub use variants::{Row, VARIANTS};
