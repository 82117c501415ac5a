//! Every example in the documentation works: fences of docs/, the standard library and the bound functions.
//!
//! A ```` ```rhai ```` fence runs; ```` ```rhai no_run ```` is checked only, for what needs a download or a GPU. Lines
//! that end with `// prints TEXT` state what the script prints, in order. README and the pages of docs/guide are run as a whole (`story`).

mod guide;
mod page;
mod picture;
mod same;
mod story;

use std::path::{Path, PathBuf};

use saescript::Host;

use self::page::{Block, blocks};
use crate::program::{Ran, run_in};

/// One example: where it stands, whether it can run, its text.
struct Example {
    place: String,
    runs: bool,
    text: String,
}

/// The `rhai` fences of a Markdown text.
fn examples_of(name: &str, text: &str) -> Vec<Example> {
    let example = |block| match block {
        Block::Fence(fence) if fence.language == "rhai" => Some(Example {
            place: format!("{name}:{}", fence.line - 1),
            runs: !fence.is("no_run"),
            text: fence.text,
        }),
        _ => None,
    };
    blocks(text).into_iter().filter_map(example).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path, extension)),
            false if path.extension().is_some_and(|known| known == extension) => found.push(path),
            false => (),
        }
    }
    found.sort();
    found
}

fn all_examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let named = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
    let mut pages = files(&root().join("docs"), "md");
    pages.retain(|page| !page.starts_with(guide::folder()));
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        examples.extend(examples_of(&named(&page), &text));
    }
    for script in files(&root().join("stdlib"), "rhai") {
        let text = std::fs::read_to_string(&script).expect("a script");
        let comments: Vec<&str> = text
            .lines()
            .map(|line| {
                let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
                let comment = comment.trim_start_matches(['!', '/']);
                comment.strip_prefix(' ').unwrap_or(comment)
            })
            .collect();
        examples.extend(examples_of(&named(&script), &comments.join("\n")));
    }
    let catalog = Host::builder()
        .build()
        .and_then(|host| host.catalog())
        .expect("a catalog");
    for entry in catalog.entries().iter().filter(|entry| !entry.standard) {
        examples.extend(examples_of(&entry.path(), &entry.docs));
    }
    examples
}

/// What the comments of a script say that it prints.
fn promised(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once("// prints "))
        .map(|(_, said)| said.trim())
        .collect()
}

fn try_example(example: &Example) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("example.rhai"), &example.text).expect("writable");
    // What a page names as `examples/tiny-pythia` is there, as it is for who reads it in the repository.
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).expect("a link");
    let command = if example.runs { "run" } else { "check" };
    let allowed = format!("--allow-read={}", root().join("examples").display());
    let mut arguments = vec![command, "example.rhai"];
    if example.runs {
        arguments.insert(1, &allowed);
    }
    let Ran { code, out, err } = run_in(folder.path(), arguments);
    if code != Some(0) {
        return Err(format!(
            "{}: `saescript {command}` ended with {code:?}\n{err}",
            example.place
        ));
    }
    let promised = promised(&example.text);
    let printed: Vec<&str> = out.lines().map(str::trim).collect();
    if example.runs && !promised.is_empty() && promised != printed {
        Err(format!(
            "{}: promised {promised:?}, printed {printed:?}",
            example.place
        ))
    } else {
        Ok(())
    }
}

#[test]
fn every_example_works() {
    let examples = all_examples();
    assert!(!examples.is_empty(), "there are no examples");
    let failures: Vec<String> = examples
        .iter()
        .filter_map(|example| try_example(example).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} examples:\n{}",
        failures.len(),
        examples.len(),
        failures.join("\n\n")
    );
}

#[test]
fn nothing_is_found_in_the_examples() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("example.rhai");
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let mut wrong = Vec::new();
    for example in all_examples() {
        std::fs::write(&path, &example.text).expect("writable");
        let found = host.check_file(&path).expect("a script");
        wrong.extend(found.iter().map(|error| format!("{}: {error}", example.place)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fences_are_found_with_their_lines_and_marks() {
    let page = "text\n```rhai\nprint(1); // prints 1\n```\n```toml\nx = 1\n```\n```rhai no_run\nf()\n```\n";
    let examples = examples_of("page", page);
    let seen: Vec<(&str, bool, &str)> = examples
        .iter()
        .map(|example| (example.place.as_str(), example.runs, example.text.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("page:2", true, "print(1); // prints 1\n"),
            ("page:8", false, "f()\n")
        ]
    );
    assert_eq!(promised(&examples[0].text), ["1"]);
}

#[test]
fn examples_that_lie_are_found() {
    let example = |text: &str| Example {
        place: "here".into(),
        runs: true,
        text: text.into(),
    };
    assert!(try_example(&example("print(2); // prints 1")).is_err_and(|text| text.contains("promised")));
    assert!(try_example(&example("no_such")).is_err_and(|text| text.contains("no_such")));
    assert!(try_example(&example("print(1); // prints 1")).is_ok());
}
