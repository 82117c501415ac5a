//! Commands about entries and files of them: `:load`, `:save`, `:edit`, `:reset`.

use std::path::{Path, PathBuf};

use super::outside;
use super::session::{Entry, Next, Session};
use crate::atomic;
use crate::error::{Error, Result};
use crate::report::format;
use crate::script::is_blank;
use crate::script::source::lexer::{Kind, Lexer};

/// Runs a script in the session.
pub(super) fn load(session: &mut Session, file: &str) -> Result<Next> {
    session.run_script(&path(file))
}

/// Writes what was entered so far as a script.
pub(super) fn save(session: &mut Session, file: &str) -> Result<Next> {
    let path = path(file);
    atomic::write(&path, script_of(&session.entries))?;
    session.printer.line(&format!(
        "saved {} to {}",
        format::amount(session.entries.len() as u64, None, "entries"),
        path.display()
    ));
    Ok(Next::Continue)
}

/// The entries as a script, in which results that later entries name are variables.
fn script_of(entries: &[Entry]) -> String {
    let mut results: Vec<usize> = Vec::new();
    let mut named = Vec::new();
    let texts: Vec<String> = entries
        .iter()
        .map(|entry| {
            let text = with_numbers(&entry.text, &results, &mut named);
            results.extend(entry.has_result.then_some(entry.number));
            text
        })
        .collect();
    let lines = entries.iter().zip(texts).map(|(entry, text)| {
        let end = if text.ends_with([';', '}']) { "" } else { ";" };
        if named.contains(&format!("_{}", entry.number)) {
            let (before, result) = text.split_at(start_of_result(&text));
            format!("{before}let _{} = {};\n", entry.number, result.trim())
        } else {
            format!("{text}{end}\n")
        }
    });
    lines.collect()
}

/// Where the last statement of `text` begins, whose value is the result.
fn start_of_result(text: &str) -> usize {
    let (mut depth, mut start) = (0usize, 0);
    for token in Lexer::new(text, 0) {
        match token.kind {
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => depth += 1,
            Kind::Symbol if depth == 0 && &text[token.span.clone()] == ";" => start = token.span.end,
            _ => (),
        }
    }
    start
}

/// `text` with `_` and `__` as the numbered names of the results before it, which are also put into `named`.
fn with_numbers(text: &str, results: &[usize], named: &mut Vec<String>) -> String {
    let (mut written, mut at) = (String::new(), 0);
    for token in Lexer::new(text, 0).filter(|token| token.kind == Kind::Name) {
        let word = &text[token.span.clone()];
        if !is_blank(word) {
            continue;
        }
        let is_blank = word.chars().all(|letter| letter == '_');
        let before = results
            .len()
            .checked_sub(word.len())
            .and_then(|index| results.get(index));
        let name = match before {
            Some(number) if is_blank => format!("_{number}"),
            _ => word.to_string(),
        };
        written += &text[at..token.span.start];
        written += &name;
        at = token.span.end;
        named.push(name);
    }
    written + &text[at..]
}

/// Opens an editor: on the newest entry, which is run when the editor ends with another text; or on a file, which is
/// loaded then.
pub(super) fn edit(session: &mut Session, file: &str) -> Result<Next> {
    if !file.is_empty() {
        let path = path(file);
        outside::edit(&path, &session.waiting)?;
        return if path.exists() {
            session.run_script(&path)
        } else {
            Ok(Next::Continue)
        };
    }
    let before = session.newest.clone();
    let draft = tempfile::Builder::new()
        .prefix("entry-")
        .suffix(".rhai")
        .tempfile();
    let draft = draft.map_err(|error| Error::io("create", std::env::temp_dir(), error))?;
    std::fs::write(draft.path(), format!("{before}\n"))
        .map_err(|error| Error::io("write", draft.path(), error))?;
    outside::edit(draft.path(), &session.waiting)?;
    let text =
        std::fs::read_to_string(draft.path()).map_err(|error| Error::io("read", draft.path(), error))?;
    let text = text.trim();
    if text.is_empty() || text == before {
        session.printer.line("nothing was changed, so nothing is run");
        return Ok(Next::Continue);
    }
    session.printer.line(text);
    // An entry that fails is there again at the next `:edit`.
    session.newest = text.to_string();
    session.edited = Some(text.to_string());
    session.evaluate(text)
}

/// Forgets all variables, functions and imports.
pub(super) fn reset(session: &mut Session, _: &str) -> Result<Next> {
    session.interactive.borrow_mut().reset();
    session.entries.clear();
    session.printer.line("forgot everything that was defined");
    Ok(Next::Continue)
}

/// Quotes around a file name are not part of it; a `~` at its start is the home folder.
fn path(file: &str) -> PathBuf {
    let bare = file.trim_matches('"');
    match (bare.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => Path::new(bare).to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_are_named_later_become_variables() {
        let entry = |number, text: &str, has_result| Entry {
            number,
            text: text.into(),
            has_result,
        };
        let entries = [
            entry(1, "1 + 1", true),
            entry(2, "let a = _ * 2", false),
            entry(4, "let b = 2; a", true),
            entry(5, "_ + __ + _1", true),
            entry(6, "for _x in 0..2 {}", false),
        ];
        let wanted =
            "let _1 = 1 + 1;\nlet a = _1 * 2;\nlet b = 2;let _4 = a;\n_4 + _1 + _1;\nfor _x in 0..2 {}\n";
        assert_eq!(script_of(&entries), wanted);
    }
}
