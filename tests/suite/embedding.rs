//! The library in a program other than its own.

#[path = "../../examples/embed.rs"]
mod embed;

use std::path::Path;

use saescript::Host;
use saescript::script::RunPermissions;
use saescript_vectors::library;

#[test]
fn the_example_of_a_host_in_another_program_runs() {
    let (summary, notes) = embed::run().expect("the script runs");
    assert_eq!((summary.d_model, summary.k), (16, 4));
    let densities: Vec<f64> = notes.into_values().collect();
    assert_eq!(densities, [4.0 / 64.0, 4.0 / 64.0]);
    embed::main().expect("it prints");
}

#[test]
fn a_library_in_rust_has_a_namespace_documentation_and_a_policy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rows.txt");
    std::fs::write(&file, "1 2\n3 4\n").expect("writable");
    let script = format!(
        "let mean = vectors::running();\nmean.add(vectors::read({:?}));\nmean.mean().to_array()",
        file.display().to_string()
    );
    let mut host = Host::builder().native(library()).build().expect("a host");
    let mean = host
        .eval("a script", &script)
        .expect("it runs")
        .into_array()
        .expect("numbers");
    let mean: Vec<f64> = mean
        .into_iter()
        .map(|number| number.as_float().expect("a number"))
        .collect();
    assert_eq!(mean, [2.0, 3.0]);
    let said = host
        .eval("a script", "vectors::running().mean()")
        .expect_err("of nothing")
        .to_string();
    assert!(said.contains("nothing was added"), "{said}");

    let catalog = host.catalog().expect("the documentation");
    let entries = catalog.find("vectors::read");
    let read = entries.first().expect("it is documented");
    assert!(read.docs.contains("one a line"), "{read:?}");
    assert_eq!(catalog.members("Running").len(), 2);
    assert!(
        catalog
            .module("vectors")
            .iter()
            .any(|entry| entry.name == "running")
    );

    let closed = RunPermissions {
        sandbox: true,
        ..RunPermissions::default()
    };
    let policy = closed.policy(Path::new("a.rhai")).expect("a policy");
    let mut host = Host::builder()
        .native(library())
        .policy(policy)
        .build()
        .expect("a host");
    let said = host
        .eval("a script", &script)
        .expect_err("it may read nothing")
        .to_string();
    assert!(said.contains("the script may not read"), "{said}");
}
