//! A folder of src/ imports only from rows below its own in the table of src/lib.rs, and some crates belong to one
//! folder only.

use std::path::{Path, PathBuf};

use super::reading::{Module, read_all};
use super::sources::sources;

/// Crates and the folders that may name them.
const OWNED: &[(&str, &[&str])] = &[
    ("rhai", &["script", "repl"]),
    ("clap", &["cli"]),
    ("indicatif", &["report"]),
    ("axum", &["serve"]),
    ("hyper", &["serve"]),
    ("hyper_util", &["serve"]),
    ("tokio", &["serve"]),
    ("ureq", &["transfer"]),
    ("rusty_s3", &["store"]),
    ("tch", &["tensor", "kernels"]),
    ("zip", &["tensor"]),
    ("rusqlite", &["findings"]),
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

/// Every module of src/ with the name of its folder, or that of its file if it is in none.
fn modules() -> Vec<(String, Module)> {
    let sources = sources("src");
    let files = sources
        .iter()
        .map(|(file, text)| (file.trim_start_matches("src/"), text.as_str()));
    let named = |module: Module| {
        let folder = module.file.split('/').next().unwrap_or_default();
        (folder.trim_end_matches(".rs").to_string(), module)
    };
    read_all(files).into_values().map(named).collect()
}

#[test]
fn the_table_names_every_folder() {
    let table: Vec<String> = table().concat();
    assert!(table.len() > 10, "{table:?}");
    for (folder, module) in modules() {
        let known = table.contains(&folder) || ["lib", "main"].contains(&folder.as_str());
        assert!(known, "{} is in no row of the table in src/lib.rs", module.file);
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
    for (folder, module) in modules() {
        let Some(own) = row(&folder) else { continue };
        let inside = module.named().filter(|path| path[0] == "crate");
        for name in inside.filter_map(|path| path.get(1)) {
            let Some(other) = row(name) else { continue };
            checked += 1;
            if *name != folder && other <= own {
                wrong.push(format!("{} imports crate::{name}", module.file));
            }
        }
    }
    assert!(checked > 1000, "only {checked} imports were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_crates_belong_to_one_folder() {
    let modules = modules();
    for (name, owners) in OWNED {
        let naming: Vec<&(String, Module)> = modules
            .iter()
            .filter(|(_, module)| module.named().any(|path| path[0] == *name))
            .collect();
        assert!(!naming.is_empty(), "no file names the crate {name}");
        let strangers: Vec<&str> = naming
            .iter()
            .filter(|(folder, _)| !owners.contains(&folder.as_str()))
            .map(|(_, module)| module.file.as_str())
            .collect();
        assert!(
            strangers.is_empty(),
            "files that name the crate {name}:\n{}",
            strangers.join("\n")
        );
    }
}

#[test]
fn imports_are_read_wherever_they_stand() {
    let text = "use crate::{error::{Error, Result}, tensor as t};\nfn f() { let x = crate::hub::get(y!(crate::text::Z)); }";
    let modules = read_all([("a.rs", text)]);
    let mut found: Vec<String> = modules[&vec!["a".to_string()]]
        .named()
        .map(|path| path.join("::"))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "crate::error::Error",
            "crate::error::Result",
            "crate::hub::get",
            "crate::tensor",
            "crate::text::Z",
            "y"
        ]
    );
}
