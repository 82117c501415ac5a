//! Libraries of scripts: made, packed, added, locked, used, altered and refused.

mod imports;
mod page;
mod place;
mod publishing;
mod resolving;
mod sources;
mod tampering;

pub use self::place::Workplace;

#[test]
fn what_new_begins_runs() {
    let place = Workplace::new();
    place.run("", 0, &["new", "app"]);
    let ran = place.run("", 0, &["run", "app", "one"]);
    assert_eq!(ran.out, "app runs, with 1 arguments\n");
    place.run("", 0, &["new", "probes", "--lib"]);
    let ran = place.run("probes", 0, &["run", "examples/share.rhai"]);
    assert!(ran.out.starts_with("0.66"), "{}", ran.out);
    for script in ["lib.rhai", "tests/share.rhai", "examples/share.rhai"] {
        place.run("probes", 0, &["check", script]);
    }
    let again = place.run("", 2, &["new", "app"]).err;
    assert!(again.contains("there is something at `app` already"), "{again}");
    let odd = place.run("", 2, &["new", "My App"]).err;
    assert!(odd.contains("`My App` is no name of a library"), "{odd}");
}

#[test]
fn the_example_library_passes_its_tests_and_the_example_project_uses_it_as_it_is() {
    let place = Workplace::new();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let said = place.run("", 0, &["test", &format!("{examples}/library")]).out;
    assert!(said.contains(" 0 failed, 0 skipped"), "{said}");
    let said = place
        .run("", 0, &["run", &format!("{examples}/compare"), "out", "4096"])
        .out;
    assert!(
        said.contains("of the latents have a partner\nmost alike\n"),
        "{said}"
    );
}

#[test]
fn commands_outside_of_a_project_say_so() {
    let place = Workplace::new();
    for arguments in [
        &["list"][..],
        &["update"],
        &["remove", "x"],
        &["vendor"],
        &["pack"],
        &["publish", "x"],
    ] {
        let said = place.run("", 2, arguments).err;
        assert!(
            said.contains("there is no `saescript.toml` in"),
            "{arguments:?}: {said}"
        );
    }
}
