//! saescript: an embedded scripting host for sparse-autoencoder experiments.
