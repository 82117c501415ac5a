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
        let mut rest = row
            .trim_end_matches([' ', '|'])
            .rsplit('|')
            .next()
            .expect("a cell");
        // `one` and `another` in `file`, `a third` in `another file`
        while let Some((named, after)) = rest.split_once(" in `") {
            let (file, after) = after.split_once('`').expect("a file");
            rest = after;
            // The last row goes on after its file.
            let file = if file.ends_with(".rs") {
                file
            } else {
                "tests/suite/hostile/mod.rs"
            };
            let text = std::fs::read_to_string(root.join(file)).expect(file);
            let names = named.split('`').skip(1).step_by(2);
            for name in names.filter(|name| !name.contains('/')) {
                count += 1;
                assert!(text.contains(&format!("fn {name}(")), "{file} has no `{name}`");
            }
        }
    }
    assert!(count >= 12, "only {count} tests are named");
}
