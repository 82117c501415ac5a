//! What stands out about a latent.

/// One thing that stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It never fires.
    Dead,
    /// It fires so rarely that there is little to judge it from.
    Rare,
    /// It fires on a large part of all tokens.
    Dense,
    /// Another latent's decoder row points the same way.
    Duplicate,
    /// It fires on one token, nearly always.
    Token,
    /// It moves a few logits by far more than the others.
    Output,
}

impl Flag {
    /// All of them, in the order of their bits.
    pub const ALL: [Flag; 6] = [
        Flag::Dead,
        Flag::Rare,
        Flag::Dense,
        Flag::Duplicate,
        Flag::Token,
        Flag::Output,
    ];

    /// Returns its name, as filters and scripts write it.
    pub fn name(self) -> &'static str {
        match self {
            Flag::Dead => "dead",
            Flag::Rare => "rare",
            Flag::Dense => "dense",
            Flag::Duplicate => "duplicate",
            Flag::Token => "token",
            Flag::Output => "output",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of flags, one bit each as the store has them: 1 dead, 2 rare, 4 dense, 8 duplicate, 16 token, 32 output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Returns whether `flag` is in the set.
    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// Returns the set with `flag` if `is_so`, and else without it.
    #[must_use]
    pub fn with(self, flag: Flag, is_so: bool) -> Self {
        Flags((self.0 & !flag.bit()) | if is_so { flag.bit() } else { 0 })
    }

    /// Returns the names of the flags in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flag::ALL
            .into_iter()
            .filter(move |flag| self.has(*flag))
            .map(Flag::name)
    }
}
