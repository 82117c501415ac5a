//! Configurations that were checked.

use std::ops::Deref;

use serde::Serialize;

use super::class::Config;
use crate::error::Result;

/// A configuration whose values were checked and have not changed since: who uses it takes it on trust. There is no way
/// to make or change one past [`Config::validate`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Checked<C>(C);

impl<C: Config> Checked<C> {
    /// Checks `config`.
    ///
    /// # Errors
    /// What its [`Config::validate`] refuses.
    pub fn new(config: C) -> Result<Self> {
        config.validate()?;
        Ok(Self(config))
    }

    /// Changes the configuration and checks it again; it stays as it was where that is refused.
    ///
    /// # Errors
    /// What [`Config::validate`] refuses of the changed one.
    pub fn change(&mut self, change: impl FnOnce(&mut C)) -> Result<()> {
        let mut changed = self.0.clone();
        change(&mut changed);
        *self = Self::new(changed)?;
        Ok(())
    }

    /// Returns the configuration as plain data that may change, and is no longer known to be sound.
    pub fn into_inner(self) -> C {
        self.0
    }
}

impl<C> Deref for Checked<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// What can be taken as a checked configuration: one that is checked already, or one that is checked here.
pub trait IntoChecked<C> {
    /// Returns the configuration, which was checked.
    ///
    /// # Errors
    /// What [`Config::validate`] refuses, where nobody has checked it yet.
    fn into_checked(self) -> Result<Checked<C>>;
}

impl<C: Config> IntoChecked<C> for C {
    fn into_checked(self) -> Result<Checked<C>> {
        Checked::new(self)
    }
}

impl<C: Config> IntoChecked<C> for &C {
    fn into_checked(self) -> Result<Checked<C>> {
        Checked::new(self.clone())
    }
}

impl<C: Config> IntoChecked<C> for Checked<C> {
    fn into_checked(self) -> Result<Checked<C>> {
        Ok(self)
    }
}

impl<C: Config> IntoChecked<C> for &Checked<C> {
    fn into_checked(self) -> Result<Checked<C>> {
        Ok(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::error::Error;

    thread_local! {
        static LOOKED_AT: Cell<u32> = const { Cell::new(0) };
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Even {
        number: u64,
    }

    impl Config for Even {
        const NAME: &'static str = "Even";

        fn validate(&self) -> Result<()> {
            LOOKED_AT.set(LOOKED_AT.get() + 1);
            if self.number.is_multiple_of(2) {
                Ok(())
            } else {
                Err(Error::input("an odd number").under("number"))
            }
        }
    }

    #[test]
    fn what_was_checked_is_checked_again_only_when_it_changes() {
        let mut two = Checked::new(Even { number: 2 }).expect("even");
        assert_eq!((&two).into_checked().expect("even"), two);
        assert_eq!(two.clone().into_checked().expect("even"), two);
        assert_eq!(LOOKED_AT.get(), 1);
        assert!(two.change(|even| even.number += 1).is_err());
        assert_eq!(two.number, 2, "it stays as it was");
        two.change(|even| even.number += 2).expect("even");
        assert_eq!((two.number, LOOKED_AT.get()), (4, 3));
        assert!(Even { number: 3 }.into_checked().is_err());
    }
}
