//! Runs the `test_*` functions of every script in tests/scripts, and of the modules that ship with saescript.

use std::path::{Path, PathBuf};

use saescript::Host;
use saescript::report::diagnostic;

/// The scripts of a folder, sorted.
fn scripts(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&root).expect("the folder of scripts");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut scripts: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .collect();
    scripts.sort();
    scripts
}

#[test]
fn every_test_function_of_the_scripts_passes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // SAFETY: nextest runs each test in a process of its own, and nothing here has started a thread yet.
    unsafe { std::env::set_var("SAESCRIPT_TEST_FOLDER", folder.path()) };
    let mut ran = 0;
    let mut failures = Vec::new();
    for script in scripts("tests/scripts") {
        let mut host = Host::builder().output(|_| ()).build().expect("a host");
        match host.test_file(&script) {
            Ok(outcomes) => {
                assert!(
                    !outcomes.is_empty(),
                    "{} has no test_* functions",
                    script.display()
                );
                ran += outcomes.len();
                failures.extend(outcomes.into_iter().filter_map(|outcome| outcome.failure));
            }
            Err(error) => failures.push(error),
        }
    }
    let report: Vec<String> = failures
        .iter()
        .map(|error| diagnostic::render(error, false))
        .collect();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        report.join("\n\n")
    );
    assert!(ran >= 15, "only {ran} test functions were found");
}

#[test]
fn every_standard_module_compiles_and_documents_its_functions() {
    let names = Host::standard_modules();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let mut host = Host::builder().output(|_| ()).build().expect("a host");
        let _ = host
            .eval("test.rhai", &format!("import \"{name}\" as it;"))
            .expect("the module loads");
        let text = host.source_text(&name).expect("its text is known");
        assert!(text.starts_with("//!"), "{name} does not say what it is for");
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("fn "))
        {
            assert!(
                index > 0 && lines[index - 1].starts_with("///"),
                "{name}: `{line}` has no doc comment"
            );
        }
    }
}
