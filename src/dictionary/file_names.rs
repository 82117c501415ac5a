//! What the files of a dictionary are called.

/// The architecture.
pub(super) const SETTINGS_FILE: &str = "config.json";

/// Where weights are looked for in a folder, in this order.
pub(super) const WEIGHT_FILES: [&str; 3] = [
    "sae_weights.safetensors",
    "checkpoints/pruned.safetensors",
    "checkpoints/final.safetensors",
];
