//! One version of each major, and whose says which.

use super::place::Workplace;

/// Two libraries, of which each wants a `tables` of its own, in a project that wants both.
fn two_wishes(first: &str, second: &str) -> Workplace {
    let place = Workplace::new();
    for (name, version) in [("one", first), ("two", second)] {
        place.library(&format!("{name}s/tables"), version, &format!("\"{version}\""), "");
        let more = format!("[dependencies]\ntables = {{ path = \"../{name}s/tables\" }}\n");
        place.library(name, "1.0.0", "0", &more);
        place.write(
            &format!("{name}/lib.rhai"),
            "fn value() { import \"tables\" as tables; tables::value() }\n",
        );
    }
    place.project("app", "one");
    place.write(
        "app/main.rhai",
        "import \"one\" as one; import \"two\" as two; print(`${one::value()} ${two::value()}`);",
    );
    place.run("app", 0, &["add", "../one"]);
    place
}

#[test]
fn versions_of_two_majors_live_side_by_side() {
    let place = two_wishes("1.3.0", "2.0.0");
    place.run("app", 0, &["add", "../two"]);
    place.prints("app", "1.3.0 2.0.0");
}

#[test]
fn two_versions_of_a_major_are_a_conflict_that_names_both_ways() {
    let place = two_wishes("1.3.0", "1.4.0");
    let before = place.read("app/saescript.lock");
    let said = place.run("app", 2, &["add", "../two"]).err.replace("\n", " ");
    for part in [
        "1.3.0 from path+../ones/tables",
        "`app → one → tables`",
        "1.4.0",
        "`app → two → tables`",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(place.read("app/saescript.lock"), before, "nothing was written");
    // The project decides.
    place.run("app", 0, &["add", "../twos/tables"]);
    place.run("app", 0, &["add", "../two"]);
    place.prints("app", "1.4.0 1.4.0");
    // What is older than somebody needs does not do.
    let said = place.run("app", 2, &["add", "../ones/tables"]).err;
    assert!(said.contains("two versions of `tables`"), "{said}");
}

#[test]
fn contents_decide_what_is_the_same() {
    let place = two_wishes("1.3.0", "1.3.0");
    place.run("app", 0, &["add", "../two"]);
    place.prints("app", "1.3.0 1.3.0");
}

#[test]
fn versions_are_asked_for_by_range() {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.project("app", "probes");
    let manifest = place.read("app/saescript.toml");
    let wanting = |range: &str| {
        let line = format!("[dependencies]\nprobes = {{ path = \"../probes\", version = \"{range}\" }}\n");
        place.write("app/saescript.toml", &format!("{manifest}{line}"));
    };
    wanting("^0.2");
    let said = place.run("app", 2, &["update"]).err;
    assert!(
        said.contains("`app → probes` wants `probes` ^0.2, and it is 0.1.0"),
        "{said}"
    );
    wanting("^0.1");
    assert!(place.refusal("app").contains("is not locked"));
    place.run("app", 0, &["update"]);
    place.prints("app", "1");
    wanting("^0.3");
    assert!(place.refusal("app").contains("the manifest was changed since"));
}

#[test]
fn a_library_stands_under_its_own_name_and_leads_back_to_nobody() {
    let place = Workplace::new();
    place.library(
        "probes",
        "0.1.0",
        "1",
        "[dependencies]\napp = { path = \"../app\" }\n",
    );
    place.project("app", "probes");
    let said = place.run("app", 2, &["add", "../probes"]).err;
    assert!(
        said.contains("`app` depends on itself by way of others"),
        "{said}"
    );
    let manifest = place.read("app/saescript.toml");
    place.write(
        "app/saescript.toml",
        &format!("{manifest}[dependencies]\nlinear = {{ path = \"../other\" }}\n"),
    );
    place.library("other", "0.1.0", "1", "");
    let said = place.run("app", 2, &["update"]).err;
    assert!(said.contains("is called `other`, not `linear`"), "{said}");
}

#[test]
fn a_library_from_elsewhere_names_no_places_on_its_authors_machine() {
    let place = Workplace::new();
    place.library("tables", "0.1.0", "1", "");
    place.library(
        "probes",
        "0.1.0",
        "1",
        "[dependencies]\ntables = { path = \"../tables\" }\n",
    );
    place.commit("probes");
    place.project("app", "probes");
    let source = format!("git+file://{}", place.at("probes").display());
    let said = place.run("app", 2, &["add", &source]).err;
    assert!(said.contains("cannot depend on path+../tables"), "{said}");
}
