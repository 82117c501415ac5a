//! How long scripts may run, and how much they may do.

use std::time::{Duration, Instant};

use super::World;
use crate::program::{finish, program};

#[test]
fn a_script_ends_when_its_time_is_over() {
    let world = World::new();
    for text in [
        "loop { }",
        "loop { try { loop { } } catch { } }",
        "sleep(100);",
        "[1].map(|x| loop { });",
        "let k = |x| loop { }; loop { try { k.call(1); } catch { } }",
    ] {
        let began = Instant::now();
        let said = world.run(&["--timeout=1"], text, &[]).ended_with(1).err;
        assert!(said.contains("did not end within 1 s"), "{text}: {said}");
        assert!(said.contains("--timeout SECONDS"), "{text}: {said}");
        assert!(began.elapsed() < Duration::from_secs(8), "{text}");
    }
    world.prints(&["--timeout=60"], "print(1);", "1");
}

#[test]
fn operations_are_counted_wherever_they_are_done() {
    let world = World::new();
    for text in [
        "loop { }",
        "let s = 0; for i in 0..1_000_000 { s += i; }",
        "loop { try { [1, 2].map(|x| x + 1); } catch { } }",
        "fn f(n) { if n > 0 { f(n - 1); } } loop { f(50); }",
        "datasets::from_list([#{ text: \"a\" }]).map(|r| loop { });",
    ] {
        let said = world
            .run(&["--max-ops=100_000".replace('_', "").as_str()], text, &[])
            .ended_with(1)
            .err;
        assert!(said.contains("operations"), "{text}: {said}");
        assert!(said.contains("--max-ops"), "{text}: {said}");
    }
    world.prints(
        &["--max-ops=100000"],
        "let a = []; for i in 0..1000 { a.push(i); } print(a.map(|x| x).len());",
        "1000",
    );
}

#[test]
fn tests_are_limited_one_by_one() {
    let world = World::new();
    world.write(
        "work/a.rhai",
        "fn test_a() { for i in 0..50_000 { } }\nfn test_b() { for i in 0..50_000 { } }\nfn test_c() { loop { } }\n",
    );
    let mut command = program();
    command
        .args(["test", "--max-ops=200000", "a.rhai"])
        .current_dir(world.at("work"));
    let ran = finish(&mut command, "").ended_with(1);
    assert!(ran.out.contains("2 passed, 1 failed"), "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("200000 operations") || ran.err.contains("200,000 operations"),
        "{}",
        ran.err
    );
}
