//! Configuration files: TOML, JSON and YAML read into one kind of value, with the place of every key.

mod overrides;
mod parsed;
mod toml_format;
mod yaml_format;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use self::parsed::Parsed;
use super::{Config, Value, faults, from_value};
use crate::error::{Error, Place, Result};
use crate::files::{self, SETTINGS_MOST, without_byte_order_mark};
use crate::guard;

/// Where a key and its value stand, as byte ranges.
#[derive(Clone, Debug)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
    /// Index into the document's texts: the file itself, or a later `--set`.
    source: usize,
}

/// A reader of one format: source text to values, or the byte range and sentence of a syntax error.
type Reader = fn(&str) -> std::result::Result<Parsed, (Range<usize>, String)>;

/// File name extensions and their readers.
const FORMATS: &[(&str, Reader)] = &[
    ("toml", toml_format::read),
    ("json", yaml_format::read_json),
    ("yaml", yaml_format::read_yaml),
    ("yml", yaml_format::read_yaml),
];

/// Returns the values of a YAML text that is part of another file.
///
/// # Errors
/// Syntax errors, with their place in the text.
pub fn yaml_value(text: &str) -> Result<Value> {
    match guarded(yaml_format::read_yaml, text) {
        Ok(parsed) => Ok(parsed.value),
        Err((span, sentence)) => Err(Error::input(sentence).at(Place {
            file: "YAML".into(),
            text: text.into(),
            span,
        })),
    }
}

/// Reads `text`; what a parser panics at is a refusal of the whole text.
fn guarded(reader: Reader, text: &str) -> std::result::Result<Parsed, (Range<usize>, String)> {
    guard::attempt(|| reader(text)).unwrap_or_else(|panic| {
        let what = format!("it cannot be read, by a defect of this program: {panic}");
        Err((0..0, what))
    })
}

/// A configuration file that was read: its values, and where each of them stands.
#[derive(Clone, Debug)]
pub struct Document {
    sources: Vec<(String, Arc<str>)>,
    value: Value,
    spans: HashMap<Vec<String>, Spans>,
    /// Paths that were set, and the assignments as they were given.
    overrides: Vec<(Vec<String>, String)>,
    /// The file as it was read; `None` in that copy itself.
    original: Option<Box<Document>>,
}

impl Document {
    /// Reads a `.toml`, `.json`, `.yaml` or `.yml` file.
    ///
    /// # Errors
    /// A missing file, another extension, text that is not UTF-8, and syntax errors with their place.
    pub fn read(path: &Path) -> Result<Self> {
        let extension = extension_of(path);
        let Some((_, reader)) = FORMATS.iter().find(|(name, _)| *name == extension) else {
            let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            return Err(Error::unknown("configuration file extension", extension, &names)
                .context(format!("in `{}`", path.display())));
        };
        let bytes = files::read(path, SETTINGS_MOST).map_err(|error| Error::io("read", path, error))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::input(format!("`{}` is not a UTF-8 text file", path.display())))?;
        Self::parse(
            &path.display().to_string(),
            without_byte_order_mark(&text),
            *reader,
        )
    }

    /// Reads a TOML text, which errors call `file`.
    ///
    /// # Errors
    /// Syntax errors with their place.
    pub fn of_toml(file: &str, text: &str) -> Result<Self> {
        Self::parse(file, without_byte_order_mark(text), toml_format::read)
    }

    /// Returns whether the name says that this is a configuration file.
    pub fn has_format(path: &Path) -> bool {
        FORMATS.iter().any(|(name, _)| *name == extension_of(path))
    }

    fn parse(file: &str, text: &str, reader: Reader) -> Result<Self> {
        let text: Arc<str> = text.into();
        let parsed = guarded(reader, &text).map_err(|(span, sentence)| {
            Error::input(sentence).at(Place {
                file: file.into(),
                text: text.clone(),
                span,
            })
        })?;
        let mut document = Document {
            sources: vec![(file.into(), text)],
            value: parsed.value,
            spans: HashMap::new(),
            overrides: Vec::new(),
            original: None,
        };
        if !document.value.is_object() {
            return Err(Error::input(format!(
                "`{file}` must be a table of keys and values"
            )));
        }
        for (path, key, value) in parsed.spans {
            document.spans.insert(
                path,
                Spans {
                    key,
                    value,
                    source: 0,
                },
            );
        }
        document.original = Some(Box::new(document.clone()));
        Ok(document)
    }

    /// Returns the values as they stand, overrides included.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Builds the configuration; errors carry the place in this file.
    pub fn build<C: Config>(&self) -> Result<C> {
        from_value(self.value.clone()).map_err(|error| {
            let error = self.locate_in_file(error);
            if self.overrides.is_empty() {
                error
            } else {
                self.explain_overrides::<C>(error)
            }
        })
    }

    /// Returns everything that keeps the configuration from being built, each with its place in this file.
    pub fn faults<C: Config>(&self) -> Vec<Error> {
        let found = faults::<C>(self.value.clone(), &[]);
        found
            .into_iter()
            .map(|error| self.locate_in_file(error))
            .collect()
    }

    /// Adds to an error about a key path the place where that key stands, or the nearest table around it. What is about
    /// no key came up while the settings were at work, and has no place in the file.
    pub fn locate(&self, error: Error) -> Error {
        if error.key().is_empty() {
            return error;
        }
        self.locate_in_file(error)
    }

    /// Locates as [`locate`](Self::locate) does; an error that is about the file as a whole stands at its beginning.
    pub fn locate_in_file(&self, error: Error) -> Error {
        let path = error.key().to_vec();
        let found = (1..=path.len()).rev().find_map(|length| {
            self.spans
                .get(&path[..length])
                .map(|spans| (length == path.len(), spans))
        });
        // What is checked far from the settings knows the end of its key's path only.
        let found = found.or_else(|| Some((true, self.only_ending_with(&path)?)));
        let Some((exact, spans)) = found else {
            let (file, text) = &self.sources[0];
            return error.at(Place {
                file: file.clone(),
                text: text.clone(),
                span: 0..0,
            });
        };
        let about_key = !exact || error.is_about_key();
        let span = if about_key {
            spans.key.clone()
        } else {
            spans.value.clone()
        };
        let (file, text) = &self.sources[spans.source];
        error.at(Place {
            file: file.clone(),
            text: text.clone(),
            span,
        })
    }

    /// The one place whose path ends with `path`, if there is exactly one.
    fn only_ending_with(&self, path: &[String]) -> Option<&Spans> {
        let mut ending = self
            .spans
            .iter()
            .filter(|(known, _)| !path.is_empty() && known.ends_with(path));
        let (_, spans) = ending.next()?;
        ending.next().is_none().then_some(spans)
    }
}

fn extension_of(path: &Path) -> &str {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(document: &Document) -> Vec<String> {
        let mut paths: Vec<String> = document.spans.keys().map(|path| path.join("/")).collect();
        paths.sort();
        paths
    }

    #[test]
    fn the_three_formats_agree() {
        let toml = "a = 1\n[t]\nlr = 1e-4\nlist = [1, 2.5, \"x\"]\n[[t.s]]\nname = true\n";
        let json = r#"{"a": 1, "t": {"lr": 1e-4, "list": [1, 2.5, "x"], "s": [{"name": true}]}}"#;
        let yaml = "a: 1\nt:\n  lr: 1e-4\n  list: [1, 2.5, x]\n  s:\n    - name: true\n";
        let toml = Document::parse("c.toml", toml, toml_format::read).expect("toml");
        let json = Document::parse("c.json", json, yaml_format::read_json).expect("json");
        let yaml = Document::parse("c.yaml", yaml, yaml_format::read_yaml).expect("yaml");
        assert_eq!(toml.value, json.value);
        assert_eq!(yaml.value, json.value);
        assert_eq!(paths(&toml), paths(&json));
        assert_eq!(paths(&yaml), paths(&json));
    }

    #[test]
    fn a_key_that_json_gives_twice_is_refused() {
        let refused =
            |text: &str| Document::parse("c.json", text, yaml_format::read_json).expect_err("refused");
        let error = refused("{\"a\": {\"k\": 1,\n \"k\": 2}}");
        assert_eq!(error.message(), "invalid JSON: the key `k` is given twice");
        assert_eq!(error.place().expect("placed").line_column().0, 2);
        Document::parse(
            "c.json",
            "{\"a\": {\"k\": 1}, \"b\": {\"k\": 2}}",
            yaml_format::read_json,
        )
        .expect("two tables");
    }

    #[test]
    fn the_end_of_a_path_is_enough_where_it_is_the_only_one() {
        let text = "[sae]\nd_model = 8\n[trainer]\nseed = 1\n[initializer]\nseed = 2\n";
        let document = Document::parse("c.toml", text, toml_format::read).expect("valid");
        let line = |key: &str| {
            let error = document.locate(Error::input("wrong").under(key));
            error.place().expect("located").line_column().0
        };
        assert_eq!(line("d_model"), 2);
        assert_eq!(line("seed"), 1, "two of them: the file as a whole");
    }

    #[test]
    fn errors_are_located_at_key_or_value() {
        let text = "[trainer]\nlrr = 1\nlr = \"fast\"\n";
        let document = Document::parse("c.toml", text, toml_format::read).expect("valid");
        let span = |error: Error| document.locate(error).place().expect("located").span.clone();
        assert_eq!(
            &text[span(
                Error::unknown_key("key", "lrr", &["lr"])
                    .under("lrr")
                    .under("trainer")
            )],
            "lrr"
        );
        assert_eq!(
            &text[span(Error::input("expected a number").under("lr").under("trainer"))],
            "\"fast\""
        );
        assert_eq!(
            &text[span(Error::input("missing").under("p").under("trainer"))],
            "trainer"
        );
    }

    #[test]
    fn overrides_are_values_with_a_place_of_their_own() {
        let mut document = Document::parse("c.toml", "[[s]]\nn = 1\n", toml_format::read).expect("valid");
        document.set("s[0].n = 2").expect("set");
        document.set("t.act_fn=topk").expect("set");
        assert_eq!(
            document.value,
            serde_json::json!({"s": [{"n": 2}], "t": {"act_fn": "topk"}})
        );
        let error = document.locate(Error::input("no").under("act_fn").under("t"));
        let place = error.place().expect("located");
        assert_eq!(
            (place.file.as_str(), &place.text[place.span.clone()]),
            ("command line", "topk")
        );
        for wrong in ["s.n=1", "=5", ".=5", " =5"] {
            assert!(document.set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nesting_is_bounded_in_every_format() {
        const MANY: usize = 10_000;
        let (open, close) = ("[".repeat(MANY), "]".repeat(MANY));
        let deep = [
            (format!("a = {open}{close}\n"), toml_format::read as Reader),
            (format!("{}a = 1\n", "a.".repeat(MANY)), toml_format::read),
            (format!("[{}a]\n", "a.".repeat(MANY)), toml_format::read),
            (
                format!("a = {}1{}\n", "{ a = ".repeat(MANY), " }".repeat(MANY)),
                toml_format::read,
            ),
            (format!("{{\"a\": {open}{close}}}"), yaml_format::read_json),
            (format!("a: {open}{close}\n"), yaml_format::read_yaml),
            (format!("a:\n {}x\n", "- ".repeat(MANY)), yaml_format::read_yaml),
            (format!("a:\n {}x\n", "? ".repeat(MANY)), yaml_format::read_yaml),
        ];
        for (text, reader) in deep {
            let error = Document::parse("c", &text, reader).expect_err("too deep");
            assert!(error.message().starts_with("invalid "), "{}", &text[..20]);
        }
    }

    #[test]
    fn syntax_errors_have_a_place() {
        for (text, reader, line) in [
            ("a = 1\nb = = 2\n", toml_format::read as Reader, 2),
            ("{\"a\": 1,\n \"b\" 2}", yaml_format::read_json, 2),
            ("a: 1\nb: [1,\n", yaml_format::read_yaml, 3),
            ("\"e\u{301}", yaml_format::read_json, 1),
            ("\"\u{301}", yaml_format::read_json, 1),
        ] {
            let error = Document::parse("c", text, reader).expect_err("broken");
            let place = error.place().expect("located");
            assert_eq!(place.line_column().0, line, "{error}");
            assert!(
                text.get(place.span.clone()).is_some(),
                "{error} at whole characters"
            );
        }
    }
}
