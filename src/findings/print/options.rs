//! How a latent is printed.

/// How activations are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// By signs: ‹token› where the latent fires, «token» at the peak.
    #[default]
    None,
    /// By one of the 256 colours that most terminals have.
    Palette,
    /// By any colour.
    Full,
}

/// How a latent is printed.
#[derive(Clone, Copy, Debug)]
pub struct Printing {
    /// How activations are shown.
    pub colours: Colours,
    /// The most contexts of each subsample.
    pub samples: usize,
    /// Tokens on each side of a peak.
    pub range: usize,
}

impl Default for Printing {
    fn default() -> Self {
        Printing {
            colours: Colours::None,
            samples: 5,
            range: 20,
        }
    }
}
