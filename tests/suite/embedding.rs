//! The library in a program other than its own.

#[path = "../../examples/embed.rs"]
mod embed;
#[path = "../../examples/embedded/src/main.rs"]
mod embedded;

use std::path::Path;

use saescript::Host;
use saescript::rhai::Scope;
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
fn variables_of_a_program_reach_its_script_and_come_back() {
    let (x, norms) = embedded::run().expect("the script runs");
    assert_eq!(x, [0.5, -2.0, 0.0, 3.0]);
    assert_eq!(norms.len(), 1);
    embedded::main();

    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let mut scope = Scope::new();
    scope.push("n", 1_i64).push_constant("most", 3_i64);
    for expected in [2, 3] {
        let value = host
            .eval_with_scope("a script", "n += 1; let twice = 2 * n; n", &mut scope)
            .expect("it runs");
        assert_eq!(value.as_int(), Ok(expected));
        assert_eq!(scope.get_value::<i64>("n"), Some(expected));
        assert_eq!(scope.get_value::<i64>("twice"), Some(2 * expected));
    }
    let said = host
        .eval_with_scope("a script", "n = 9; most = 4", &mut scope)
        .expect_err("a constant")
        .to_string();
    assert!(said.contains("`most` is a constant"), "{said}");
    let said = host
        .eval_with_scope("a script", "n = 9; no_such", &mut scope)
        .expect_err("a variable that there is not")
        .to_string();
    assert!(said.contains("unknown variable `no_such`"), "{said}");
    host.eval_with_scope("a script", "n = 7; throw \"no\"", &mut scope)
        .expect_err("it throws");
    assert_eq!(scope.get_value::<i64>("n"), Some(7));
    host.eval("a script", "n")
        .expect_err("what another script was given is not there");
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
