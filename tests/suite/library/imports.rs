//! Which file an import means, and what is said where there is none.

use super::place::Workplace;
use crate::program::finish;

/// A project that uses the library `probes`, with modules of its own, and `tables` in its tests.
fn project() -> Workplace {
    let place = Workplace::new();
    place.library("probes", "0.1.0", "1", "");
    place.write(
        "probes/src/linear.rhai",
        "import \"helper\" as helper;\nfn value() { import \"helper\" as helper; helper::two() }\n",
    );
    place.write("probes/src/helper.rhai", "fn two() { 2 }\n");
    place.write("probes/src/out.rhai", "import \"../../app/main\" as main;\n");
    place.write("probes/src/wrong.rhai", "import \"tables\" as tables;\n");
    place.library("tables", "0.1.0", "3", "");
    place.project("app", "probes");
    place.run("app", 0, &["add", "../probes"]);
    place.run("app", 0, &["add", "--dev", "../tables"]);
    place
}

/// Runs `text` as a script at `path`.
fn run(place: &Workplace, path: &str, text: &str) -> (Option<i32>, String) {
    place.write(&format!("app/{path}"), text);
    let ran = finish(&mut place.command("app", &["run", path]), "");
    (ran.code, format!("{}{}", ran.out, ran.err))
}

#[test]
fn a_library_goes_before_a_file_and_a_dot_means_the_file() {
    let place = project();
    place.write("app/probes.rhai", "fn value() { \"the file\" }\n");
    place.write("app/probes/linear.rhai", "fn value() { \"the folder\" }\n");
    for (path, printed) in [
        ("probes", "1"),
        ("probes/linear", "2"),
        ("./probes", "the file"),
        ("probes.rhai", "the file"),
        ("./probes/linear", "the folder"),
    ] {
        let text = format!("import \"{path}\" as it; print(it::value());");
        assert_eq!(
            run(&place, "x.rhai", &text),
            (Some(0), format!("{printed}\n")),
            "{path}"
        );
    }
}

#[test]
fn libraries_for_development_are_for_tests_and_examples() {
    let place = project();
    let text = "import \"tables\" as tables; print(tables::value());";
    assert_eq!(run(&place, "tests/x.rhai", text).1, "3\n");
    assert_eq!(run(&place, "examples/x.rhai", text).1, "3\n");
    let (code, said) = run(&place, "x.rhai", text);
    assert_eq!(code, Some(2));
    assert!(said.contains("`tables` is among the dev-dependencies"), "{said}");
    // A library sees what its own manifest names.
    let (_, said) = run(&place, "tests/x.rhai", "import \"probes/wrong\" as it;");
    assert!(
        said.contains("the library `probes 0.1.0` has no `src/tables.rhai`"),
        "{said}"
    );
}

#[test]
fn a_library_imports_itself_by_its_name() {
    let place = project();
    place.write(
        "probes/tests/x.rhai",
        "import \"probes\" as own; import \"probes/linear\" as it; print(own::value() + it::value());",
    );
    assert_eq!(place.run("probes", 0, &["run", "tests/x.rhai"]).out, "3\n");
}

#[test]
fn a_library_reads_no_modules_around_it() {
    let place = project();
    let (code, said) = run(&place, "x.rhai", "import \"probes/out\" as it;");
    assert_eq!(code, Some(2));
    assert!(
        said.contains("cannot import `../../app/main`, which is none of its files"),
        "{said}"
    );
}

#[test]
fn errors_say_where_was_looked() {
    let place = project();
    let (_, said) = run(&place, "x.rhai", "import \"probs\" as it;");
    for part in [
        "looked for `probs.rhai`",
        "the libraries of `saescript.toml` are `probes`",
        "did you mean `probes`?",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (_, said) = run(&place, "x.rhai", "import \"probes/liner\" as it;");
    assert!(
        said.contains("has no `src/liner.rhai`") && said.contains("did you mean `probes/linear`?"),
        "{said}"
    );
    place.write("shelf/other.rhai", "fn value() { 9 }");
    place.write("app/x.rhai", "import \"absent\" as it;");
    let mut command = place.command("app", &["run", "x.rhai"]);
    let ran = finish(command.env("SAESCRIPT_PATH", place.at("shelf")), "");
    assert!(
        ran.err.contains("and by SAESCRIPT_PATH for `") && ran.err.contains("shelf/"),
        "{}",
        ran.err
    );
    place.write("app/x.rhai", "import \"other\" as it; print(it::value());");
    let mut command = place.command("app", &["run", "x.rhai"]);
    let ran = finish(command.env("SAESCRIPT_PATH", place.at("shelf")), "").ended_with(0);
    assert_eq!(ran.out, "9\n");
}

#[test]
fn mistakes_in_calls_of_a_library_are_explained() {
    let place = project();
    let (_, said) = run(&place, "x.rhai", "import \"probes\" as it; it::valu();");
    assert!(
        said.contains("did you mean `it::value`?") || said.contains("did you mean `value`?"),
        "{said}"
    );
    place.write("app/x.rhai", "import \"probes\" as it; it::value(1);");
    let said = place.run("app", 2, &["check", "x.rhai"]).err;
    assert!(said.contains("value()"), "{said}");
}

#[test]
fn a_manifest_that_is_wrong_is_shown() {
    let place = project();
    place.write(
        "app/saescript.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nlicence = \"MIT\"\n",
    );
    let said = place.refusal("app");
    assert!(
        said.contains("saescript.toml:4:1") && said.contains("did you mean `license`?"),
        "{said}"
    );
}

#[test]
fn what_can_be_imported_is_documented() {
    let place = project();
    place.write(
        "probes/lib.rhai",
        "//! Probes on activations.\n\n/// Returns one.\nfn value() { 1 }\n\nprivate fn hidden() {}\n\nexport const LEVEL = 3;\nthrow \"it ran\";\n",
    );
    place.run("app", 0, &["update", "probes"]);
    let shown = place.run("app", 0, &["doc", "probes"]).out;
    for part in [
        "Probes on activations.",
        "probes::value()",
        "Returns one.",
        "probes::LEVEL",
        "`probes/linear`",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(
        place
            .run("app", 0, &["doc", "probes::value"])
            .out
            .contains("Returns one.")
    );
    assert!(
        place
            .run("app", 0, &["doc", "probes/linear"])
            .out
            .contains("linear::value()")
    );
    assert!(
        place
            .run("app", 0, &["doc", "std/tables"])
            .out
            .contains("tables::column()")
    );
    assert!(place.run("app", 0, &["doc", "SAEConfig"]).out.contains("d_model"));
    let said = place.run("app", 2, &["doc", "probes::valeu"]).err;
    assert!(said.contains("did you mean `probes::value`?"), "{said}");
    place.write("probes/lib.rhai", "fn value() { 2 }");
    assert!(
        place
            .run("app", 2, &["doc", "probes"])
            .err
            .contains("is not what was locked")
    );
}
