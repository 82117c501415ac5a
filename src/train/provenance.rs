//! What decides the numbers of a training, kept in its checkpoints and compared before it goes on from one.

use std::path::Path;

use serde_json::json;

use super::run::Run;
use crate::checksums;
use crate::config::Value;
use crate::dictionary::SAEConfig;
use crate::error::{Error, Result};
use crate::files;
use crate::fingerprint::{Allowances, Comparison, Fingerprint, Names};
use crate::tensor::product::{self, Backend};

/// The tables that a run knows by itself.
const OWN: [&str; 3] = ["sae.", "trainer.", "program."];

/// The key that tells which library multiplies.
const PRODUCT: &str = "program.product";

/// The keys that tell how a dictionary began.
pub(super) const BEGAN_WITH: [&str; 2] = ["initializer.", "sae_weights"];

/// The key of `run.json` that tells which set of instructions the kernels use.
pub(super) const KERNELS: &str = "kernels";

/// The key of `run.json` that keeps the changes that were allowed on the way.
pub(super) const ALLOWED_CHANGES: &str = "allowed_changes";

impl Run {
    /// Returns what decides the numbers of training the dictionary of `sae`.
    pub(super) fn fingerprint(&self, sae: &SAEConfig) -> Result<Fingerprint> {
        let mut fingerprint = self.decided_by.clone();
        // The model's name is a record; it changes no activation.
        fingerprint.remove("model_name");
        fingerprint.add("sae", sae)?;
        fingerprint.add("trainer", &*self.trainer.cfg)?;
        fingerprint.set(PRODUCT, product::backend()?.name().into());
        Ok(fingerprint)
    }

    /// Compares settings of dictionary and trainer with those of the checkpoint at `path`.
    ///
    /// # Errors
    /// Differences that are not allowed.
    pub(super) fn compare_own(&self, sae: &SAEConfig, path: &Path) -> Result<()> {
        let (was, is) = (made_with(path)?.part(&OWN), self.fingerprint(sae)?.part(&OWN));
        compare(&self.allowed, path, &was, &is, false).map(drop)
    }
}

/// Compares everything that decides the numbers of a training with what the checkpoint at `path` was made with.
///
/// # Errors
/// Differences that are not allowed, all of them listed; names that no setting has.
pub fn compare_with_checkpoint(path: &Path, is: &Fingerprint, allowed: &Allowances) -> Result<Comparison> {
    compare(allowed, path, &made_with(path)?, is, true)
}

fn compare(
    allowed: &Allowances,
    path: &Path,
    was: &Fingerprint,
    is: &Fingerprint,
    whole: bool,
) -> Result<Comparison> {
    let what = format!("the training of `{}`", path.display());
    let is = &with_product(is, was)?;
    if whole {
        allowed.compare(&what, was, is, &Names::default())
    } else {
        allowed.compare_part(&what, was, is, &Names::default())
    }
}

/// Returns what the checkpoint at `path` was made with.
fn made_with(path: &Path) -> Result<Fingerprint> {
    checksums::check(path, &[Fingerprint::FILE])?;
    let made = Fingerprint::read(path)?.ok_or_else(|| {
        Error::input(format!(
            "the checkpoint `{}` was written by an earlier version, which did not note all that decided it",
            path.display()
        ))
        .hint("begin a new training in another folder; the dictionary in it can be loaded, evaluated and trained further")
    })?;
    Ok(with_first_product(made))
}

/// Returns what a checkpoint was made with; where it does not say which library multiplied, there was one alone.
fn with_first_product(mut made: Fingerprint) -> Fingerprint {
    if made.get(PRODUCT).is_none() {
        made.set(PRODUCT, Backend::Gemm.name().into());
    }
    made
}

/// Has products done by the library that the training which goes on here, made with `was`, had them done by, if that can
/// be. Returns `is` with the library that it came to.
fn with_product(is: &Fingerprint, was: &Fingerprint) -> Result<Fingerprint> {
    let before = was.get(PRODUCT).and_then(Value::as_str).unwrap_or_default();
    let mut is = is.clone();
    is.set(PRODUCT, product::keep(before)?.name().into());
    Ok(is)
}

/// Returns what `run.json` in `folder` says of this; null where it does not.
pub(super) fn fact(folder: &Path, key: &str) -> Value {
    let text = files::read_text(folder.join("run.json"), files::SETTINGS_MOST).unwrap_or_default();
    let mut facts: Value = serde_json::from_str(&text).unwrap_or_default();
    facts.get_mut(key).map(Value::take).unwrap_or_default()
}

/// Returns the changes that `run.json` in `folder` has up to `step`, and those of `comparison`, which are made there.
pub(super) fn allowed_changes(folder: &Path, comparison: &Comparison, step: u64) -> Vec<Value> {
    let mut changes = fact(folder, ALLOWED_CHANGES)
        .as_array()
        .cloned()
        .unwrap_or_default();
    // What came after the checkpoint that the training goes on from is not of it.
    changes.retain(|change| {
        change
            .get("from_step")
            .and_then(Value::as_u64)
            .is_none_or(|from| from <= step)
    });
    changes.extend(
        comparison
            .allowed
            .iter()
            .map(|change| json!({"key": change.key, "was": change.was, "is": change.is, "from_step": step})),
    );
    changes
}
