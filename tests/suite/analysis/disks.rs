//! Disks that are full, and disks that cannot be written.

use std::fs;

use saescript::findings::{State, Store};
use serde_json::json;

use super::command::settings;
use crate::disk::on_a_disk;

#[test]
fn on_a_full_disk_nothing_is_lost_and_on_a_read_only_one_everything_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["store"] = json!("small/a.sqlite");
    fs::write(folder.path().join("analyze.json"), all.to_string()).expect("written");
    let script = r#"
        "$0" analyze analyze.json -q; echo "full $?"
        mount -o remount,size=100m small
        "$0" analyze analyze.json -q; echo "larger $?"
        mount -o remount,ro small
        "$0" show small/a.sqlite 3 > shown.txt; echo "shown $?"
        "$0" analyze analyze.json -q --replace; echo "read only $?"
        cp small/a.sqlite kept.sqlite
    "#;
    let Some(ran) = on_a_disk(folder.path(), "size=900k", script) else {
        return;
    };
    let lines: Vec<&str> = ran
        .out
        .lines()
        .filter(|line| !line.starts_with("saescript view"))
        .collect();
    assert!(lines.contains(&"full 1"), "{}\n{}", ran.out, ran.err);
    assert!(lines.contains(&"larger 0"), "{}\n{}", ran.out, ran.err);
    assert!(lines.contains(&"shown 0"), "{}\n{}", ran.out, ran.err);
    assert!(ran.err.contains("no space is left on the disk"), "{}", ran.err);
    assert!(!lines.contains(&"read only 0"), "{}\n{}", ran.out, ran.err);
    assert!(
        fs::read_to_string(folder.path().join("shown.txt"))
            .expect("shown")
            .contains("latent 3")
    );
    let store = Store::open(folder.path().join("kept.sqlite")).expect("a store");
    assert_eq!(store.analysis(None).expect("an analysis").state, State::Complete);
}
