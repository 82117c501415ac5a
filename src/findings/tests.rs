//! Stores of other versions.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::connect::Access;
use super::store::Store;
use super::{Near, State};

/// A store that a program wrote whose form had version 1.
/// Makes the store of four latents that an older version wrote.
pub(crate) fn old(path: &Path) {
    let store = Connection::open(path).expect("made");
    let statements = include_str!("../../tests/fixtures/analysis/store-v1.sql");
    store.execute_batch(statements).expect("written");
}

#[test]
fn an_older_store_is_brought_up_and_a_copy_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sqlite");
    let copy = folder.path().join("a.sqlite.v1");
    old(&path);
    let before = fs::read(&path).expect("read");

    let read = Store::open_for(&path, Access::Read).expect("a copy is read");
    assert!(!read.analysis(None).expect("an analysis").estimated_pairs);
    read.set_label(1, "new", "user").expect_err("for reading only");
    drop(read);
    assert_eq!(fs::read(&path).expect("read"), before, "nothing was changed");
    assert!(!copy.exists());

    let store = Store::open(&path).expect("brought up");
    let analysis = store.analysis(None).expect("an analysis");
    assert_eq!((analysis.state, analysis.counted), (State::Complete, 90));
    assert!(!analysis.estimated_pairs);
    assert_eq!(store.scalars(1).expect("figures").len(), 2);
    assert_eq!(store.neighbours(1, 0, Near::Decoder).expect("read")[0].latent, 1);
    assert_eq!(store.label(0).expect("read").expect("a label").text, "felines");
    assert_eq!(store.search(1, "feline", 5).expect("searched")[0].latent, 0);
    assert_eq!(store.bookmarks().expect("read").len(), 1);
    store.set_label(1, "new", "user").expect("labelled");
    drop(store);
    Store::open_for(&path, Access::Read).expect("it is of this version now");

    let kept = Connection::open(&copy).expect("a copy of the old one");
    let version = kept.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
    assert_eq!(version.expect("a version"), 1);
    let labels = kept.query_row("SELECT count(*) FROM explanation", [], |row| row.get::<_, i32>(0));
    assert_eq!(labels.expect("counted"), 1);
}

#[test]
fn a_store_of_a_newer_program_is_refused_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sqlite");
    drop(Store::create(&path, &Default::default()).expect("made"));
    let store = Connection::open(&path).expect("opened");
    store.pragma_update(None, "user_version", 99).expect("set");
    drop(store);
    let before = fs::read(&path).expect("read");
    let newer = Store::open(&path).expect_err("of a newer program");
    assert!(newer.to_string().contains("version 99"), "{newer}");
    assert!(newer.to_string().contains("a newer program wrote it"), "{newer}");
    assert_eq!(fs::read(&path).expect("read"), before);
}

#[test]
fn what_stands_in_a_log_is_read_where_nothing_may_be_written() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).expect("made");
    let path = inside.join("a.sqlite");
    old(&path);
    drop(Store::open(&path).expect("brought up"));
    // As of a program that was killed: nobody brings the log's changes into the file.
    let killed = Connection::open(&path).expect("opened");
    killed
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; UPDATE explanation SET text = 'logged';",
        )
        .expect("written");
    std::mem::forget(killed);
    let may_write = |mode| fs::set_permissions(&inside, fs::Permissions::from_mode(mode)).expect("set");
    may_write(0o555);
    let read = Store::open_for(&path, Access::Read).and_then(|store| store.label(0));
    may_write(0o755);
    assert_eq!(read.expect("read").expect("a label").text, "logged");
}
