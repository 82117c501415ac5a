//! What an analysis and an attribution of logits have in common: the store they hold, and the dictionary they look at.

use std::path::Path;

use super::sae_choice::PretrainedSAE;
use crate::dictionary::{NormActivation, SparseAutoEncoder};
use crate::error::Result;
use crate::event::RunContext;
use crate::lock::FolderLock;

/// Holds the store at `path` until what is returned is dropped, so that two analyses never mix there.
///
/// # Errors
/// Another process or thread holds it; its folder cannot be written.
pub fn hold_store(path: &Path, context: &RunContext) -> Result<FolderLock> {
    FolderLock::take_store(path, "analysing", context)
}

/// Loads the dictionary, its activation scale folded into the weights where that was asked for or is possible.
///
/// # Errors
/// As [`PretrainedSAE::load`].
pub(super) fn load(settings: &PretrainedSAE, context: &RunContext) -> Result<SparseAutoEncoder> {
    let mut sae = settings.load(context)?;
    let folds = sae.cfg.norm_activation == NormActivation::DatasetWise && sae.cfg.variant.folds(&sae.cfg);
    if settings.fold_activation_scale.is_none() && folds {
        sae.standardize_parameters_of_dataset_norm()?;
    }
    Ok(sae)
}
