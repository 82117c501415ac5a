//! `--set KEY=VALUE`: a value in place of the file's, with a place of its own on the command line.

mod path;

use std::ops::Range;

use self::path::{slot, split_assignment, split_path};
use super::super::{Config, Value, from_value};
use super::{Document, Spans, toml_format};
use crate::error::{Error, Place, Result, Subject, Wanted};

/// What errors call the place of an override.
const FILE: &str = "command line";
const OPTION: &str = "--set ";

/// How values are written.
const VALUES: &str = "values are written as in TOML: `3e-4`, `true`, `\"text\"`, `[\"a\", \"b\"]`, `{ key = 1 }`, and `null` for none";

impl Document {
    /// Applies an override `trainer.lr=3e-4`: the right side is `null`, a TOML value, or else a plain string. A whole
    /// number may be written with an exponent: `1e6`.
    ///
    /// # Errors
    /// No `=`, an empty key, a list or table or string that is not closed, a path that leads through something that is
    /// not a table or list, a table or list whose parts earlier overrides have set.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let text = format!("{OPTION}{assignment}");
        let at = |span: Range<usize>| Place {
            file: FILE.into(),
            text: text.as_str().into(),
            span,
        };
        let whole = OPTION.len()..text.len();
        let Some((path, right)) = split_assignment(assignment) else {
            return Err(
                Error::input("an override has the form KEY=VALUE, e.g. trainer.lr=3e-4").at(at(whole)),
            );
        };
        let path = split_path(path, OPTION.len())
            .map_err(|error| error.at(at(OPTION.len()..OPTION.len() + path.len())))?;
        if path.is_empty() {
            return Err(Error::input("an override names a key, e.g. trainer.lr=3e-4").at(at(whole)));
        }
        let value = right.trim();
        let start = text.len() - right.trim_start().len();
        let value_span = start..start + value.len();
        let (value, inside) = read_value(value).map_err(|error| error.at(at(value_span.clone())))?;
        let names: Vec<String> = path.iter().map(|segment| segment.name.clone()).collect();
        let key_span = path[0].span.start..path[path.len() - 1].span.end;
        self.refuse_loss(&names)
            .map_err(|error| error.at(at(key_span.clone())))?;
        *slot(&mut self.value, &path).map_err(|(error, span)| error.at(at(span)))? = value;
        self.overrides.push((names.clone(), assignment.to_string()));
        let source = self.sources.len();
        self.sources.push((FILE.into(), text.into()));
        self.spans.retain(|known, _| !known.starts_with(&names));
        for length in 1..path.len() {
            let key = path[0].span.start..path[length - 1].span.end;
            let value = key.clone();
            self.spans
                .entry(names[..length].to_vec())
                .or_insert(Spans { key, value, source });
        }
        for (within, key, value) in inside {
            let shifted = |span: Range<usize>| start + span.start..start + span.end;
            let (key, value) = (shifted(key), shifted(value));
            self.spans
                .insert([names.clone(), within].concat(), Spans { key, value, source });
        }
        let (key, value) = (key_span, value_span);
        self.spans.insert(names, Spans { key, value, source });
        Ok(())
    }

    /// Refuses a table or list as a whole after parts of it were set, which would be lost. Of two overrides of one key the
    /// later counts.
    fn refuse_loss(&self, names: &[String]) -> Result<()> {
        let is_within = |known: &[String]| known.len() > names.len() && known.starts_with(names);
        match self.overrides.iter().find(|(known, _)| is_within(known)) {
            Some((_, assignment)) => Err(Error::input(format!(
                "this would undo what was set before in it: `{OPTION}{assignment}`"
            ))
            .hint("set the whole first, and its parts after it")),
            None => Ok(()),
        }
    }

    /// Adds to an error what overrides have to do with it: how values are written, the other place that a value at odds
    /// with an override comes from, or the override without which the file is right.
    pub(super) fn explain_overrides<C: Config>(&self, error: Error) -> Error {
        let at_override = error.place().is_some_and(|place| place.file == FILE);
        if at_override {
            return self.with_other_places(with_form(error));
        }
        let is_to_blame = |skipped: usize| {
            let mut without = self.original.as_deref().cloned()?;
            for (at, (_, assignment)) in self.overrides.iter().enumerate() {
                if at != skipped {
                    without.set(assignment).ok()?;
                }
            }
            from_value::<C>(without.value).is_ok().then_some(())
        };
        let blamed = (0..self.overrides.len()).find(|at| is_to_blame(*at).is_some());
        match blamed {
            Some(at) => error.hint(format!(
                "without `{OPTION}{}` the settings fit together",
                self.overrides[at].1
            )),
            None => error,
        }
    }

    /// Says where the keys beside it stand that the error speaks of.
    fn with_other_places(&self, error: Error) -> Error {
        // What is unknown has names beside it that are only alternatives.
        if error.unknown_name().is_some() {
            return error;
        }
        let parent = error
            .key()
            .split_last()
            .map_or(&[][..], |(_, parent)| parent)
            .to_vec();
        let own = error.key().last().cloned().unwrap_or_default();
        let mut hints = Vec::new();
        for name in error.quoted().filter(|name| *name != own) {
            let path = [parent.clone(), vec![name.to_string()]].concat();
            if let Some(spans) = self.spans.get(&path).filter(|spans| spans.source == 0) {
                let (file, text) = &self.sources[0];
                let place = Place {
                    file: file.clone(),
                    text: text.clone(),
                    span: spans.key.clone(),
                };
                let hint = format!("`{name}` is set in {file}, line {}", place.line_column().0);
                if !hints.contains(&hint) {
                    hints.push(hint);
                }
            }
        }
        hints.into_iter().fold(error, Error::hint)
    }
}

/// Says how a value of the kind that was expected is written.
fn with_form(error: Error) -> Error {
    let Some(place) = error.place() else {
        return error;
    };
    let given = place.text[place.span.clone()].to_string();
    let key = error.key_path();
    let Subject::WrongType(wanted) = *error.subject() else {
        return error;
    };
    let digits: String = given.replace([',', ' ', '\''], "");
    match wanted {
        _ if ["None", "none", "nil", "()", "NULL", "Null"].contains(&given.as_str()) => error.hint(format!(
            "none is written `{key}=null`, where a setting can be left out"
        )),
        Wanted::Flag => {
            let flag = ["true", "yes", "on", "1"].contains(&given.to_lowercase().as_str());
            error.hint(format!("write `{key}={flag}`"))
        }
        Wanted::Integer if digits != given && digits.parse::<u64>().is_ok() => {
            error.hint(format!("write `{key}={digits}`; digits may be grouped by `_`"))
        }
        Wanted::Integer => error.hint(format!("write e.g. `{key}=1000` or `{key}=1e6`")),
        Wanted::Number => error.hint(format!("write e.g. `{key}=3e-4`")),
        Wanted::Text => error.hint(format!(
            "quote what is not to be read as a number: `--set '{key}=\"{given}\"'`"
        )),
        Wanted::List => error.hint(format!("write e.g. `--set '{key}=[\"{given}\"]'`")),
        Wanted::Table => error.hint(format!(
            "set its keys: `{key}.KEY=VALUE`, or all of it: `--set '{key}={{ KEY = VALUE }}'`"
        )),
        Wanted::Other => error,
    }
}

/// The value, and what stands where in it.
fn read_value(text: &str) -> Result<(Value, toml_format::SpanList)> {
    if text == "null" {
        return Ok((Value::Null, Vec::new()));
    }
    if let Some(number) = whole_with_exponent(text) {
        return Ok((Value::from(number), Vec::new()));
    }
    match toml_format::read_value(text) {
        Some((value, inside)) => Ok((value, inside)),
        // What begins as one of TOML's is not meant to be a plain string.
        None => match text.chars().next() {
            Some('[') => Err(Error::input(
                "this is no list: between `[` and `]` stand values with commas between them",
            )
            .hint("strings in it have quotes, which the shell must leave: `--set 'KEY=[\"a\", \"b\"]'`")),
            Some('{') => Err(Error::input(
                "this is no table: between `{` and `}` stand `key = value` with commas between them",
            )
            .hint("strings in it have quotes, which the shell must leave: `--set 'KEY={ name = \"a\" }'`")),
            Some('"' | '\'') => {
                Err(Error::input("this string is never closed, or goes on after its end").hint(VALUES))
            }
            _ => Ok((Value::String(text.into()), Vec::new())),
        },
    }
}

/// `1e6` as the integer that it is. From 2 on, since `1e0` may be a fraction of all steps.
fn whole_with_exponent(text: &str) -> Option<i64> {
    /// The integers up to here are float64s as well.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let is_form = text.contains(['e', 'E']) && text.starts_with(|first: char| first.is_ascii_digit());
    let number: f64 = text.replace('_', "").parse().ok().filter(|_| is_form)?;
    (number.fract() == 0.0 && (2.0..=MOST).contains(&number)).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    fn document() -> Document {
        let text = "name = \"n\"\n[t]\nlr = 1.0\nlist = [1, 2]\n[[s]]\nn = 1\n";
        Document::parse("c.toml", text, toml_format::read).expect("valid")
    }

    /// What an override is refused with, and what the caret is below.
    fn refusal(assignment: &str) -> (String, String) {
        let error = document().set(assignment).expect_err(assignment);
        let place = error.place().expect("a place");
        assert!(place.text.starts_with("--set "), "{}", place.text);
        (
            error.message().to_string(),
            place.text[place.span.clone()].to_string(),
        )
    }

    #[test]
    fn what_cannot_be_set_is_pointed_at() {
        for (assignment, sentence, marked) in [
            (
                "t.lr",
                "an override has the form KEY=VALUE, e.g. trainer.lr=3e-4",
                "t.lr",
            ),
            ("=5", "an override names a key, e.g. trainer.lr=3e-4", "=5"),
            ("s[3].n=1", "there is no item 3: the list `s` has 1 item", "[3]"),
            ("s[x].n=1", "`[x]` is no index", "s[x].n"),
            ("s[-1].n=1", "`[-1]` is no index", "s[-1].n"),
            ("s[0.n=1", "`[0` is no index", "s[0.n"),
            ("s.n=1", "`s` is a list, which has items but no key `n`", "n"),
            ("t[0]=1", "`t` is a table, which has keys but no items", "[0]"),
            (
                "t.lr.x=1",
                "`t.lr` is a number, not a table or list that `x` could be in",
                "x",
            ),
            (
                "name.x=1",
                "`name` is a string, not a table or list that `x` could be in",
                "x",
            ),
            (
                "t.list=[1,2",
                "this is no list: between `[` and `]` stand values with commas between them",
                "[1,2",
            ),
            (
                "t.list=[a]",
                "this is no list: between `[` and `]` stand values with commas between them",
                "[a]",
            ),
            (
                "t={lr: 1}",
                "this is no table: between `{` and `}` stand `key = value` with commas between them",
                "{lr: 1}",
            ),
            (
                "name=\"x",
                "this string is never closed, or goes on after its end",
                "\"x",
            ),
        ] {
            assert_eq!(
                refusal(assignment),
                (sentence.to_string(), marked.to_string()),
                "{assignment}"
            );
        }
    }

    #[test]
    fn values_are_read_as_they_are_meant() {
        for (text, value) in [
            ("1e6", serde_json::json!(1_000_000)),
            ("1e-4", serde_json::json!(1e-4)),
            ("1e0", serde_json::json!(1.0)),
            ("2.5e1", serde_json::json!(25)),
            ("res ults", serde_json::json!("res ults")),
            ("a=b", serde_json::json!("a=b")),
            ("[\"a\", 1]", serde_json::json!(["a", 1])),
            ("{ x = 1 }", serde_json::json!({"x": 1})),
            ("", serde_json::json!("")),
            ("null", serde_json::json!(null)),
        ] {
            let mut document = document();
            document.set(&format!("name={text}")).expect(text);
            assert_eq!(document.value["name"], value, "{text}");
        }
    }

    #[test]
    fn an_override_that_undoes_others_is_refused() {
        let mut twice = document();
        twice.set("t.lr=2").expect("set");
        twice.set("t.lr=3").expect("the later counts");
        assert_eq!(twice.value["t"]["lr"], 3);
        let error = twice.set("t={ lr = 5 }").expect_err("the table around it");
        assert!(error.message().ends_with("`--set t.lr=2`"), "{error}");
        twice.set("t.list=[3]").expect("beside it");
    }

    #[test]
    fn parts_of_an_override_have_their_own_places() {
        let mut document = document();
        document.set("t={ lr = \"x\", more = [1, 2] }").expect("set");
        document.set("new.key.deep=1").expect("set");
        let marked = |path: &[&str], error: Error| {
            let error = path.iter().rev().fold(error, |error, name| error.under(*name));
            let error = document.locate(error);
            let place = error.place().expect("a place").clone();
            place.text[place.span].to_string()
        };
        assert_eq!(marked(&["t", "lr"], Error::input("wrong")), "\"x\"");
        assert_eq!(marked(&["t", "more", "[1]"], Error::input("wrong")), "2");
        assert_eq!(marked(&["new"], Error::unknown_key("key", "new", &["t"])), "new");
        assert_eq!(
            marked(&["new", "key"], Error::unknown_key("key", "key", &["t"])),
            "new.key"
        );
    }
}
