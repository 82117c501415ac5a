//! What is said of model, dictionary and text.

use std::path::PathBuf;

use serde::Serialize;

/// Where model and dictionary lie, where they are not as the store says.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Folder of the model, or its name on a hub.
    pub model: Option<String>,
    /// Folder of the dictionary, or its name on a hub.
    pub sae: Option<PathBuf>,
}

/// What a store says of its model and dictionary.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::serve) struct Named {
    pub(in crate::serve) model: Option<String>,
    pub(in crate::serve) model_weights: Option<String>,
    pub(in crate::serve) sae: Option<PathBuf>,
    pub(in crate::serve) sae_identity: Option<String>,
}

/// Latent, activation, share of the reconstruction, effect on the next token.
pub(in crate::serve) type Firing = (u32, f32, Option<f32>, Option<f32>);

/// A text as it was read, piece by piece: a piece is a token, or several that share a character.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::serve) struct ReadText {
    /// Texts of the pieces.
    pub(in crate::serve) pieces: Vec<String>,
    /// The latents that fire on each piece: number, activation, share of the reconstruction, effect on the next token;
    /// strongest first.
    pub(in crate::serve) latents: Vec<Vec<Firing>>,
    /// How many fire on each piece.
    pub(in crate::serve) active: Vec<usize>,
    /// The part of each activation that the reconstruction lacks: ‖x − y‖²/‖x‖².
    pub(in crate::serve) error: Vec<Option<f32>>,
    /// The model's loss on each piece, in nats; none for the first.
    pub(in crate::serve) loss: Vec<Option<f32>>,
    /// The same with the reconstruction in place of the activations.
    pub(in crate::serve) loss_with: Vec<Option<f32>>,
    /// The text was longer than what was read.
    pub(in crate::serve) cut: bool,
    /// Why there are no effects, if so.
    pub(in crate::serve) no_effects: Option<String>,
}
