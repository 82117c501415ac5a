//! A folder of src/ imports only from rows below its own in the table of src/lib.rs, and some crates belong to one
//! folder only.

use std::path::{Path, PathBuf};

/// Crates and the folders that may name them.
const OWNED: &[(&str, &[&str])] = &[
    ("rhai", &["script", "repl"]),
    ("clap", &["cli"]),
    ("indicatif", &["report"]),
    ("ureq", &["transfer"]),
    ("rusty_s3", &["store"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The names of each row, from the top.
fn table() -> Vec<Vec<String>> {
    let lib = std::fs::read_to_string(source().join("lib.rs")).expect("src/lib.rs");
    let lines = lib
        .lines()
        .skip_while(|line| *line != "//! ```text")
        .skip(1)
        .take_while(|line| *line != "//! ```");
    let names = |line: &str| {
        let row = line
            .trim_start_matches("//! ")
            .split("  ")
            .next()
            .unwrap_or_default();
        row.split(" | ").map(|name| name.trim().to_string()).collect()
    };
    lines.map(names).collect()
}

/// Every file of src/ with the name of its folder, or its own for a file that is in none.
fn files() -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path
                    .strip_prefix(source())
                    .expect("a file of src/")
                    .with_extension("");
                let first = inside.components().next().expect("a name");
                files.push((first.as_os_str().to_string_lossy().into_owned(), path));
            }
        }
    }
    files
}

/// The code of a file: no comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows each `crate::`, also inside `use crate::{a, b}`.
fn imported(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect()
    };
    let mut names = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0i32;
                let mut start = 0;
                for (end, letter) in list.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            names.push(word(list[start..end].trim_start()));
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            names.push(word(list[start..end].trim_start()));
                            start = end + 1;
                        }
                        _ => (),
                    }
                }
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn the_table_names_every_folder() {
    let table: Vec<String> = table().concat();
    assert!(table.len() > 10, "{table:?}");
    for (folder, path) in files() {
        let known = table.contains(&folder) || ["lib", "main"].contains(&folder.as_str());
        assert!(
            known,
            "{} is in no row of the table in src/lib.rs",
            path.display()
        );
    }
    for name in &table {
        let there = source().join(name).is_dir() || source().join(name).with_extension("rs").is_file();
        assert!(
            there,
            "the table in src/lib.rs has `{name}`, which does not exist"
        );
    }
}

#[test]
fn imports_point_downwards() {
    let table = table();
    let row = |name: &str| {
        table
            .iter()
            .position(|names| names.iter().any(|known| known == name))
    };
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (folder, path) in files() {
        let Some(own) = row(&folder) else { continue };
        for name in imported(&code(&path)) {
            let Some(other) = row(&name) else { continue };
            checked += 1;
            if name != folder && other <= own {
                wrong.push(format!("{} imports crate::{name}", path.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} imports were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_crates_belong_to_one_folder() {
    let mut seen = 0;
    for (folder, path) in files() {
        let code = code(&path);
        for (name, owners) in OWNED {
            let named = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
            });
            seen += usize::from(named);
            assert!(
                !named || owners.contains(&folder.as_str()),
                "{} names the crate {name}",
                path.display()
            );
        }
    }
    assert!(
        seen >= OWNED.len(),
        "the crates are named nowhere, so this test looks in the wrong place"
    );
}

#[test]
fn imports_are_read_from_lists_too() {
    let code = "use crate::{error::{Error, Result}, tensor};\nlet x = crate::hub::get();";
    assert_eq!(imported(code), ["error", "tensor", "hub"]);
}
