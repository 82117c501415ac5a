//! Contents that are not those that were locked are refused, whatever was done to them.

use std::fs;
use std::path::PathBuf;

use super::place::Workplace;

/// What is done to the library in the folder.
type Change = fn(&std::path::Path);

/// The folder in the cache with the only library there.
fn cached(place: &Workplace) -> PathBuf {
    let mut entries = fs::read_dir(place.at("cache/saescript/libraries")).expect("a cache");
    entries.next().expect("a library").expect("readable").path()
}

const CHANGES: [(&str, Change, &str); 5] = [
    (
        "a byte",
        |folder| fs::write(folder.join("lib.rhai"), "fn value() { 2 }\n").expect("written"),
        "is not what was locked",
    ),
    (
        "another name",
        |folder| fs::rename(folder.join("notes"), folder.join("Notes")).expect("renamed"),
        "is not what was locked",
    ),
    (
        "a new file",
        |folder| fs::write(folder.join("src.rhai"), "").expect("written"),
        "is not what was locked",
    ),
    (
        "a link",
        |folder| {
            fs::rename(folder.join("lib.rhai"), folder.join("../../lib.rhai")).expect("moved");
            std::os::unix::fs::symlink("../../lib.rhai", folder.join("lib.rhai")).expect("linked");
        },
        "is a link",
    ),
    (
        "a file less",
        |folder| fs::remove_file(folder.join("notes")).expect("removed"),
        "is not what was locked",
    ),
];

#[test]
fn altered_contents_are_refused() {
    for (what, change, refusal) in CHANGES {
        for from_archive in [false, true] {
            let place = Workplace::new();
            place.library("around/probes", "0.1.0", "1", "");
            place.write("around/probes/notes", "text");
            place.project("app", "probes");
            let folder = if from_archive {
                place.run("around/probes", 0, &["pack", "-o", "../probes.tar.zst"]);
                place.run("app", 0, &["add", "../around/probes.tar.zst"]);
                cached(&place)
            } else {
                place.run("app", 0, &["add", "../around/probes"]);
                place.at("around/probes")
            };
            place.prints("app", "1");
            change(&folder);
            let said = place.refusal("app");
            assert!(said.contains(refusal), "{what}: {said}");
            let said = place.run("app", 2, &["check", "main.rhai"]).err;
            assert!(said.contains(refusal), "{what}: {said}");
            if from_archive {
                place.run("app", 0, &["update", "--locked"]);
                place.prints("app", "1");
            }
        }
    }
}

#[test]
fn a_change_on_purpose_is_locked_anew() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.project("app", "probes");
    place.run("app", 0, &["add", "../probes"]);
    place.library("probes", "0.1.0", "2", "");
    assert!(place.refusal("app").contains("saescript update probes"));
    let said = place.run("app", 0, &["update", "probes"]).out;
    assert_eq!(said, "updated probes 0.1.0 from path+../probes\n");
    place.prints("app", "2");
    assert_eq!(place.run("app", 0, &["update"]).out, "nothing changed\n");
}

#[test]
fn another_revision_under_the_same_name_is_refused() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    let commit = place.commit("probes");
    place.project("app", "probes");
    place.run(
        "app",
        0,
        &["add", &format!("git+file://{}", place.at("probes").display())],
    );
    place.library("probes", "0.1.0", "2", "");
    let other = place.commit("probes");
    let lock = place.read("app/saescript.lock").replace(&commit, &other);
    place.write("app/saescript.lock", &lock);
    fs::remove_dir_all(place.at("cache")).expect("removed");
    let said = place.run("app", 2, &["update", "--locked"]).err;
    assert!(
        said.contains("gives other contents of `probes 0.1.0` than were locked"),
        "{said}"
    );
}

#[test]
fn a_lock_changed_by_hand_is_refused_and_leads_nowhere() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.run("probes", 0, &["pack"]);
    place.project("app", "probes");
    place.run("app", 0, &["add", "../probes/probes-0.1.0.tar.zst"]);
    let lock = place.read("app/saescript.lock");
    // Copies of a library with that name would replace a folder outside.
    place.write("probes-0.1.0/mine", "kept");
    for (from, to, said) in [
        ("\"probes\"", "\"../../probes\"", "no name of a library"),
        ("\"sha256:", "\"sha256:../", "for the hash of its contents"),
        (
            "contents =",
            "commit = \"--upload-pack=x\"\ncontents =",
            "for its commit",
        ),
        ("\"0.1.0\"", "\"9.9.9\"", "calls itself `probes 0.1.0`"),
    ] {
        assert!(lock.contains(from), "{lock}");
        place.write("app/saescript.lock", &lock.replacen(from, to, 1));
        for arguments in [&["update", "--locked"][..], &["vendor"]] {
            let refused = place.run("app", 2, arguments).err;
            assert!(refused.contains(said), "{from}, {arguments:?}: {refused}");
        }
        place.refusal("app");
    }
    assert_eq!(place.read("probes-0.1.0/mine"), "kept");
    assert!(!place.at("app/vendor").exists(), "nothing is copied");
    // Without a lock, nothing is said to be used.
    fs::remove_file(place.at("app/saescript.lock")).expect("removed");
    let said = place.run("app", 2, &["list"]).err;
    assert!(said.contains("the library `probes` is not locked"), "{said}");
}

#[test]
fn nothing_of_a_library_runs_when_it_is_added() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.write("probes/lib.rhai", "throw \"it ran\";\nfn value() { 1 }\n");
    place.project("app", "probes");
    for arguments in [
        &["add", "../probes"][..],
        &["update"],
        &["vendor"],
        &["list", "--tree"],
    ] {
        place.run("app", 0, arguments);
    }
    assert!(place.refusal("app").contains("it ran"));
}
