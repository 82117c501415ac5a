//! What not all dictionaries can.

/// Something that only some variants can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Each token's latents can be chosen by thresholds instead of by comparison.
    JumpRelu,
    /// SAELens has dictionaries of this kind.
    SaeLens,
    /// Its decoder can begin with what the model's own MLP writes, or in the subspace of what it reads.
    Subspace,
    /// Its gradients are written by hand, beside libtorch's automatic ones.
    NativeStep,
}

impl Capability {
    /// Returns what cannot be done, to be put before "a dictionary of sae_type …".
    pub(super) fn missing(self) -> &'static str {
        match self {
            Capability::JumpRelu => "there is no conversion to jumprelu for",
            Capability::SaeLens => "SAELens has no place for",
            Capability::NativeStep => "there are no gradients by hand for",
            Capability::Subspace => "there is no initialisation from the model or from a subspace for",
        }
    }
}
