//! Versions put where others get them, and never changed there.

use std::process::Command;

use super::place::Workplace;
use crate::hub::server::Hub;
use crate::program::{Ran, finish};

/// Publishes `probes` to `target`, as somebody whom git and the hub know.
fn publish(place: &Workplace, target: &str, hub: &str) -> Ran {
    let mut command = place.command("probes", &["publish", target]);
    for name in [
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
    ] {
        command.env(name, "a@b");
    }
    command.env("HF_ENDPOINT", hub).env("HF_TOKEN", "hf_writer");
    finish(&mut command, "")
}

/// Publishes two versions to `target`, adds both to a project, and tries to change one.
fn publish_twice(place: &Workplace, target: &str, hub: &str) {
    let add = |version: &str, value: &str| {
        place.library("probes", version, value, "");
        let said = publish(place, target, hub).ended_with(0).out;
        assert!(
            said.starts_with(&format!("probes {version} is published (sha256:")),
            "{said}"
        );
        let (_, command) = said.split_once("`saescript add ").expect("advice");
        let source = command.split('`').next().expect("a source");
        let mut add = place.command("app", &["add", source]);
        finish(add.env("HF_ENDPOINT", hub), "").ended_with(0);
        place.prints("app", value);
    };
    place.project("app", "probes");
    place.write("probes/src/more.rhai", "fn more() { 1 }\n");
    add("0.1.0", "1");
    std::fs::remove_file(place.at("probes/src/more.rhai")).expect("it is there");
    add("0.1.1", "2");
    let again = publish(place, target, hub).ended_with(0).out;
    assert!(again.starts_with("probes 0.1.1 is there already"), "{again}");
    place.library("probes", "0.1.1", "3", "");
    let said = publish(place, target, hub).ended_with(2).err;
    assert!(
        said.contains("has `probes` 0.1.1 already, with other contents"),
        "{said}"
    );
    assert!(said.contains("raise `version`"), "{said}");
    place.prints("app", "2");
}

#[test]
fn versions_are_published_to_a_folder() {
    let place = Workplace::new();
    let folder = place.at("shelf");
    publish_twice(&place, &folder.to_string_lossy(), "");
    assert!(folder.join("probes-0.1.0.tar.zst").exists() && folder.join("probes-0.1.1.tar.zst").exists());
}

#[test]
fn versions_are_published_to_a_git_repository() {
    let place = Workplace::new();
    let repository = place.at("probes.git");
    let git = |arguments: &[&str]| {
        let ran = Command::new("git").args(arguments).output().expect("git starts");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("UTF-8")
    };
    let path = repository.to_string_lossy().into_owned();
    git(&["init", "--quiet", "--bare", "--initial-branch=trunk", &path]);
    publish_twice(&place, &format!("git+file://{path}"), "");
    let log = git(&["-C", &path, "log", "--format=%s", "main"]);
    assert_eq!(log, "probes 0.1.1\nprobes 0.1.0\n");
    let files = git(&["-C", &path, "ls-tree", "-r", "--name-only", "v0.1.1"]);
    assert_eq!(files, "lib.rhai\nsaescript.toml\n");
}

#[test]
fn versions_are_published_to_a_hub() {
    let place = Workplace::new();
    let hub = Hub::start();
    publish_twice(&place, "hf:org/probes", &hub.address);
    let mut command = place.command("probes", &["publish", "hf:org/probes"]);
    let said = finish(command.env("HF_ENDPOINT", &hub.address), "")
        .ended_with(2)
        .err;
    assert!(said.contains("with other contents"), "{said}");
    let mut command = place.command("probes", &["publish", "hf:org/others"]);
    command.env("HF_ENDPOINT", &hub.address).env_remove("HF_TOKEN");
    let said = finish(&mut command, "").ended_with(2).err;
    assert!(said.contains("publishing `org/others` needs a token"), "{said}");
    let mut command = place.command("probes", &["publish", "hf:org/others"]);
    command
        .env("HF_ENDPOINT", &hub.address)
        .env("HF_TOKEN", "hf_reader");
    let said = finish(&mut command, "").ended_with(2).err;
    assert!(
        said.contains("does not let this token write to `org/others`"),
        "{said}"
    );
    assert!(!said.contains("hf_reader"), "{said}");
}

#[test]
fn a_target_with_a_revision_is_refused() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    let said = place.run("probes", 2, &["publish", "hf:org/probes#v1"]).err;
    assert!(said.contains("`hf:org/probes#v1` names a revision"), "{said}");
}
