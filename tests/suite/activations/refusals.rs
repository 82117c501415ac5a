//! What people read when a server or its files are not right.

use std::fmt::Write;
use std::path::Path;

use saescript::activations::check_cache;
use saescript::error::Error;
use saescript::event::RunContext;
use serde_json::json;

use super::files::{Files, Kind};
use super::remote::{both, read};
use super::toy::{HOOK, OTHER_HOOK};
use crate::web::Fault;

/// Leaves four lines of an index, as if more were to be written.
fn cut_index(files: &Files) {
    files.change(&format!("cache/{HOOK}/index.jsonl"), |bytes| {
        let lines = String::from_utf8(bytes.clone()).expect("text");
        *bytes = lines
            .lines()
            .take(4)
            .flat_map(|line| format!("{line}\n").into_bytes())
            .collect();
    });
}

#[test]
fn what_is_wrong_with_a_server_or_its_files_is_named() {
    let mut said = String::new();
    let mut note = |case: &str, files: &Files, error: Error| {
        write!(said, "{case}\n  {}", error.headline()).expect("a string");
        for hint in error.hints() {
            write!(said, "\n  hint: {hint}").expect("a string");
        }
        writeln!(said, "\n  exit code {}\n", error.fault().exit_code()).expect("a string");
        said = said.replace(&files.address, "http://SERVER");
    };
    let chunk = format!("cache/{HOOK}/chunk-00000002.safetensors");
    let mut ask = |case: &str, prepare: &dyn Fn(&Files), path: &str| {
        let (_folder, files) = both("activations-1d", Kind::Web);
        prepare(&files);
        let address = json!(format!("{}/{path}", files.address));
        note(case, &files, read(address, json!({})).expect_err(case));
    };
    ask("no such cache", &|_| (), "other");
    ask(
        "altered",
        &|files| files.change(&chunk, |bytes| *bytes.last_mut().expect("some") ^= 1),
        "cache",
    );
    ask(
        "cut short",
        &|files| files.change(&chunk, |bytes| bytes.truncate(500)),
        "cache",
    );
    ask("missing", &|files| files.remove(&chunk), "cache");
    ask("forbidden", &|files| files.answer_next(&chunk, 403, ""), "cache");
    ask(
        "forbidden at once",
        &|files| files.answer_next(&format!("cache/{HOOK}/index.jsonl"), 401, ""),
        "cache",
    );
    ask(
        "waits for long",
        &|files| files.answer_next(&chunk, 503, "Retry-After: 3600\r\n"),
        "cache",
    );
    ask(
        "cut again and again",
        &|files| (0..9).for_each(|_| files.break_next(&chunk, Fault::Cut(0))),
        "cache",
    );
    ask("still being written", &cut_index, "cache");
    let error = read(json!("gs://bucket/cache"), json!({})).expect_err("unknown");
    note("an unknown kind", &Files::start(Kind::Web), error);
    let error = read(json!("http://127.0.0.1:9/cache"), json!({})).expect_err("nobody");
    note("nobody there", &Files::start(Kind::Web), error);
    insta::assert_snapshot!(said);
}

#[test]
fn a_check_names_the_damaged_chunks_of_a_server() {
    let (_folder, files) = both("activations-2d", Kind::Web);
    files.change(&format!("cache/{HOOK}/chunk-00000002.safetensors"), |bytes| {
        *bytes.last_mut().expect("some") ^= 1;
    });
    files.change(
        &format!("cache/{OTHER_HOOK}/chunk-00000004.safetensors"),
        |bytes| bytes.truncate(99),
    );
    files.change(&format!("cache/{OTHER_HOOK}/chunk-00000005.meta.json"), |bytes| {
        bytes[2] ^= 1
    });
    files.remove(&format!("cache/{HOOK}/chunk-00000006.safetensors"));
    let address = format!("{}/cache", files.address);
    let report = check_cache(Path::new(&address), &RunContext::default()).expect("checked");
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let expected = [
        (HOOK, "chunk-00000002"),
        (OTHER_HOOK, "chunk-00000004"),
        (OTHER_HOOK, "chunk-00000005"),
        (HOOK, "chunk-00000006"),
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, (hook_point, chunk)) in problems.iter().zip(expected) {
        let folder = format!("{address}/{hook_point}");
        assert!(problem.contains(&folder) && problem.contains(chunk), "{problem}");
    }
}
