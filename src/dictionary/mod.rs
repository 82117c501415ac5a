//! The dictionary: settings, parameters, losses and files of sparse autoencoders and their variants.
//!
//! ```text
//! base, config, fields, hook_points    what a dictionary is, as settings
//! parameters, sae, heads              the numbers, and what can be done with them
//! variant, wants, variants/           what is computed with them, and of what: a file and a row for each kind
//! activation, entries, pass           which latents are on, and what one call is told
//! loss/                               a list of terms, a file each
//! scale, norm, weights, convert       scales, initial values, other activation functions
//! files, trained, place, saelens/     on disk and on the hub
//! ```
//!
//! Shapes throughout: `x (…, d_model)`, `W_E (d_model, d_sae)`, `b_E (d_sae)`, `W_D (d_sae, d_model)`, `b_D (d_model)`,
//! latents `f (…, d_sae)`. The leading dimensions are `(batch)` or `(batch, seq)`.

mod activation;
mod base;
mod capability;
mod config;
mod convert;
mod digest;
mod entries;
mod fields;
mod file_names;
mod files;
mod heads;
mod hook_points;
mod load_options;
mod loss;
mod norm;
mod other_makes;
mod parameters;
mod pass;
mod place;
mod prefix;
mod sae;
mod saelens;
mod scale;
mod size;
mod trained;
mod variant;
mod variants;
pub(crate) mod wants;
mod weights;

pub use activation::{ActFn, CustomActivation, Gate, LOG_THRESHOLD, Selection};
pub use base::BaseConfig;
pub use capability::Capability;
pub use convert::ThresholdEstimate;
pub use entries::Entries;
pub use hook_points::{Heads, HookLayout, HookPoints, InOut};
pub use load_options::LoadOptions;
pub use loss::{
    ByNumber, DeadLatents, LossInput, LossSettings, LossTerms, Penalty, SparsityLoss, Term, squared_error,
    sum_last,
};
pub use parameters::{Parameter, ParameterSpec, Parameters, Role};
pub use pass::{Custom, LossFn, Pass, PenaltyFn, counted_rows};
pub use prefix::Prefix;
pub use scale::{NormActivation, norm_floor};
pub use variant::{Encoded, LossContext, SAEConfig, SparseAutoEncoder, StepFacts, Variant};
pub use variants::{Row, VARIANTS};
pub use wants::Wants;
