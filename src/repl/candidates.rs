//! What is offered at the cursor, as it is put into the line.

use std::path::Path;

use rustyline::completion::Pair;

use crate::report::visible;
use crate::script::docs::{Catalog, Entry, Kind as Name};

/// How an entry is completed: functions up to their bracket, modules up to their separator.
pub(super) fn call(entry: &Entry) -> String {
    match entry.kind {
        Name::Function | Name::Method | Name::Constructor => format!("{}(", entry.name),
        Name::Module => format!("{}::", entry.name),
        Name::Type | Name::Property | Name::Field | Name::Constant => entry.name.clone(),
    }
}

/// `f(a, b)` up to its bracket; a name without brackets as it is.
pub(super) fn opened(signature: String) -> String {
    match signature.split_once('(') {
        Some((name, _)) => format!("{name}("),
        None => signature,
    }
}

/// Names for `:help`.
pub(super) fn topics(prefix: &str, catalog: &Catalog) -> Vec<Pair> {
    keep(
        catalog
            .entries()
            .iter()
            .filter(|entry| prefix.contains(['.', ':']) || entry.owner.is_none())
            .map(Entry::path),
        prefix,
    )
}

/// Those that begin with `prefix`, each once, in order.
pub(super) fn keep(names: impl Iterator<Item = String>, prefix: &str) -> Vec<Pair> {
    let mut fitting: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    fitting.sort();
    fitting.dedup();
    // A class is a type and a function: the function says more.
    let functions: Vec<String> = fitting
        .iter()
        .filter_map(|name| name.strip_suffix('(').map(str::to_string))
        .collect();
    fitting.retain(|name| !functions.contains(name));
    fitting
        .into_iter()
        .map(|name| Pair {
            display: name.trim_end_matches([' ', '"']).to_string(),
            replacement: name,
        })
        .collect()
}

/// Tab where nothing stands yet in a later line of an entry indents it.
pub(super) fn indentation(line: &str) -> Vec<Pair> {
    let in_blank_line = line
        .rsplit_once('\n')
        .is_some_and(|(_, last)| last.trim().is_empty());
    if in_blank_line {
        vec![Pair {
            display: String::new(),
            replacement: "    ".into(),
        }]
    } else {
        Vec::new()
    }
}

/// Files and folders that begin with `prefix`; only files that end with `extension`, which is left out.
pub(super) fn files(prefix: &str, extension: &str) -> Vec<Pair> {
    let (folder, beginning) = match prefix.rfind('/') {
        Some(slash) => prefix.split_at(slash + 1),
        None => ("", prefix),
    };
    let home = std::env::home_dir().unwrap_or_default();
    let place = match folder.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if folder.is_empty() => Path::new(".").to_path_buf(),
        None => Path::new(folder).to_path_buf(),
    };
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_folder = entry.path().is_dir();
        let hidden = name.starts_with('.') && !beginning.starts_with('.');
        match (is_folder, name.strip_suffix(extension)) {
            // What a terminal would obey cannot be offered on one.
            _ if hidden || visible(&name) != name => None,
            (true, _) => Some(format!("{folder}{name}/")),
            (false, Some(stem)) => Some(format!("{folder}{stem}")),
            (false, None) => None,
        }
    });
    keep(names, prefix)
}
