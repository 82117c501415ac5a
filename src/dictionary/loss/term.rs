//! What every term of a loss is.

use super::terms::Term;
use crate::dictionary::variant::LossContext;
use crate::error::Result;

/// A part of the loss.
pub(super) trait LossTerm: Sync {
    /// Returns the term, or several; none where it does not apply.
    fn terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>>;
}
