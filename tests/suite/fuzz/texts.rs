//! Texts that people write: scripts, configurations, overrides, and what a tokenizer cuts.

use std::cell::RefCell;
use std::path::Path;
use std::sync::OnceLock;

use saescript::config::{Document, Value, to_value};
use saescript::report::diagnostic::render;
use saescript::runner::TrainSAESettings;
use saescript::script::source::lexer::Lexer;
use saescript::text::{SpecialTokens, Tokenizer};
use saescript::{Error, Host};
use tempfile::TempDir;

use super::{Target, Verdict, ensure, magnitude};

const CODE: &[&str] = &[
    "let ",
    "fn f(x) { x }",
    "if ",
    "else",
    "while",
    "for i in ",
    "return",
    "|x| ",
    "#{",
    "::",
    "..=",
    "=> ",
    "switch ",
    "import \"std/stats\" as s;",
    "`${",
    "`",
    "/*",
    "*/",
    "//",
    "0x",
    "1e5",
    "'a'",
    "\\x41",
    "\"\"\"",
    "\\\n",
    "torch::zeros([2])",
    "a.b",
    "[0]",
    "?.",
    "r#\"",
    "#!",
    "const X = 1;",
];

pub const LEXER: Target = Target {
    name: "lexer",
    run: lexer,
    words: CODE,
};

/// Tokens stand in order on whole characters, leave out only white space and comments, and begin where a lexer that
/// is started there finds them too.
fn lexer(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let (mut end, mut count) = (0, 0);
    let mut shortened = 0;
    for token in Lexer::new(&text, 0) {
        let span = token.span.clone();
        ensure(span.start >= end && span.end > span.start, || {
            format!("the span {span:?} follows byte {end}")
        })?;
        let between = text.get(end..span.start);
        let between = between
            .ok_or_else(|| format!("the span {span:?} cuts a character"))?
            .trim_start();
        let blank = between.is_empty() || between.starts_with("//") || between.starts_with("/*");
        ensure(blank, || format!("`{between}` belongs to no token"))?;
        ensure(text.is_char_boundary(span.end), || {
            format!("the span {span:?} cuts a character")
        })?;
        // Only of some, for the sake of long texts.
        if shortened < 64 {
            let again = Lexer::new(&text, span.start)
                .next()
                .map(|token| (token.kind, token.span));
            ensure(again == Some((token.kind, span.clone())), || {
                format!("{again:?} begins where {token:?} does")
            })?;
            shortened += 1;
        }
        (end, count) = (span.end, count + 1);
    }
    Ok(format!("ok, {} tokens", magnitude(count)))
}

pub const SCRIPT: Target = Target {
    name: "script",
    run: script,
    words: CODE,
};

thread_local! {
    /// A host and the folder of its script; a host takes longer to build than a script to parse.
    static HOST: RefCell<Option<(Host, TempDir)>> = const { RefCell::new(None) };
}

/// A script is parsed or refused at a place that can be shown.
fn script(input: &[u8]) -> Verdict {
    HOST.with_borrow_mut(|slot| {
        let (host, folder) = slot.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            (Host::builder().build().expect("a host"), folder)
        });
        let path = folder.path().join("script.rhai");
        std::fs::write(&path, input).expect("written");
        match host.check_file(&path) {
            Ok(found) => match found.iter().map(shown).collect::<Result<Vec<_>, _>>()?.pop() {
                Some(last) => Ok(last),
                None => Ok("ok".into()),
            },
            Err(error) => shown(&error),
        }
    })
}

/// What a refusal says; it can be rendered, and its place is one of the text.
fn shown(error: &Error) -> Verdict {
    if let Some(place) = error.place() {
        let span = place.span.clone();
        ensure(place.text.get(span.clone()).is_some(), || {
            format!("the place {span:?} is none of the text")
        })?;
        place.line_column();
    }
    ensure(!render(error, false).trim().is_empty(), || {
        "an error without words".into()
    })?;
    Ok(format!("{} {}", error.message(), error.key().len()))
}

const SETTINGS: &[&str] = &[
    "sae",
    "trainer",
    "act_fn",
    "\"topk\"",
    "top_k",
    "lr",
    "hook_point_in",
    "activation_factory",
    "sources",
    "[[",
    "]]",
    "= ",
    "{ a = 1 }",
    "true",
    "null",
    "1_000",
    "0x10",
    "1979-05-27",
    "'''",
    "\"\"\"",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "|\n  ",
    ">-\n",
    "---\n",
    "...\n",
    "? ",
    "# ",
    "inf",
    "nan",
    ".inf",
];

pub const CONFIG_TOML: Target = Target {
    name: "config_toml",
    run: |input| configuration(input, "toml"),
    words: SETTINGS,
};

pub const CONFIG_JSON: Target = Target {
    name: "config_json",
    run: |input| configuration(input, "json"),
    words: SETTINGS,
};

pub const CONFIG_YAML: Target = Target {
    name: "config_yaml",
    run: |input| configuration(input, "yaml"),
    words: SETTINGS,
};

/// What was read is what the format's own crate reads, and settings that are accepted survive being written and read.
fn configuration(input: &[u8], extension: &str) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let document = match read(folder.path(), input, extension) {
        Ok(document) => document,
        Err(error) => return shown(&error),
    };
    let theirs = match extension {
        "json" => serde_json::from_slice::<Value>(input).ok(),
        "toml" => toml_reference(input),
        _ => None,
    };
    if let Some(theirs) = theirs {
        ensure(*document.value() == theirs, || {
            format!("{} instead of {theirs}", document.value())
        })?;
    }
    let text = document.value().to_string();
    let again = read(folder.path(), text.as_bytes(), "json").map_err(|error| error.to_string())?;
    let written = again.value().to_string();
    ensure(written == text, || format!("{written} instead of {text}"))?;
    let settings = match document.build::<TrainSAESettings>() {
        Ok(settings) => to_value(&settings).map_err(|error| error.to_string())?,
        Err(error) => return shown(&error),
    };
    let written = read(folder.path(), settings.to_string().as_bytes(), "json");
    let again = written.and_then(|document| document.build::<TrainSAESettings>());
    let again = again.map_err(|error| format!("what was accepted and written is refused: {error}"))?;
    let again = to_value(&again).map_err(|error| error.to_string())?;
    ensure(again == settings, || format!("{again} instead of {settings}"))?;
    Ok("ok".into())
}

/// What the crate's own deserialiser reads. It has no dates and allows numbers that are not finite.
fn toml_reference(input: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(input).ok()?;
    let table: toml::Table = toml::from_str(text).ok()?;
    let value = serde_json::to_value(table).ok()?;
    (!value.to_string().contains("$__toml_private_datetime")).then_some(value)
}

fn read(folder: &Path, input: &[u8], extension: &str) -> saescript::Result<Document> {
    let path = folder.join("settings").with_extension(extension);
    std::fs::write(&path, input).expect("written");
    Document::read(&path)
}

pub const OVERRIDE: Target = Target {
    name: "override",
    run: override_of,
    words: &[
        "trainer.lr=",
        "sae",
        "[0]",
        "[",
        "]",
        ".",
        "\"a b\"",
        "=",
        "null",
        "3e-4",
        "{a=1}",
        "activation_factory.sources[0].name=",
    ],
};

/// An override leaves a table, and sets what it names.
fn override_of(input: &[u8]) -> Verdict {
    static WHOLE: OnceLock<Document> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = b"a = 1\n[trainer]\nlr = 1e-4\nsteps = [1, 2]\n[[sources]]\nname = \"x\"\n";
        read(folder.path(), text, "toml").expect("a configuration")
    });
    let text = String::from_utf8_lossy(input);
    let mut document = whole.clone();
    if let Err(error) = document.set(&text) {
        return shown(&error);
    }
    ensure(document.value().is_object(), || {
        format!("{} is left", document.value())
    })?;
    match document.build::<TrainSAESettings>() {
        Ok(_) => Err("settings without a dictionary are accepted".into()),
        Err(error) => shown(&error).map(|outcome| format!("ok, {outcome}")),
    }
}

pub const TRACE: Target = Target {
    name: "trace",
    run: trace,
    words: &[
        "<|endoftext|>",
        "<|pad|>",
        " the",
        "ing",
        "\n\n",
        "    ",
        "é",
        "e\u{301}",
        "🙂",
        "👩\u{200d}👩\u{200d}👧",
        "\u{ad}",
        "ﷺ",
        "ſ",
        "İ",
        "\u{0}",
        "１",
    ],
};

/// The tokens are those of `encode`, each stands for whole characters, and the parts are counted right.
fn trace(input: &[u8]) -> Verdict {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    let tokenizer = TOKENIZER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-pythia");
        Tokenizer::from_folder(&folder, SpecialTokens::default()).expect("a tokenizer")
    });
    let text = String::from_utf8_lossy(input);
    let traced = tokenizer
        .trace(&text, true, None)
        .map_err(|error| error.to_string())?;
    let tokens = tokenizer
        .encode(&text, true, None)
        .map_err(|error| error.to_string())?;
    let same = traced.iter().map(|token| token.token).eq(tokens.iter().copied());
    ensure(same, || "other tokens than `encode` gives".into())?;
    let mut covered = vec![false; text.len()];
    let (mut byte, mut count) = (0, 0);
    for token in &traced {
        let (Some(bytes), Some(characters)) = (&token.bytes, &token.characters) else {
            continue;
        };
        let part = text
            .get(bytes.clone())
            .ok_or_else(|| format!("{bytes:?} cuts a character"))?;
        ensure(part.chars().count() == characters.len(), || {
            format!("{bytes:?} are not {characters:?}")
        })?;
        if byte <= bytes.start {
            (byte, count) = (bytes.start, count + text[byte..bytes.start].chars().count());
            ensure(count == characters.start, || {
                format!("{bytes:?} begin not at {characters:?}")
            })?;
        }
        covered[bytes.clone()].fill(true);
    }
    ensure(covered.iter().all(|covered| *covered), || {
        "a character belongs to no token".into()
    })?;
    Ok(format!("ok, {} tokens", magnitude(tokens.len())))
}
