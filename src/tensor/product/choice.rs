//! Which library multiplies large matrices: the fastest on this machine, measured once for each user and remembered in
//! `saescript/products.json` of the cache folder.
//!
//! A process keeps its choice, so that the same products always have the same bytes. The file is a convenience: one that
//! is missing, damaged or cannot be written costs a measurement and nothing else.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use super::backend::Backend;
use super::speed::{self, Milliseconds};
use crate::error::{Context, Error, Result};
use crate::{atomic, files};

/// Names the library that multiplies, in place of the fastest.
const VARIABLE: &str = "SAESCRIPT_PRODUCT";

/// Machines that are remembered at most.
const MOST: usize = 64;

/// Which library multiplies, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// The library.
    pub backend: Backend,
    /// Why this one.
    pub reason: Reason,
    /// What each library took for the products that were measured; empty where none were.
    pub milliseconds: Milliseconds,
}

/// Why a library multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// `SAESCRIPT_PRODUCT` names it.
    Asked,
    /// The checkpoint that this process went on from was made with it.
    Kept,
    /// It is the fastest, as an earlier process found.
    Remembered,
    /// It is the fastest, as this process found.
    Measured,
}

static CHOICE: RwLock<Option<Choice>> = RwLock::new(None);

/// Returns the library that multiplies in this process.
///
/// # Errors
/// `SAESCRIPT_PRODUCT` names none, or one that this libtorch lacks.
pub fn backend() -> Result<Backend> {
    let made = CHOICE.read().unwrap_or_else(PoisonError::into_inner);
    match &*made {
        Some(choice) => Ok(choice.backend),
        None => {
            drop(made);
            choice().map(|choice| choice.backend)
        }
    }
}

/// Returns the library that multiplies in this process, and why. Chooses if that was not done yet, which takes a tenth of
/// a second where nothing is remembered.
///
/// # Errors
/// As [`backend`].
pub fn choice() -> Result<Choice> {
    let mut made = CHOICE.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(choice) = &*made {
        return Ok(choice.clone());
    }
    let choice = match asked()? {
        Some(backend) => Choice {
            backend,
            reason: Reason::Asked,
            milliseconds: Milliseconds::default(),
        },
        None => fastest(place().as_deref(), speed::measure),
    };
    *made = Some(choice.clone());
    Ok(choice)
}

/// Returns the library that `SAESCRIPT_PRODUCT` names; nothing where it is empty or not set.
///
/// # Errors
/// There is none of that name, or this libtorch lacks it.
pub fn asked() -> Result<Option<Backend>> {
    let Some(name) = env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let reading = || format!("while reading the environment variable {VARIABLE}");
    let backend: Backend = name.to_string_lossy().parse().context(reading())?;
    if backend.is_available() {
        Ok(Some(backend))
    } else {
        Err(Error::input(format!("this libtorch has no {backend}"))).context(reading())
    }
}

/// Has products done by the library `name` from now on, as they were in a training that goes on here, unless
/// `SAESCRIPT_PRODUCT` names another one or there is no such library. Returns the library that multiplies.
///
/// # Errors
/// As [`backend`].
pub fn keep(name: &str) -> Result<Backend> {
    let wanted = name
        .parse()
        .ok()
        .filter(|backend: &Backend| backend.is_available());
    let (Some(backend), None) = (wanted, asked()?) else {
        return self::backend();
    };
    let mut made = CHOICE.write().unwrap_or_else(PoisonError::into_inner);
    if made.as_ref().is_none_or(|choice| choice.backend != backend) {
        *made = Some(Choice {
            backend,
            reason: Reason::Kept,
            milliseconds: Milliseconds::default(),
        });
    }
    Ok(backend)
}

/// Returns the fastest library, as remembered at `place` or else as measured, which is then remembered.
fn fastest(place: Option<&Path>, measure: impl FnOnce() -> Milliseconds) -> Choice {
    let key = speed::machine();
    let mut known: BTreeMap<String, Milliseconds> = place.map(read).unwrap_or_default();
    let remembered = known
        .get(&key)
        .and_then(|times| Some((times.best()?, times.clone())));
    if let Some((backend, milliseconds)) = remembered {
        return Choice {
            backend,
            reason: Reason::Remembered,
            milliseconds,
        };
    }
    let milliseconds = measure();
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(key, milliseconds.clone());
    if let (Some(place), Ok(text)) = (place, serde_json::to_vec_pretty(&known)) {
        atomic::write(place, text).ok();
    }
    Choice {
        backend: milliseconds.best().unwrap_or(Backend::Libtorch),
        reason: Reason::Measured,
        milliseconds,
    }
}

fn place() -> Option<PathBuf> {
    Some(files::cache_folder()?.join("products.json"))
}

fn read(place: &Path) -> BTreeMap<String, Milliseconds> {
    let text = files::read(place, files::SETTINGS_MOST).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_remembered_and_damage_costs_a_measurement() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().join("below/products.json");
        let times = |text: &str| -> Milliseconds { serde_json::from_str(text).expect("JSON") };
        let slow = || times("{\"gemm\": 2.0, \"mkl\": 1.0}");
        let fast = || times("{\"gemm\": 1.0, \"mkl\": 2.0}");
        let first = fastest(Some(&place), slow);
        assert_eq!(
            (first.backend, first.reason),
            (Backend::Libtorch, Reason::Measured)
        );
        let second = fastest(Some(&place), fast);
        assert_eq!(
            (second.backend, second.reason),
            (Backend::Libtorch, Reason::Remembered)
        );
        assert_eq!(second.milliseconds, first.milliseconds);
        std::fs::write(&place, "{ damaged").expect("written");
        let third = fastest(Some(&place), fast);
        assert_eq!((third.backend, third.reason), (Backend::Gemm, Reason::Measured));
        let below_a_file = place.join("below");
        for _ in 0..2 {
            assert_eq!(fastest(Some(&below_a_file), fast).reason, Reason::Measured);
        }
        assert_eq!(fastest(None, Milliseconds::default).backend, Backend::Libtorch);
    }
}
