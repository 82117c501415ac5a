//! Stores of other versions.

use std::collections::BTreeMap;

use super::migrate::apply;
use super::store::Store;

#[test]
fn an_older_store_is_brought_up_and_a_copy_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sqlite");
    let store = Store::create(&path, &BTreeMap::new()).expect("made");
    store.set_label(3, "months", "user").expect("labelled");
    let step = ["CREATE TABLE more (x INTEGER) STRICT;"];
    let refused = apply(store.connection(), &path, false, (1, &step)).expect_err("only for reading");
    assert!(refused.to_string().contains("older version"), "{refused}");
    apply(store.connection(), &path, true, (1, &step)).expect("changed");
    store
        .change("INSERT INTO more VALUES (1)", [])
        .expect("the new table");
    let newer = Store::open(&path).expect_err("of a newer program");
    assert!(newer.to_string().contains("version 2"), "{newer}");
    let copy = Store::open(folder.path().join("a.sqlite.v1")).expect("a copy of the old one");
    assert_eq!(copy.label(3).expect("read").expect("a label").text, "months");
}
