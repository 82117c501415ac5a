//! Comparing what work was begun with and what it would go on with.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Names, unverified};
use crate::config::Value;
use crate::error::{Error, Result};
use crate::event::Events;

/// Values longer than this are cut in messages.
const LONGEST_VALUE: usize = 120;

/// A key whose values differ. A value that is missing is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What the work was begun with.
    pub was: Value,
    /// What it goes on with.
    pub is: Value,
}

/// Which differences are allowed, by the names of their keys or of the tables around them.
#[derive(Clone, Debug, Default)]
pub struct Allowances(Vec<String>);

/// What came of a comparison that refused nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Differences that were allowed.
    pub allowed: Vec<Change>,
    /// What the reader should know.
    pub remarks: Vec<String>,
}

impl Comparison {
    /// Says what the reader should know.
    ///
    /// # Errors
    /// What an observer says.
    pub fn tell(&self, events: &Events) -> Result<()> {
        self.remarks
            .iter()
            .try_for_each(|remark| events.warn(remark.as_str()))
    }
}

impl Allowances {
    /// Allows the keys of these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Allowances(names.into_iter().collect())
    }

    /// Returns whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares what `what`, e.g. "the training in `results`", was begun with and what it is to go on with.
    ///
    /// # Errors
    /// Differences that are not allowed, all of them listed; allowed names that no setting has.
    pub fn compare(
        &self,
        what: &str,
        was: &Fingerprint,
        is: &Fingerprint,
        names: &Names,
    ) -> Result<Comparison> {
        self.check_names(is, was, names)?;
        let mut passed = self.compare_part(what, was, is, names)?;
        passed.remarks.extend(self.idle(&passed.allowed, is, names));
        Ok(passed)
    }

    /// Compares as [`compare`](Self::compare) does, for a part of what decides the work: allowed names may be those of
    /// other parts.
    ///
    /// # Errors
    /// Differences that are not allowed.
    pub fn compare_part(
        &self,
        what: &str,
        was: &Fingerprint,
        is: &Fingerprint,
        names: &Names,
    ) -> Result<Comparison> {
        let changes = changes(was, is);
        let (allowed, refused): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|change| {
            let is_named = self.0.iter().any(|name| names.means(name, &change.key));
            is_named && !names.is_fixed(&change.key)
        });
        if !refused.is_empty() {
            return Err(refusal(what, &refused, names));
        }
        let mut remarks: Vec<String> = listed(&allowed, names)
            .into_iter()
            .map(|difference| format!("{what} goes on with a change that is allowed: {difference}"))
            .collect();
        let unknown = is
            .values()
            .filter_map(|(key, value)| Some((key, unverified(value)?)));
        let unknown: Vec<String> = unknown
            .map(|(key, what)| format!("`{}` ({what})", names.shown(key)))
            .collect();
        if !unknown.is_empty() {
            remarks.push(format!(
                "not compared with what {what} was begun with: {}; see to it that nothing has changed there",
                unknown.join(", ")
            ));
        }
        Ok(Comparison { allowed, remarks })
    }

    /// Refuses allowed names that mean nothing in `is` or `was`.
    ///
    /// # Errors
    /// Such a name, with the nearest that exists.
    pub fn check_names(&self, is: &Fingerprint, was: &Fingerprint, names: &Names) -> Result<()> {
        let keys = || is.values.keys().chain(was.values.keys());
        for name in &self.0 {
            let decides = keys().any(|key| names.means(name, key));
            // A whole table may be free.
            let is_free = |key: &String| names.means(name, key) || names.means(key, name);
            let known = decides || is.free.iter().any(is_free);
            if !known {
                let shown: BTreeSet<String> = keys().map(|key| names.shown(key)).collect();
                let shown: Vec<String> = shown.into_iter().collect();
                return Err(Error::unknown(
                    "setting that may be allowed to change",
                    name,
                    &shown,
                ));
            }
        }
        Ok(())
    }

    /// Remarks about names that allow nothing.
    fn idle(&self, allowed: &[Change], is: &Fingerprint, names: &Names) -> Vec<String> {
        let used = |name: &str| allowed.iter().any(|change| names.means(name, &change.key));
        let idle = self.0.iter().filter(|name| !used(name));
        idle.map(|name| {
            if is.values.keys().any(|key| names.means(name, key)) {
                format!("`{name}` is allowed to change, but it is what it was")
            } else {
                format!("`{name}` decides no numbers: it may change without being allowed to")
            }
        })
        .collect()
    }
}

/// The keys whose values differ, in order.
fn changes(was: &Fingerprint, is: &Fingerprint) -> Vec<Change> {
    let keys: BTreeSet<&String> = was.values.keys().chain(is.values.keys()).collect();
    let value = |of: &Fingerprint, key: &str| of.get(key).cloned().unwrap_or(Value::Null);
    keys.into_iter()
        .map(|key| Change {
            key: key.clone(),
            was: value(was, key),
            is: value(is, key),
        })
        .filter(|change| change.was != change.is)
        .collect()
}

fn refusal(what: &str, refused: &[Change], names: &Names) -> Error {
    let differences = listed(refused, names).join("; ");
    let (fixed, free): (Vec<&Change>, Vec<&Change>) =
        refused.iter().partition(|change| names.is_fixed(&change.key));
    let flags: BTreeSet<String> = free.iter().map(|change| names.shown(&change.key)).collect();
    let scripted: Vec<String> = flags.iter().map(|name| format!("{name:?}")).collect();
    let flags: Vec<String> = flags
        .iter()
        .map(|name| format!("--allow-change {name}"))
        .collect();
    let mut error = Error::input(format!(
        "{what} was begun with other settings or files: {differences}"
    ))
    .hint(format!(
        "go on with what it was begun with, or {}",
        names.otherwise()
    ));
    if !flags.is_empty() {
        error = error.hint(format!(
            "where the change is meant, allow it by name: {} (in scripts `allow_change: [{}]`)",
            flags.join(" "),
            scripted.join(", ")
        ));
    }
    if !fixed.is_empty() {
        let fixed: BTreeSet<String> = fixed.iter().map(|change| names.shown(&change.key)).collect();
        let fixed: Vec<String> = fixed.iter().map(|name| format!("`{name}`")).collect();
        error = error.hint(format!(
            "what is there already was made with {}, so that cannot be allowed to change",
            fixed.join(", ")
        ));
    }
    let first = names.shown(&refused[0].key);
    segments(&first).into_iter().rev().fold(error, Error::under)
}

/// `a.b[0].c` as the segments of a key path.
fn segments(key: &str) -> Vec<String> {
    let indexed = key.replace('[', ".[");
    indexed.split('.').map(str::to_string).collect()
}

/// Each change in words. Keys that people know by one name are listed once.
fn listed(changes: &[Change], names: &Names) -> Vec<String> {
    let mut all = Vec::new();
    for change in changes {
        let words = format!(
            "`{}` was {} and is {} now",
            names.shown(&change.key),
            in_words(&change.was),
            in_words(&change.is)
        );
        if !all.contains(&words) {
            all.push(words);
        }
    }
    all
}

fn in_words(value: &Value) -> String {
    let text = match value {
        Value::Null => return "not set".into(),
        Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fingerprint(values: Value) -> Fingerprint {
        let mut made = Fingerprint::new();
        for (key, value) in values.as_object().expect("a map") {
            made.set(key, value.clone());
        }
        made.free.insert("trainer.log_frequency".into());
        made
    }

    fn compare(allowed: &[&str], is: Value) -> Result<Comparison> {
        let was = fingerprint(json!({"trainer.lr": 0.1, "sae.top_k": 5, "stream": "not verified: a list"}));
        Allowances::new(allowed.iter().map(|name| name.to_string())).compare(
            "the training in `results`",
            &was,
            &fingerprint(is),
            &Names::default(),
        )
    }

    #[test]
    fn every_difference_is_listed_or_allowed_by_name() {
        let changed = json!({"trainer.lr": 0.2, "sae.top_k": 6, "stream": "not verified: a list"});
        let error = compare(&[], changed.clone()).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "`sae.top_k`: the training in `results` was begun with other settings or files: `sae.top_k` was 5 and is 6 \
             now; `trainer.lr` was 0.1 and is 0.2 now; go on with what it was begun with, or choose another folder; \
             where the change is meant, allow it by name: --allow-change sae.top_k --allow-change trainer.lr (in \
             scripts `allow_change: [\"sae.top_k\", \"trainer.lr\"]`)"
        );
        let error = compare(&["trainer.lr"], changed.clone()).expect_err("refused");
        assert!(!error.message().contains("trainer.lr") && error.message().contains("sae.top_k"));
        let passed = compare(&["trainer", "sae.top_k"], changed).expect("allowed");
        assert_eq!(passed.allowed.len(), 2);
        assert_eq!(
            passed.remarks,
            [
                "the training in `results` goes on with a change that is allowed: `sae.top_k` was 5 and is 6 now",
                "the training in `results` goes on with a change that is allowed: `trainer.lr` was 0.1 and is 0.2 now",
                "not compared with what the training in `results` was begun with: `stream` (a list); see to it that \
                 nothing has changed there",
            ]
        );
    }

    #[test]
    fn allowed_names_that_allow_nothing_are_told() {
        let same = json!({"trainer.lr": 0.1, "sae.top_k": 5, "stream": "not verified: a list"});
        let error = compare(&["trainer.lrr"], same.clone()).expect_err("unknown");
        assert!(
            error.to_string().contains("did you mean `trainer.lr`?"),
            "{error}"
        );
        let passed = compare(&["trainer.lr", "trainer.log_frequency"], same).expect("the same");
        assert!(passed.allowed.is_empty());
        assert!(
            compare(&["wandb.project"], json!({"trainer.lr": 0.1})).is_err(),
            "not known"
        );
        for said in ["it is what it was", "decides no numbers"] {
            assert!(
                passed.remarks.iter().any(|remark| remark.contains(said)),
                "{:?}",
                passed.remarks
            );
        }
        let gone = compare(&[], json!({"trainer.lr": 0.1, "sae.top_k": 5})).expect_err("less than before");
        assert!(gone.message().contains("and is not set now"), "{gone}");
    }
}
