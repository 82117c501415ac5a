//! What is registered is known here without a further line.

use super::functions::Functions;
use super::types::Type;
use super::*;
use crate::script::class::CLASSES;
use crate::script::docs::{Entry, Kind};

fn host() -> Host {
    Host::builder().output(|_| ()).build().expect("a host")
}

/// What is found in a script.
fn found(host: &mut Host, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, text).expect("writable");
    let found = host.check_file(&path).expect("a script");
    found.iter().map(Error::headline).collect()
}

#[test]
fn every_class_refuses_a_key_that_it_does_not_have() {
    let mut host = host();
    for class in CLASSES {
        let script = format!("let x = {}(#{{ no_such_key: 1 }});", class.name);
        let said = found(&mut host, &script);
        assert!(
            said.iter().any(|said| said.contains("unknown key `no_such_key`")),
            "{}: {said:?}",
            class.name
        );
    }
}

#[test]
fn every_documented_function_and_method_is_known() {
    let host = host();
    let functions = Functions::of(host.engine());
    let catalog = host.catalog().expect("the catalog");
    let is_missing = |entry: &&Entry| match (entry.kind, entry.owner.as_deref()) {
        (Kind::Function | Kind::Constructor, owner) => {
            {
                // The catalog knows modules within modules by their own names.
                let owner = owner.unwrap_or_default();
                let modules = [owner.to_string(), format!("torch::{owner}")];
                modules
                    .iter()
                    .all(|module| functions.named(module, &entry.name).is_empty())
            }
        }
        (Kind::Method, Some(owner)) => {
            let mut all = functions.named("", &entry.name).iter();
            let is_of_owner = |function: &functions::Function| {
                let first = function.parameters.first();
                first.is_some_and(|first| Type::named(owner).fits(first))
            };
            !all.any(is_of_owner)
        }
        _ => false,
    };
    let ours = catalog.entries().iter().filter(|entry| !entry.standard);
    let missing: Vec<String> = ours.filter(is_missing).map(Entry::path).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_member_of_a_built_in_module_is_known_and_no_other() {
    let mut host = host();
    let catalog = host.catalog().expect("the catalog");
    let modules = catalog
        .entries()
        .iter()
        .filter(|entry| entry.kind == Kind::Module);
    for module in modules {
        let name = &module.name;
        let said = found(
            &mut host,
            &format!("{name}::no_such_function(1); {name}::NO_SUCH_CONSTANT;"),
        );
        assert_eq!(said.len(), 2, "{name}: {said:?}");
        for constant in catalog
            .module(name)
            .iter()
            .filter(|entry| entry.kind == Kind::Constant)
        {
            let said = found(&mut host, &format!("{};", constant.path()));
            assert!(said.is_empty(), "{said:?}");
        }
    }
}

#[test]
fn what_a_script_catches_is_its_own_affair() {
    let mut host = host();
    let caught = "try { SAEConfig(#{ no_such_key: 1 }); [1].map(1, 2, 3); } catch (error) { print(error); }";
    assert_eq!(found(&mut host, caught), [""; 0]);
    let tried = "fn fails(action) { try { action.call(); } catch { return true; } false } fails(|| [1].pop(1, 2, 3));";
    assert_eq!(found(&mut host, tried), [""; 0]);
}

#[test]
fn nothing_is_said_of_what_is_not_known() {
    let mut host = host();
    for right in [
        "fn f(x) { x.anything_at_all } f(#{ anything_at_all: 1 });",
        "let m = #{ run: |x| x }; m.run(1); let n = m; n.run(2);",
        "let x = 1; x = \"text\"; x.to_upper();",
        "let x = 1; eval(\"x = [1]\"); x.push(2);",
        "fn double() { this * 2 } let x = 4; x.double();",
        "let width = 3; SAEConfig(#{ hook_point_in: \"a\", hook_point_out: \"a\", d_model: width, expansion_factor: width });",
        "const N = 3; let f = |x| x + N; print(f.call(1));",
        "print(ARGS.len() + SCRIPT_DIR.len());",
        "if is_def_fn(\"optional\", 0) { optional(); }",
    ] {
        assert_eq!(found(&mut host, right), [""; 0], "{right}");
    }
}

#[test]
fn a_name_in_what_cannot_be_parsed_counts_as_known() {
    let mut host = host();
    let said = found(&mut host, "let a = 3 +* 4;\nprint(a);\nfn f( { 1 }\n");
    assert!(!said.iter().any(|said| said.contains("unknown")), "{said:?}");
}
