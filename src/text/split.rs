//! Splits: the names that files of a split go by, and parts of a split such as `train[:10%]`.

use std::ops::Range;

use crate::error::{Error, Result};

/// The names under which files of a split are found; the first is the split's own.
const SPLITS: &[&[&str]] = &[
    &["train", "training"],
    &["validation", "valid", "val", "dev"],
    &["test", "testing", "eval", "evaluation"],
];

/// A split, or a part of one: `train`, `train[1000:]`, `test[:10%]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub name: String,
    pub part: Option<Part>,
}

/// From one record to before another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    from: Option<Bound>,
    to: Option<Bound>,
}

/// Negative ones count from the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    Rows(i64),
    Percent(i64),
}

impl Split {
    /// Reads what was written for `split`.
    ///
    /// # Errors
    /// Something else than a name with at most one part in brackets.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refused = |hint: &str| Error::input(format!("\"{text}\" is no split")).hint(hint.to_string());
        if text.contains('+') {
            return Err(refused(
                "splits cannot be joined by `+` here; load each and use them as sources of their own",
            ));
        }
        let Some((name, part)) = text.split_once('[') else {
            return match text.trim() {
                "" => Err(Error::input("must not be empty")),
                name => Ok(Split {
                    name: name.into(),
                    part: None,
                }),
            };
        };
        let expected = || {
            refused("expected a name such as `train`, or a part such as `train[:1000]` or `train[10%:20%]`")
        };
        let (from, to) = part
            .trim()
            .strip_suffix(']')
            .and_then(|part| part.split_once(':'))
            .ok_or_else(expected)?;
        let bound = |text: &str| match text.trim() {
            "" => Ok(None),
            text => Bound::parse(text).map(Some).ok_or_else(expected),
        };
        Ok(Split {
            name: name.trim().into(),
            part: Some(Part {
                from: bound(from)?,
                to: bound(to)?,
            }),
        })
    }
}

impl Part {
    /// Returns whether it takes the number of all records to know which are meant.
    pub(super) fn needs_length(&self) -> bool {
        let absolute = |bound: Option<Bound>| matches!(bound, None | Some(Bound::Rows(0..)));
        !(absolute(self.from) && absolute(self.to))
    }

    /// Returns the numbers of the records, of `length` in all.
    pub(super) fn range(&self, length: u64) -> Range<u64> {
        let at = |bound: Option<Bound>, default: u64| bound.map_or(default, |bound| bound.position(length));
        let from = at(self.from, 0);
        from..at(self.to, length).max(from)
    }
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(number) => {
                let percent = number.trim().parse().ok()?;
                (-100..=100).contains(&percent).then_some(Bound::Percent(percent))
            }
            None => text.replace('_', "").parse().ok().map(Bound::Rows),
        }
    }

    /// Percentages are rounded to the nearest record, as Python does.
    fn position(self, length: u64) -> u64 {
        let rows = match self {
            Bound::Rows(rows) => rows,
            Bound::Percent(percent) => (length as f64 * percent as f64 / 100.0).round() as i64,
        };
        if rows < 0 {
            length.saturating_sub(rows.unsigned_abs())
        } else {
            (rows as u64).min(length)
        }
    }
}

/// Returns a split's own name: `valid` → `validation`.
pub(super) fn canonical(split: &str) -> &str {
    let family = SPLITS.iter().find(|names| names.contains(&split));
    family.map_or(split, |names| names[0])
}

/// Returns the split that the words of a file's path tell; `asked` counts as a split's name too.
pub(super) fn of_path(path: &str, asked: &str) -> Option<String> {
    let lower = path.to_lowercase();
    let words: Vec<&str> = lower.split(|letter: char| !letter.is_alphanumeric()).collect();
    if words.contains(&asked) {
        return Some(canonical(asked).to_string());
    }
    words
        .iter()
        .find(|word| SPLITS.iter().any(|names| names.contains(word)))
        .map(|word| canonical(word).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_mean_what_they_mean_in_python() {
        for (text, range) in [
            ("train[:10]", 0..10),
            ("train[10:20]", 10..20),
            ("train[-5:]", 195..200),
            ("train[:1_000]", 0..200),
            ("train[10%:20%]", 20..40),
            ("train[:-50%]", 0..100),
            ("train[150:100]", 150..150),
        ] {
            let split = Split::parse(text).expect("a split");
            assert_eq!(split.name, "train");
            assert_eq!(split.part.expect("a part").range(200), range, "{text}");
        }
        assert!(
            !Split::parse("a[5:7]")
                .expect("a split")
                .part
                .expect("a part")
                .needs_length()
        );
        assert!(
            Split::parse("a[:5%]")
                .expect("a split")
                .part
                .expect("a part")
                .needs_length()
        );
        for wrong in [
            "train+test",
            "train[5]",
            "train[a:]",
            "train[:200%]",
            "train[1:2",
            " ",
        ] {
            assert!(Split::parse(wrong).is_err(), "{wrong}");
        }
    }
}
