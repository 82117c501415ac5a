//! Changes to a manifest that leave everything else as its author wrote it, comments included.

use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use super::manifest::Dependency;
use crate::error::{Error, Result};

const TABLES: [&str; 2] = ["dependencies", "dev-dependencies"];

/// Returns the manifest `text` with a dependency called `name`, in the place of one that it has already.
///
/// # Errors
/// The text is no TOML.
pub fn with_dependency(text: &str, name: &str, dependency: &Dependency, dev: bool) -> Result<String> {
    let (without, _) = without_dependency(text, name)?;
    let mut document = read(&without)?;
    let table = document
        .entry(TABLES[usize::from(dev)])
        .or_insert_with(|| Item::Table(Table::new()));
    if let Some(table) = table.as_table_like_mut() {
        table.insert(name, Item::Value(Value::InlineTable(written(dependency))));
    }
    Ok(document.to_string())
}

/// Returns the manifest `text` without the dependency called `name`, and whether it had one.
///
/// # Errors
/// The text is no TOML.
pub fn without_dependency(text: &str, name: &str) -> Result<(String, bool)> {
    let mut document = read(text)?;
    let mut had = false;
    for table in TABLES {
        let entries = document.get_mut(table).and_then(Item::as_table_like_mut);
        had |= entries.is_some_and(|entries| entries.remove(name).is_some());
    }
    Ok((document.to_string(), had))
}

fn read(text: &str) -> Result<DocumentMut> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| Error::input(format!("invalid TOML: {}", error.message())))
}

fn written(dependency: &Dependency) -> InlineTable {
    let version = dependency.version.as_ref().map(ToString::to_string);
    let entries = [
        ("path", &dependency.path),
        ("file", &dependency.file),
        ("git", &dependency.git),
        ("hub", &dependency.hub),
        ("rev", &dependency.rev),
        ("version", &version),
    ];
    let mut table = InlineTable::new();
    for (key, value) in entries {
        if let Some(value) = value {
            table.insert(key, value.as_str().into());
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# mine\n[package]\nname = \"a\" # short\n\n[dependencies]\n# for tables\nb = { path = \"../b\" }\n";

    fn dependency(path: &str) -> Dependency {
        Dependency {
            path: Some(path.into()),
            ..Dependency::default()
        }
    }

    #[test]
    fn the_rest_stays_as_it_was_written() {
        let with = with_dependency(TEXT, "c", &dependency("../c"), false).expect("added");
        assert_eq!(with, format!("{TEXT}c = {{ path = \"../c\" }}\n"));
        assert_eq!(
            without_dependency(&with, "c").expect("removed"),
            (TEXT.into(), true)
        );
        assert_eq!(
            without_dependency(TEXT, "x").expect("as it was"),
            (TEXT.into(), false)
        );
    }

    #[test]
    fn a_dependency_stands_in_one_table() {
        let moved = with_dependency(TEXT, "b", &dependency("../d"), true).expect("moved");
        assert!(
            moved.ends_with("[dev-dependencies]\nb = { path = \"../d\" }\n"),
            "{moved}"
        );
        assert_eq!(moved.matches("b = ").count(), 1, "{moved}");
    }
}
