//! The guide: every page holds, and leads to all others.

use std::path::PathBuf;

use super::root;
use super::story::tell;

/// Where the pages lie.
pub fn folder() -> PathBuf {
    root().join("docs/guide")
}

#[test]
fn the_readme_holds() {
    // Its first block sets a clone up and runs these tests.
    holds_but(
        |text| text.replacen("```sh\n", "```sh no_run\n", 1),
        "../../README.md",
    );
}

#[track_caller]
fn holds(page: &str) {
    holds_but(|text| text, page);
}

#[track_caller]
fn holds_but(change: impl Fn(String) -> String, page: &str) {
    let text = change(std::fs::read_to_string(folder().join(page)).expect("a page"));
    let failures = tell(page, &text);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A test for each page, so that they run beside one another.
macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $name() {
                holds($page);
            }
        )*
    };
}

pages! {
    the_tour_holds "tour.md"
    the_walkthrough_holds "walkthrough.md"
    rhai_for_python_users_holds "rhai-for-python.md"
    what_is_copied_holds "copies.md"
    from_pytorch_holds "from-pytorch.md"
    from_transformerlens_holds "from-transformerlens.md"
    own_variants_hold "own-variant.md"
    embedding_holds "embedding.md"
    machines_with_a_gpu_hold "gpu.md"
    troubleshooting_holds "troubleshooting.md"
    wishes_hold "wishes.md"
}

#[test]
fn every_page_is_run_and_in_the_index() {
    let index = std::fs::read_to_string(folder().join("README.md")).expect("the index");
    for entry in std::fs::read_dir(folder()).expect("the guide").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && name != "README.md" {
            assert!(PAGES.contains(&name.as_str()), "{name} is not run");
            assert!(
                index.contains(&format!("]({name})")),
                "{name} is not in the index"
            );
        }
    }
}
