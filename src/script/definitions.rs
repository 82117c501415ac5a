//! Definition files (`.d.rhai`), from which editors that know Rhai complete and document names.

use std::collections::BTreeMap;

use super::class::Constructor;
use super::docs::{Catalog, Entry, Kind};

/// Returns file names and contents: the language's own functions, saescript's, and one file for each module.
pub fn definitions(catalog: &Catalog) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for entry in catalog.entries() {
        let (module, file) = match (&entry.owner, entry.kind) {
            (Some(module), Kind::Function | Kind::Constructor | Kind::Constant) => {
                (module.as_str(), module.as_str())
            }
            _ if entry.standard => ("static", "__builtin__"),
            _ => ("static", "__static__"),
        };
        let text = files
            .entry(format!("{}.d.rhai", file.replace("::", ".")))
            .or_insert_with(|| format!("module {module};\n"));
        for definition in definitions_of(entry, module) {
            *text += "\n";
            for line in entry.docs.lines() {
                *text += format!("/// {line}").trim_end();
                *text += "\n";
            }
            *text += &format!("{definition}\n");
        }
    }
    files
}

/// One statement for each way to use it. Modules and types have none: their contents say what they are.
fn definitions_of(entry: &Entry, module: &str) -> Vec<String> {
    let owner = entry.owner.as_deref().unwrap_or_default();
    let path = format!("{module}::");
    let of_signature = |signature: &String| match entry.kind {
        Kind::Method | Kind::Function if signature.contains(" = ") || signature.contains("*, ") => {
            let plain = without_defaults(signature);
            of_plain(entry, &plain, owner, &path)
        }
        _ => of_plain(entry, signature, owner, &path),
    };
    match entry.kind {
        Kind::Module | Kind::Type => Vec::new(),
        // What it makes has the fields of its class.
        Kind::Field if Constructor::find(owner).is_some_and(|constructor| constructor.is_alias()) => {
            Vec::new()
        }
        Kind::Constant => vec![format!("const {};", entry.name)],
        _ => entry.signatures.iter().map(of_signature).collect(),
    }
}

/// A signature with all its arguments as if each had to be given: definitions know no defaults.
fn without_defaults(signature: &str) -> String {
    let (head, returned) = signature.rsplit_once(')').unwrap_or((signature, ""));
    let (name, parameters) = head.split_once('(').unwrap_or((head, ""));
    let parameters: Vec<&str> = parameters
        .split(", ")
        .filter(|part| *part != "*")
        .map(|part| part.split(" = ").next().unwrap_or(part))
        .collect();
    format!("{name}({}){returned}", parameters.join(", "))
}

fn of_plain(entry: &Entry, signature: &str, owner: &str, path: &str) -> String {
    match entry.kind {
        Kind::Method => {
            let (name, rest) = signature.split_once('(').unwrap_or((signature, ")"));
            let comma = if rest.starts_with(')') { "" } else { ", " };
            format!("fn {name}(this: {owner}{comma}{rest};")
        }
        Kind::Property => {
            let (name, kind) = signature.split_once(" -> ").unwrap_or((signature, "any"));
            format!("fn get {name}(this: {owner}) -> {kind};")
        }
        Kind::Field => {
            let (name, kind) = signature.split_once(": ").unwrap_or((signature, "any"));
            let kind = kind
                .split(" = ")
                .next()
                .unwrap_or(kind)
                .trim_end_matches(" (required)");
            format!("fn get {name}(this: {owner}) -> {kind};")
        }
        _ => format!("fn {};", signature.trim_start_matches(path)),
    }
}
