//! A store of an older version, met by commands and scripts: read as it is, or brought up with a copy kept.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::program::run_in;

/// Writes the store that an older version wrote.
fn older(folder: &Path) -> Vec<u8> {
    let path = folder.join("old.sqlite");
    let store = Connection::open(&path).expect("made");
    store
        .execute_batch(include_str!("../../fixtures/analysis/store-v1.sql"))
        .expect("written");
    drop(store);
    fs::read(path).expect("read")
}

#[test]
fn commands_read_an_older_store_and_scripts_bring_it_up() {
    let look = r#"let analysis = Analysis::open("old.sqlite"); print(analysis.latent(0).label);"#;
    for (command, changes, told) in [
        (vec!["show", "old.sqlite", "0"], false, "felines"),
        (vec!["run", "-A", "look.rhai"], true, "felines"),
        (
            vec!["export", "old.sqlite", "--to", "jsonl", "--out", "out"],
            false,
            "",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let before = older(folder.path());
        fs::write(folder.path().join("look.rhai"), look).expect("written");
        let ran = run_in(folder.path(), &command).ended_with(0);
        assert!(ran.out.contains(told), "{command:?}: {}", ran.out);
        let copy = folder.path().join("old.sqlite.v1");
        assert_eq!(copy.exists(), changes, "{command:?}");
        let now = fs::read(folder.path().join("old.sqlite")).expect("read");
        assert_eq!(now != before, changes, "{command:?}");
    }
}
