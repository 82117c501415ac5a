//! What the tensors in a chunk's files are called.

/// Names of the tensors in a chunk's file.
pub(super) const ACTIVATION: &str = "activation";

pub(super) const TOKENS: &str = "tokens";

pub(super) const MASK: &str = "mask";

pub(super) const ATTENTION_MASK: &str = "attention_mask";
