//! `saescript test`: which tests run, what is said of them, and what ends them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Ran, finish, program, run_in};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }
    folder
}

const HEAD: &str = "import \"std/testing\" as testing;\n";

/// What a test with this body is refused with.
fn failure(body: &str) -> String {
    let text = format!("fn test_it() {{ import \"std/testing\" as testing; {body} }}");
    let folder = folder(&[("a.rhai", &text)]);
    run_in(folder.path(), ["test"]).ended_with(1).err
}

fn json(folder: &Path, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["test", "--json"], arguments].concat();
    let ran = run_in(folder, arguments).ended_with(code);
    serde_json::from_str(&ran.out).expect("JSON")
}

#[test]
fn tests_pass_fail_and_are_skipped() {
    let folder = folder(&[
        (
            "a.rhai",
            "fn test_one() {}\nfn test_two() { print(\"seen\"); throw \"wrong\"; }\nfn other() {}\n",
        ),
        (
            "deep/b.rhai",
            "fn test_gpu() { import \"std/testing\" as t; t::skip(\"needs a GPU\"); }\nfn test_with(x) {}\n",
        ),
        ("vendor/c.rhai", "fn test_not_ours() {}\n"),
        (".hidden/d.rhai", "fn test_hidden() {}\n"),
        ("plain.rhai", "throw \"it ran\";\n"),
    ]);
    let Ran { out, err, .. } = run_in(folder.path(), ["test"]).ended_with(1);
    assert!(out.contains("a.rhai\n  ok      test_one ("), "{out}");
    assert!(
        out.contains("  FAILED  test_two\ndeep/b.rhai\n  skipped test_gpu: needs a GPU\n"),
        "{out}"
    );
    assert!(out.contains("1 passed, 1 failed, 1 skipped in "), "{out}");
    for part in ["test_two: error: wrong", "a.rhai:2:", "test_two printed:\nseen"] {
        assert!(err.contains(part), "{part} in {err}");
    }
    assert!(!out.contains("not_ours") && !out.contains("hidden"), "{out}");
    let ran = run_in(folder.path(), ["test", "deep"]).ended_with(0);
    assert!(ran.out.contains("0 passed, 0 failed, 1 skipped"), "{}", ran.out);
    let ran = run_in(folder.path(), ["test", "a.rhai", "one"]).ended_with(0);
    assert!(ran.out.contains("1 passed, 0 failed, 0 skipped"), "{}", ran.out);
}

#[test]
fn programs_read_results_as_json() {
    let folder = folder(&[
        (
            "a.rhai",
            "fn test_a() { print(1); }\nfn test_b() { throw \"no\"; }\n",
        ),
        ("b.rhai", "fn test_c( {}\n"),
    ]);
    let all = json(folder.path(), &[], 1);
    let counts = ["passed", "failed", "skipped"].map(|key| all[key].as_u64());
    assert_eq!(counts, [Some(1), Some(2), Some(0)], "{all}");
    assert!(all["coverage"].is_null(), "not asked for: {all}");
    let tests = all["tests"].as_array().expect("a list");
    assert_eq!(
        (&tests[0]["outcome"], &tests[0]["printed"]),
        (&"passed".into(), &"1\n".into())
    );
    assert_eq!(
        (&tests[1]["outcome"], &tests[1]["line"]),
        (&"failed".into(), &2.into())
    );
    assert_eq!(
        (&tests[2]["file"], &tests[2]["name"]),
        (&"b.rhai".into(), &Value::Null)
    );
}

#[test]
fn where_there_is_nothing_to_test_that_is_said() {
    let folder = folder(&[("a.rhai", "fn test_a() {}"), ("empty/b.rhai", "1")]);
    let said = |arguments: &[&str]| {
        run_in(folder.path(), [&["test"], arguments].concat())
            .ended_with(2)
            .err
    };
    assert!(said(&["empty"]).contains("there are no tests in `empty`"));
    assert!(said(&[".", "zzz"]).contains("has `zzz` in its name"));
    assert!(said(&["missing"]).contains("there is no such file or folder"));
}

#[test]
fn a_test_that_ends_its_process_or_hangs_fails_alone() {
    let folder = folder(&[
        (
            "a.rhai",
            "fn test_a() {}\nfn test_b() { loop {} }\nfn test_c() {}\n",
        ),
        ("b.rhai", "fn test_d() { exit(3); }\nfn test_e() {}\n"),
        (
            "c.rhai",
            "fn test_f() { let all = []; loop { all.push(torch::zeros([1000000])); } }\nfn test_g() {}\n",
        ),
    ]);
    let late = run_in(folder.path(), ["test", "a.rhai", "--timeout", "1"]).ended_with(1);
    let others = [
        "--max-memory",
        "1GB",
        "test",
        "--jobs",
        "2",
        ".",
        "--max-ops",
        "1000000",
    ];
    let others = run_in(folder.path(), others).ended_with(1);
    for (ran, lines) in [
        (&late, &["ok      test_a", "FAILED  test_b", "ok      test_c"][..]),
        (
            &others,
            &[
                "FAILED  test_b",
                "FAILED  test_d",
                "ok      test_e",
                "FAILED  test_f",
                "ok      test_g",
            ],
        ),
    ] {
        for line in lines {
            assert!(ran.out.contains(line), "{line} in {}\n{}", ran.out, ran.err);
        }
    }
    assert!(late.err.contains("did not end within 1 s"), "{}", late.err);
    for part in ["did not end within 1000000 operations", "`exit(3)`", "memory"] {
        assert!(others.err.contains(part), "{part} in {}", others.err);
    }
}

#[test]
fn each_file_has_a_folder_of_its_own_that_is_gone_afterwards() {
    let text = format!(
        "{HEAD}fn test_folder() {{ let path = env(\"SAESCRIPT_TEST_FOLDER\"); write_text(path + \"/x\", \"1\"); throw path; }}"
    );
    let folder = folder(&[("a.rhai", text.as_str()), ("b.rhai", text.as_str())]);
    let all = json(folder.path(), &[], 1);
    let paths: Vec<&str> = all["tests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|test| test["message"].as_str())
        .collect();
    assert_eq!(paths.len(), 2, "{all}");
    assert_ne!(paths[0], paths[1]);
    assert!(paths.iter().all(|path| !Path::new(path).exists()), "{paths:?}");
}

#[test]
fn differences_say_where_and_how_much() {
    for (body, said) in [
        ("testing::equal(1, 2)", "expected 2, but got 1"),
        ("testing::equal(1, 1.0)", "expected 1.0 (float), but got 1 (int)"),
        ("testing::equal((), 2)", "expected 2 (int), but got () (())"),
        (r#"testing::equal("a ", "a")"#, r#"expected "a", but got "a ""#),
        (
            "testing::equal(#{ a: [1, 2, 3] }, #{ a: [1, 2, 4] })",
            "at .a[2]: expected 4, but got 3",
        ),
        ("testing::equal([1], [1, 2])", "expected 2 items, but got 1"),
        ("testing::equal(#{ a: 1 }, #{ b: 1 })", "the key \"b\" is missing"),
        (
            "testing::equal(#{ a: 1, b: 1 }, #{ b: 1 })",
            "the key \"a\" was not expected",
        ),
        (
            "testing::equal(torch::zeros([2, 3]), torch::zeros([3, 2]))",
            "expected a tensor of shape [3, 2], but got one of shape [2, 3]",
        ),
        (
            "testing::equal(torch::tensor([[1, 2], [3, 4]]), torch::tensor([[1, 2], [5, 4]]))",
            "the tensors differ most at [1, 0]: expected 5, but got 3: 2.0 away",
        ),
        (
            "testing::close(torch::tensor([1.0, 2.0]), torch::tensor([1.0, 2.5]), 0.1)",
            "the tensors differ most at [1]: expected 2.5 within 0.1, but got 2.0: 0.5 away",
        ),
        (
            "testing::close(#{ a: [1.0, 2.0] }, #{ a: [1.0, 3.0] }, 0.5)",
            "at .a[1]: expected 3.0 within 0.5, but got 2.0: 1.0 away",
        ),
        (
            "testing::close(0.0 / 0.0, 1.0, 0.5)",
            "expected 1.0 within 0.5, but got NaN",
        ),
        (
            "testing::close(1.0, 1.0, -0.1)",
            "a tolerance is a number of at least 0, but -0.1 was given --> a.rhai:1:",
        ),
        (
            "testing::close(1.0, 1.0, \"x\")",
            r#"a tolerance is a number of at least 0, but "x" was given"#,
        ),
        (
            "testing::cases([[1, 2], [2, 5], [3, 7]], |row| testing::equal(2 * row[0], row[1]))",
            "2 of 3 cases fail:\n  at [2, 5]: expected 5, but got 4\n  at [3, 7]: expected 7, but got 6",
        ),
    ] {
        // Further lines of a message are indented under the first.
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = failure(body);
        assert!(squeezed(&found).contains(&squeezed(said)), "{body}: {found}");
    }
}

#[test]
fn a_change_runs_the_tests_again_until_an_interrupt() {
    let folder = folder(&[("a.rhai", "fn test_a() {}\n")]);
    let mut child = program()
        .args(["test", "--watch"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut until = |part: &str| {
        let mut rest = lines.by_ref().map_while(std::io::Result::ok);
        assert!(rest.any(|line| line.contains(part)), "{part}");
    };
    until("1 passed, 0 failed");
    fs::write(folder.path().join("a.rhai"), "fn test_a() { throw 1; }\n").expect("written");
    until("0 passed, 1 failed");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("sent");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_new_library_passes_its_tests_and_those_of_this_repository_pass() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_in(folder.path(), ["new", "probes", "--lib"]).ended_with(0);
    let ran = run_in(folder.path(), ["test", "probes"]).ended_with(0);
    assert!(ran.out.contains("2 passed, 0 failed, 0 skipped"), "{}", ran.out);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/std.rhai");
    let ran = finish(program().arg("test").arg(scripts), "").ended_with(0);
    assert!(ran.out.contains(" 0 failed"), "{}", ran.out);
}

/// A project whose tests run a part of it: what they reach stands in `lib.rhai`, line by line.
fn covered_project() -> tempfile::TempDir {
    folder(&[
        ("saescript.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\n"),
        (
            "lib.rhai",
            "import \"p/part\" as part;\n\nfn sum(a, b) {\n    if a > 3 {\n        throw a;\n    }\n    let f = |x| {\n        x + 1\n    \
             };\n    switch b {\n        1 => part::one(),\n        2 => f.call(a),\n        _ => a\n            + b,\n    }\n}\n\n\
             // not a statement\nfn never() {\n    let x = 1;\n\n    x\n}\n\
             fn short(x) { if x { return 1; } 2 }\n\
             fn tried() {\n    try {\n        throw 1;\n    } catch (e) {\n        e + 1\n    }\n}\n",
        ),
        // Its own test is no part of what it does, and neither is what stands in that test.
        (
            "src/part.rhai",
            "fn one() { 1 }\nfn two() {\n    2\n}\nfn test_one() {\n    [1].map(|x| {\n        one()\n    });\n}\n",
        ),
        ("src/unused.rhai", "let seen = 1;\nfn f() { 1 }\n"),
        ("vendor/other/lib.rhai", "fn other() { 1 }\n"),
        (
            "inner/saescript.toml",
            "[package]\nname = \"inner\"\nversion = \"0.1.0\"\n",
        ),
        ("inner/lib.rhai", "fn inner() { 1 }\n"),
        ("examples/a.rhai", "print(1);\n"),
        // A closure and an evaluated text have places of their own files, which count for no other.
        (
            "tests/a.rhai",
            "import \"p\" as p;\nfn apply(f) { f.call() }\nfn test_a() {\n    p::sum(1, 1);\n    eval(\"1;\\n2;\\n3;\\n4;\\n        5\");\n    p::tried();\n}\n",
        ),
        (
            "tests/b.rhai",
            "import \"p\" as p;\nfn test_b() { p::sum(1, 9); p::short(false); throw 1; }\n",
        ),
    ])
}

#[test]
fn lines_that_no_test_runs_are_named() {
    let folder = covered_project();
    let ran = run_in(folder.path(), ["test", "--coverage=out/lcov.info"]).ended_with(1);
    let listed = "  \
        60.0%  lib.rhai: 5, 8, 12, 20-24 never ran\n    \
        0.0%  src/unused.rhai: 1-2 never ran\n   \
        50.0%  src/part.rhai: 3 never ran\n";
    for line in listed.lines() {
        assert!(ran.out.contains(line.trim()), "{line} in {}", ran.out);
    }
    assert_eq!(ran.out.matches("never ran").count(), 3, "{}", ran.out);
    let plain = run_in(folder.path(), ["test"]).ended_with(1);
    assert_eq!(plain.err, ran.err, "the same errors at the same places");
    let lcov = fs::read_to_string(folder.path().join("out/lcov.info")).expect("written");
    let lib = folder.path().join("lib.rhai");
    assert!(
        lcov.contains(&format!("SF:{}\nDA:1,1\nDA:4,1\nDA:5,0\n", lib.display())),
        "{lcov}"
    );
    assert_eq!(lcov.matches("end_of_record").count(), 3, "{lcov}");

    let all = json(folder.path(), &["--coverage", "tests", "test_a"], 0);
    let files = all["coverage"]["files"].as_array().expect("a list");
    assert_eq!(files[0]["file"], "lib.rhai", "{all}");
    assert_eq!(files[0]["not_run"][2], serde_json::json!([12, 24]), "{all}");
    let sum = |key: &str| files.iter().filter_map(|file| file[key].as_u64()).sum::<u64>();
    assert_eq!(all["coverage"]["lines"], sum("lines"), "{all}");
    assert_eq!(all["coverage"]["ran"], sum("ran"), "{all}");
}

#[test]
fn a_script_that_cannot_be_read_is_an_error_of_coverage() {
    let folder = folder(&[("a.rhai", "fn test_a() {}\n"), ("b.rhai", "fn (\n")]);
    run_in(folder.path(), ["test"]).ended_with(0);
    let ran = run_in(folder.path(), ["test", "--coverage"]).ended_with(2);
    assert!(ran.err.contains("b.rhai:1:"), "{}", ran.err);
    // Not asked for: neither the folder nor a project names it.
    run_in(folder.path(), ["test", "a.rhai", "--coverage"]).ended_with(0);
}
