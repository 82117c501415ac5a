//! What decides the numbers of a run, key by key, written beside its work: a run that goes on is compared with what it
//! was begun with before anything is done.
//!
//! Keys are named as settings are (`trainer.lr`, `datasets.corpus.split`); values are settings with their defaults
//! filled in, and what the files hold that they name (`identity`). What equal settings mean is
//! written equally, whatever form they were given in.

mod compare;
mod names;

pub use compare::{Allowances, Change, Comparison};
pub use names::Names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{Config, Map, Value, to_value};
use crate::error::{Error, Result};
use crate::{atomic, files};

/// Raised whenever a change of this program gives other numbers for the same settings.
pub const ARITHMETIC: u64 = 14;

const ARITHMETIC_KEY: &str = "program.arithmetic";

/// Marks a value of which nothing is known but what it is.
const UNVERIFIED: &str = "not verified: ";

/// A configuration whose every field either decides the numbers of a run, or does not.
pub trait Identified: Config {
    /// The fields that decide them.
    const DECIDES: &'static [&'static str];
    /// The fields that do not, and are free to change: where things lie, how fast they go, what is logged and kept.
    const FREE: &'static [&'static str];

    /// Does this field decide them?
    fn decides(field: &str) -> bool {
        Self::DECIDES.contains(&field)
    }

    /// The fields as plain data, those written alike that mean the same. A field that is left out here is described by
    /// whoever builds the fingerprint.
    ///
    /// # Errors
    /// The configuration cannot be written.
    fn normalised(&self) -> Result<Map<String, Value>> {
        match to_value(self)? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }
}

/// What decides the numbers of a run: key → value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fingerprint {
    values: BTreeMap<String, Value>,
    /// Keys that were looked at and do not decide anything.
    free: BTreeSet<String>,
}

impl Fingerprint {
    /// The file in which a fingerprint is kept.
    pub const FILE: &'static str = "fingerprint.json";

    /// Returns what every run depends on: the version of the program's arithmetic.
    pub fn new() -> Self {
        let mut fingerprint = Fingerprint::default();
        fingerprint.set(ARITHMETIC_KEY, ARITHMETIC.into());
        fingerprint
    }

    /// Returns whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets one value.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.values.insert(key.into(), value);
    }

    /// Sets what cannot be compared by its contents: `what` says what it is, e.g. "batches that a script made".
    pub fn set_unverified(&mut self, key: impl Into<String>, what: &str) {
        self.set(key, format!("{UNVERIFIED}{what}").into());
    }

    /// Adds the fields of `config` as `prefix.field`; as they are where the prefix is empty.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub fn add<C: Identified>(&mut self, prefix: &str, config: &C) -> Result<()> {
        for (field, value) in config.normalised()? {
            let key = match prefix {
                "" => field.clone(),
                prefix => format!("{prefix}.{field}"),
            };
            if C::decides(&field) {
                self.set(key, value);
            } else {
                self.free.insert(key);
            }
        }
        Ok(())
    }

    /// Adds the names of the fields of `C` that decide nothing, as `prefix.field`, for a class whose other fields are
    /// told by what they lead to.
    pub fn add_free<C: Identified>(&mut self, prefix: &str) {
        let key = |field: &&str| match prefix {
            "" => field.to_string(),
            prefix => format!("{prefix}.{field}"),
        };
        self.free.extend(C::FREE.iter().map(key));
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: Fingerprint) {
        self.values.extend(other.values);
        self.free.extend(other.free);
    }

    /// Adds everything of `other` as `prefix.key`.
    pub fn merge_under(&mut self, prefix: &str, other: Fingerprint) {
        let under = |key: String| format!("{prefix}.{key}");
        self.values
            .extend(other.values.into_iter().map(|(key, value)| (under(key), value)));
        self.free.extend(other.free.into_iter().map(under));
    }

    /// Notes a key that was looked at and does not decide anything, so that it may be allowed to change.
    pub fn set_free(&mut self, key: impl Into<String>) {
        self.free.insert(key.into());
    }

    /// Returns whether everything in it can be compared.
    pub fn is_verified(&self) -> bool {
        self.values.values().all(|value| unverified(value).is_none())
    }

    /// Takes out what a kind of run does not depend on.
    pub fn remove(&mut self, key: &str) {
        if self.values.remove(key).is_some() {
            self.free.insert(key.into());
        }
    }

    /// Returns the part whose keys begin with one of `prefixes`.
    pub fn part(&self, prefixes: &[&str]) -> Fingerprint {
        let of_part = |key: &&String| prefixes.iter().any(|prefix| key.starts_with(prefix));
        Fingerprint {
            values: self
                .values
                .iter()
                .filter(|(key, _)| of_part(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            free: self.free.iter().filter(of_part).cloned().collect(),
        }
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Returns every key with its value, in order.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Returns it as plain data.
    pub fn to_value(&self) -> Value {
        let values = self.values.iter();
        Value::Object(values.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// Returns what [`to_value`](Self::to_value) gave; `None` for data that is no fingerprint.
    pub fn from_value(value: &Value) -> Option<Self> {
        let values = value.as_object()?;
        values.get(ARITHMETIC_KEY)?.as_u64()?;
        Some(Fingerprint {
            values: values
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            free: BTreeSet::new(),
        })
    }

    /// Writes it into `folder`, one line a key.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.to_value())
            .map_err(|error| Error::run(format!("cannot write what the run depends on: {error}")))?;
        atomic::write(folder.join(Self::FILE), text + "\n")
    }

    /// Reads what [`write`](Self::write) wrote into `folder`; `None` if there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(Self::FILE);
        let text = match files::read(&path, files::SETTINGS_MOST) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        let value: Option<Value> = serde_json::from_slice(&text).ok();
        match value.as_ref().and_then(Fingerprint::from_value) {
            Some(fingerprint) => Ok(Some(fingerprint)),
            None => Err(Error::input(format!("`{}` is damaged", path.display()))),
        }
    }
}

/// What an unverified value is, if it is one.
fn unverified(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(UNVERIFIED)
}
