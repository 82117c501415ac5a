//! One library by way of every source, locked, used without its source, and given away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::place::Workplace;
use crate::hub::server::Hub;
use crate::program::finish;

fn remove(place: &Workplace, path: &str) {
    fs::remove_dir_all(place.at(path)).expect("removed");
}

#[test]
fn a_library_comes_from_its_folder() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.project("app", "probes");
    let said = place.run("app", 0, &["add", "../probes"]).out;
    assert_eq!(said, "added probes 0.1.0 from path+../probes\n");
    let manifest = place.read("app/saescript.toml");
    assert!(manifest.starts_with("# mine\n"), "{manifest}");
    assert!(
        manifest.ends_with("[dependencies]\nprobes = { path = \"../probes\" }\n"),
        "{manifest}"
    );
    place.prints("app", "1");
    place.run("app", 0, &["check", "main.rhai"]);
    assert_eq!(
        place.run("app", 0, &["list"]).out,
        "probes 0.1.0 from path+../probes\n"
    );
    assert_eq!(
        place.run("app", 0, &["remove", "probes"]).out,
        "removed probes 0.1.0\n"
    );
    assert!(place.refusal("app").contains("there is no module `probes`"));
}

#[test]
fn a_library_is_added_from_below_the_project() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.project("app", "probes");
    place.write("app/deep/er/x", "");
    place.run("app/deep/er", 0, &["add", "../../../probes"]);
    place.prints("app", "1");
    assert!(place.read("app/saescript.lock").contains("path+../probes\""));
}

#[test]
fn a_library_comes_from_its_archive() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "2", "");
    place.project("app", "probes");
    place.run("probes", 0, &["pack", "-o", "../app/probes.tar.zst"]);
    place.run("app", 0, &["add", "probes.tar.zst"]);
    place.prints("app", "2");
    // Another machine has neither the cache nor the folder.
    remove(&place, "cache");
    remove(&place, "probes");
    let said = place.refusal("app");
    assert!(
        said.contains("`probes 0.1.0`") && said.contains("saescript update --locked"),
        "{said}"
    );
    let said = place.run("app", 0, &["update", "--locked"]).out;
    assert_eq!(said, "fetched probes 0.1.0 from file+probes.tar.zst\n");
    place.prints("app", "2");
}

#[test]
fn a_library_comes_from_git_and_stays_at_its_commit() {
    let place = Workplace::new();
    place.library("repo/probes", "0.1.0", "3", "");
    place.write("repo/probes/.gitattributes", "lib.rhai export-ignore\n");
    let commit = place.commit("repo/probes");
    place.project("app", "probes");
    let source = format!("git+file://{}#main", place.at("repo/probes").display());
    place.run("app", 0, &["add", &source]);
    assert!(place.read("app/saescript.lock").contains(&commit));
    place.prints("app", "3");
    place.library("repo/probes", "0.1.1", "4", "");
    place.commit("repo/probes");
    place.prints("app", "3");
    let said = place.run("app", 0, &["update", "probes"]).out;
    assert!(
        said.starts_with("updated probes 0.1.0 to probes 0.1.1 from git+file://"),
        "{said}"
    );
    place.prints("app", "4");
    // The older commit can still be asked for by its name.
    let old = format!("git+file://{}#{commit}", place.at("repo/probes").display());
    place.run("app", 0, &["add", &old]);
    place.prints("app", "3");
    remove(&place, "repo");
    place.prints("app", "3");
    let said = place.run("app", 1, &["update"]).err;
    assert!(said.contains("git cannot work with"), "{said}");
    place.prints("app", "3");
}

#[test]
fn a_revision_that_is_not_there_is_refused_and_nothing_written() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "3", "");
    place.commit("probes");
    place.project("app", "probes");
    let source = format!("git+file://{}#v9", place.at("probes").display());
    let said = place.run("app", 2, &["add", &source]).err;
    assert!(said.contains("has no revision `v9`"), "{said}");
    assert!(!place.at("app/saescript.lock").exists());
    assert!(!place.read("app/saescript.toml").contains("probes"));
}

#[test]
fn a_library_comes_from_a_hub() {
    let place = Workplace::new();
    let hub = Hub::start();
    let manifest = b"[package]\nname = \"probes\"\nversion = \"0.1.0\"\n";
    let commit = hub.commit(
        "models/org/probes",
        &[
            ("saescript.toml", &manifest[..]),
            ("lib.rhai", b"fn value() { 5 }"),
            (".gitattributes", b"x"),
        ],
    );
    place.project("app", "probes");
    let add = |source: &str| {
        let mut command = place.command("app", &["add", source]);
        finish(command.env("HF_ENDPOINT", &hub.address), "")
    };
    add("hf:org/probes").ended_with(0);
    assert!(place.read("app/saescript.lock").contains(&commit));
    place.prints("app", "5");
    let said = add("hf:org/absent").ended_with(2).err;
    assert!(said.contains("org/absent"), "{said}");
}

#[test]
fn copies_in_the_project_need_nothing_around_it() {
    let place = Workplace::new();
    place.library("tables", "0.2.0", "6", "");
    place.library(
        "probes",
        "0.1.0",
        "tables::value()",
        "[dependencies]\ntables = { path = \"../tables\" }\n",
    );
    let lib = "import \"tables\" as tables;\nfn value() { import \"tables\" as tables; tables::value() }\n";
    place.write("probes/lib.rhai", lib);
    place.project("app", "probes");
    place.run("app", 0, &["add", "../probes"]);
    assert_eq!(
        place.run("app", 0, &["list", "--tree"]).out,
        "app 0.1.0\n└── probes 0.1.0 from path+../probes\n    └── tables 0.2.0 from path+../tables\n"
    );
    place.run("app", 0, &["vendor"]);
    for gone in ["tables", "probes", "cache"] {
        let _ = fs::remove_dir_all(place.at(gone));
    }
    place.prints("app", "6");
    place.write("app/vendor/tables-0.2.0/lib.rhai", "fn value() { 7 }");
    let said = place.refusal("app");
    assert!(
        said.contains("is not what was locked") && said.contains("saescript vendor"),
        "{said}"
    );
}

#[test]
fn an_archive_has_the_same_bytes_everywhere() {
    let place = Workplace::new();
    let files = ["a.rhai", "src/b.rhai", "src/c.rhai"];
    for (folder, order) in [
        ("one/probes", files),
        ("two/probes", [files[2], files[0], files[1]]),
    ] {
        place.library(folder, "0.1.0", "1", "");
        order
            .iter()
            .for_each(|file| place.write(&format!("{folder}/{file}"), file));
    }
    let executable = fs::Permissions::from_mode(0o700);
    fs::set_permissions(place.at("two/probes/a.rhai"), executable).expect("set");
    let old = fs::File::open(place.at("two/probes/a.rhai")).expect("there");
    old.set_modified(std::time::UNIX_EPOCH).expect("set");
    place.run("one/probes", 0, &["pack"]);
    let pack = place.command("two/probes", &["pack"]);
    let ran = Command::new("sh")
        .args(["-c", "umask 077; TZ=Asia/Tokyo LC_ALL=C \"$0\" pack"])
        .arg(pack.get_program())
        .current_dir(place.at("two/probes"))
        .status()
        .expect("a shell");
    assert!(ran.success());
    let bytes =
        |folder: &str| fs::read(place.at(&format!("{folder}/probes-0.1.0.tar.zst"))).expect("an archive");
    assert_eq!(bytes("one/probes"), bytes("two/probes"));
    // A second archive does not hold the first.
    let before = bytes("one/probes");
    place.run("one/probes", 0, &["pack"]);
    assert_eq!(bytes("one/probes"), before);
}

#[test]
fn what_others_could_not_use_is_not_packed() {
    let place = Workplace::new();
    place.library("tables", "0.1.0", "1", "");
    place.library(
        "probes",
        "0.1.0",
        "1",
        "[dependencies]\ntables = { path = \"../tables\" }\n",
    );
    let said = place.run("probes", 2, &["pack"]).err;
    assert!(
        said.contains("path+../tables, which is on this machine only"),
        "{said}"
    );
    place.project("app", "x");
    let said = place.run("app", 2, &["pack"]).err;
    assert!(said.contains("has no `lib.rhai`"), "{said}");
}

#[test]
fn an_address_that_is_a_command_is_not_run() {
    let place = Workplace::new();
    place.project("app", "probes");
    let said = place.run("app", 1, &["add", "git+ext::touch ran"]).err;
    assert!(said.contains("git cannot work with"), "{said}");
    assert!(!place.at("app/ran").exists());
}

#[test]
fn a_git_repository_beside_the_project_is_named_by_its_path() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "8", "");
    place.commit("probes");
    place.project("app", "probes");
    place.write("app/deep/x", "");
    place.run("app/deep", 0, &["add", "git+../../probes"]);
    assert!(place.read("app/saescript.lock").contains("git+../probes\""));
    place.prints("app", "8");
}

#[test]
fn a_manifest_is_checked() {
    let place = Workplace::new();
    place.library(
        "probes",
        "0.1.0",
        "8",
        "[dependencies]\ntables = { pth = \"../tables\" }\n",
    );
    let said = place.run("probes", 2, &["check", "saescript.toml"]).err;
    assert!(
        said.contains("did you mean `path`?") && said.contains("saescript.toml:5"),
        "{said}"
    );
    place.library("probes", "0.1.0", "8", "");
    let said = place.run("probes", 0, &["check", "saescript.toml"]).out;
    assert_eq!(said, "saescript.toml: settings of a project or a library, ok\n");
}
