//! docs/security.md names tests that hold what it promises: they are there.

use std::path::Path;

#[test]
fn every_promise_is_held_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).expect("the page");
    let mut count = 0;
    for row in page
        .lines()
        .filter(|line| line.starts_with('|') && line.contains(".rs`"))
    {
        let (tests, file) = row.rsplit_once(" in `").expect(row);
        // The last row goes on after its file.
        let file = file.split('`').next().expect("a file");
        let file = if file.ends_with(".rs") {
            file
        } else {
            "tests/suite/hostile/mod.rs"
        };
        let text = std::fs::read_to_string(root.join(file)).expect(file);
        let named = tests.rsplit('|').next().expect("a cell");
        for name in named
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains('/'))
        {
            count += 1;
            assert!(text.contains(&format!("fn {name}()")), "{file} has no `{name}`");
        }
    }
    assert!(count >= 12, "only {count} tests are named");
}
