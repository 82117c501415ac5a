//! Dictionaries in the format of SAELens: `cfg.json` and `sae_weights.safetensors`, as its versions 3 to 6 write them.
//!
//! SAELens dictionaries read activations as the model has them, so ours are folded on the way out. Thresholds there are
//! compared with the pre-activations themselves, so ours are divided by the decoder norms where those take part.
//! Where `rescale_acts_by_decoder_norm` is set, SAELens leaves the decoder norms in the latents; ours are divided by
//! them, and the reconstructions are the same.
//!
//! Its gated dictionaries are those of `variants/gated.rs`, but that the encoder reads `x − b_dec` there.

mod read;
mod settings;
mod write;

pub(super) use settings::Settings;

/// The settings file that tells a folder of SAELens from one of ours.
pub(super) const SETTINGS_FILE: &str = "cfg.json";

/// The weights beside it.
pub(super) const WEIGHTS_FILE: &str = "sae_weights.safetensors";

/// Their names of our parameters, as far as a dictionary has them.
const NAMES: [(&str, &str); 7] = [
    ("W_enc", "W_E"),
    ("b_enc", "b_E"),
    ("b_gate", "b_gate"),
    ("r_mag", "r_mag"),
    ("b_mag", "b_mag"),
    ("W_dec", "W_D"),
    ("b_dec", "b_D"),
];

/// Their name of the thresholds, which are stored themselves, not their logarithms.
const THRESHOLD: &str = "threshold";
