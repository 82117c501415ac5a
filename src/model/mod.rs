//! Language models: one hooked decoder, an adapter for each family, and the handle that people hold.

mod assemble;
mod attention;
mod attribution;
mod config;
mod decoder;
mod ends;
mod families;
mod fingerprint;
mod generate;
mod gradient;
mod hf_config;
mod hf_rope;
mod hooks;
mod language_model;
mod layers;
mod locate;
mod named_weights;
mod plan;
mod prompts;
mod rotary;
mod run;
mod settings;
mod sites;
mod texts;
mod weights;

pub use attribution::LogitMode;
pub use config::{
    Activation, Attention, DecoderConfig, Mlp, Norm, Placement, Position, QkNorm, Residual, Span,
};
pub use families::{FAMILIES, Family};
pub use generate::GenerationConfig;
pub use gradient::Gradient;
pub use hooks::Edit;
pub use language_model::LanguageModel;
pub use plan::CapturePlan;
pub use prompts::{Input, PaddingSide, Prompts};
pub use rotary::{Rope, RopeScaling};
pub use run::{losses_per_token, mean_loss, next_token_losses};
pub use settings::{Backend, LanguageModelConfig, hub_id};
pub use sites::{Dimension, HookPoint};
