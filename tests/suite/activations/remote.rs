//! Caches on a web server: the same rows as from the folder, whatever happens on the way.

use std::path::Path;
use std::time::{Duration, Instant};

use saescript::activations::{ActivationFactory, ActivationStream, Batch, BatchStream, Inputs, check_cache};
use saescript::config::{Value, checked};
use saescript::error::Result;
use saescript::event::{Event, RunContext};
use serde_json::json;

use super::files::{Files, Kind};
use super::toy::{self, HOOK, OTHER_HOOK};
use super::written::{process, source, writer};
use crate::hub::Heard;
use crate::web::Fault;

/// A cache with an index: about 14 chunks of 40 rows (8 sequences in 2D) at two hook points.
fn cache(folder: &Path, target: &str) {
    let dataset = toy::jsonl(folder, &toy::texts(80));
    let (context_size, size) = match target {
        "activations-2d" => (json!(24), 8),
        _ => (Value::Null, 40),
    };
    let shape = json!({"target": target, "context_size": context_size});
    let writer = writer(&folder.join("cache"), json!({"n_samples_per_chunk": size}));
    process(&writer, &mut source(shape, &dataset)).expect("written");
}

/// The cache of `target`, in a folder and on a server of `kind`.
pub fn both(target: &str, kind: Kind) -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().expect("a folder");
    cache(folder.path(), target);
    let files = Files::start(kind);
    files.upload(&folder.path().join("cache"), "cache");
    (folder, files)
}

fn without_indices(folder: &Path) {
    for hook_point in [HOOK, OTHER_HOOK] {
        let index = folder.join("cache").join(hook_point).join("index.jsonl");
        std::fs::remove_file(index).expect("removed");
    }
}

fn stream(path: Value, changes: Value, context: &RunContext) -> Result<ActivationStream> {
    let mut source = json!({"type": "activations", "name": "cache", "path": path});
    let mut value = json!({"target": "activations-1d", "hook_points": [HOOK, OTHER_HOOK], "batch_size": 16});
    if let (Some(value), Value::Object(mut changes)) = (value.as_object_mut(), changes) {
        if let (Some(source), Some(Value::Object(more))) = (source.as_object_mut(), changes.remove("source"))
        {
            source.extend(more);
        }
        value.extend(changes);
        value.insert("sources".into(), json!([source]));
    }
    ActivationFactory::new(checked(value)?)?.process(Inputs::default(), context)
}

pub fn read(path: Value, changes: Value) -> Result<Vec<Batch>> {
    let mut stream = stream(path, changes, &RunContext::default())?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

fn same(ours: &[Batch], theirs: &[Batch]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.activations, theirs.activations);
        assert_eq!(ours.tokens, theirs.tokens);
        assert_eq!(ours.mask, theirs.mask);
        assert_eq!(ours.attention_mask, theirs.attention_mask);
        assert_eq!(ours.meta, theirs.meta);
    }
}

/// The folder of the cache, and its address.
fn places(folder: &tempfile::TempDir, files: &Files) -> (Value, Value) {
    (
        json!(folder.path().join("cache")),
        json!(format!("{}/cache", files.address)),
    )
}

#[test]
fn what_a_server_has_is_read_like_a_folder() {
    for kind in [Kind::Web, Kind::Simple] {
        for target in ["activations-1d", "activations-2d"] {
            let (folder, files) = both(target, kind);
            let (here, there) = places(&folder, &files);
            let shuffled = json!({"buffer_size": 150, "source": {"passes": 2, "chunk_shuffle_seed": 3}});
            let single = json!({"source": {"prefetch": null, "num_workers": 1}});
            let as_written = json!({"target": target, "batch_size": 5});
            for changes in [json!({}), as_written, single, shuffled] {
                let expected = read(here.clone(), changes.clone()).expect("read");
                assert!(expected.len() > 10, "{} batches", expected.len());
                same(&read(there.clone(), changes.clone()).expect("read"), &expected);
                // One hook point here, the other there.
                let mixed = json!({
                    HOOK: format!("{}/{HOOK}", there.as_str().expect("text")),
                    OTHER_HOOK: folder.path().join("cache").join(OTHER_HOOK),
                });
                same(&read(mixed, changes).expect("read"), &expected);
            }
            let report = check_cache(Path::new(there.as_str().expect("text")), &RunContext::default());
            match kind {
                Kind::Web => {
                    let (report, local) = (
                        report.expect("checked"),
                        check_cache(&folder.path().join("cache"), &RunContext::default()).expect("checked"),
                    );
                    assert!(report.problems.is_empty() && report.has_checksums, "{report:?}");
                    assert_eq!(report.hook_points, local.hook_points);
                    assert_eq!((report.chunks, report.rows), (local.chunks, local.rows));
                }
                _ => {
                    let error = report.expect_err("no list of folders");
                    assert!(error.to_string().contains("give the address"), "{error}");
                }
            }
        }
    }
}

#[test]
fn without_an_index_the_server_is_asked_for_one_chunk_after_another() {
    let folder = tempfile::tempdir().expect("a folder");
    cache(folder.path(), "activations-2d");
    without_indices(folder.path());
    let files = Files::start(Kind::Web);
    files.upload(&folder.path().join("cache"), "cache");
    let (here, there) = places(&folder, &files);
    let changes = json!({"target": "activations-2d", "batch_size": 5});
    let expected = read(here, changes.clone()).expect("read");
    assert!(expected[0].meta.is_some());
    same(&read(there.clone(), changes.clone()).expect("read"), &expected);

    files.remove(&format!("cache/{HOOK}/chunk-00000003.safetensors"));
    let error = read(there, changes).expect_err("a gap");
    assert!(
        error.to_string().contains("`chunk-00000003` is missing"),
        "{error}"
    );
}

#[test]
fn a_saved_stream_goes_on_with_the_same_rows() {
    let (folder, files) = both("activations-1d", Kind::Web);
    let (here, there) = places(&folder, &files);
    let changes =
        json!({"buffer_size": 150, "source": {"passes": 3, "chunk_shuffle_seed": 1, "prefetch": 3}});
    let expected = read(here, changes.clone()).expect("read");
    let context = RunContext::default();
    for taken in [0, 1, 17, 50] {
        let saved = tempfile::tempdir().expect("a folder");
        let mut first = stream(there.clone(), changes.clone(), &context).expect("a stream");
        let mut batches: Vec<Batch> = (0..taken)
            .map(|_| first.next_batch().expect("read").expect("a batch"))
            .collect();
        first.save_state(saved.path()).expect("saved");
        drop(first);
        let mut second = stream(there.clone(), changes.clone(), &context).expect("a stream");
        second.restore_state(saved.path()).expect("restored");
        batches.extend(toy::all(&mut second));
        same(&batches, &expected);
    }
}

#[test]
fn chunks_come_ahead_while_earlier_ones_are_used() {
    let (_folder, files) = both("activations-1d", Kind::Web);
    let there = json!(format!("{}/cache", files.address));
    let chunk = |number: usize| format!("cache/{HOOK}/chunk-{number:08}.safetensors");
    for number in 0..8 {
        files.break_next(&chunk(number), Fault::Slow(400));
    }
    let context = RunContext::default();
    let changes = json!({"source": {"prefetch": 6, "num_workers": 8}});
    let mut stream = stream(there, changes, &context).expect("a stream");
    let whole = |path: &str, files: &Files| {
        let requests = files.take_requests();
        requests
            .iter()
            .filter(|request| request.path.contains(path) && !request.headers.contains_key("range"))
            .count()
    };
    // To see the length of its sequences, only the beginning of the first chunk was fetched.
    assert_eq!(whole("chunk-", &files), 0);
    let start = Instant::now();
    for _ in 0..14 {
        stream.next_batch().expect("read").expect("a batch");
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_millis(8 * 400 / 2),
        "six chunks of 0.4 s, one after another: {took:?}"
    );
    assert!(whole(HOOK, &files) >= 6);
}

#[test]
fn accidents_on_the_way_cost_only_time() {
    let (folder, files) = both("activations-1d", Kind::Web);
    let (here, there) = places(&folder, &files);
    let chunk = |number: usize| format!("cache/{HOOK}/chunk-{number:08}.safetensors");
    files.break_next(&chunk(1), Fault::Cut(300));
    files.break_next(&chunk(1), Fault::Cut(100));
    files.answer_next(&chunk(2), 503, "Retry-After: 1\r\n");
    files.answer_next(&chunk(3), 429, "");
    files.break_next(&chunk(4), Fault::Corrupt);
    files.answer_next(&format!("cache/{HOOK}/index.jsonl"), 500, "");
    let (heard, context) = Heard::context();
    let mut remote = stream(there.clone(), json!({}), &context).expect("a stream");
    let batches = toy::all(&mut remote);
    same(&batches, &read(here.clone(), json!({})).expect("read"));
    let requests = files.take_requests();
    let asked: Vec<_> = requests
        .iter()
        .filter(|request| request.path.ends_with(&chunk(1)) && request.method == "GET")
        .map(|request| request.headers.get("range").map_or("", String::as_str))
        .collect();
    assert_eq!(asked, ["", "bytes=300-", "bytes=400-"]);
    assert!(
        requests
            .iter()
            .any(|request| request.path.ends_with(&chunk(1)) && request.headers.contains_key("if-match")),
        "the rest is asked of the same file only"
    );
    let twice = requests
        .iter()
        .filter(|request| request.path.ends_with(&chunk(4)));
    assert_eq!(twice.count(), 2, "what arrives damaged is fetched again");
    let noted = heard
        .events()
        .iter()
        .any(|event| matches!(event, Event::Note(text) if text.contains("asks to wait 1 s")));
    assert!(noted, "{:?}", heard.events());
}

#[test]
fn a_server_that_knows_no_parts_is_asked_for_the_whole_again() {
    let (folder, files) = both("activations-1d", Kind::Simple);
    let (here, there) = places(&folder, &files);
    let chunk = format!("cache/{OTHER_HOOK}/chunk-00000001.safetensors");
    files.break_next(&chunk, Fault::Cut(300));
    same(
        &read(there, json!({})).expect("read"),
        &read(here, json!({})).expect("read"),
    );
    let requests = files.take_requests();
    let asked = requests.iter().filter(|request| request.path.ends_with(&chunk));
    assert_eq!(asked.count(), 2);
}

#[test]
fn an_interrupt_ends_the_waiting() {
    let (_folder, files) = both("activations-1d", Kind::Web);
    let there = json!(format!("{}/cache", files.address));
    for _ in 0..4 {
        files.answer_next(
            &format!("cache/{HOOK}/chunk-00000000.safetensors"),
            503,
            "Retry-After: 200\r\n",
        );
    }
    let context = RunContext::default();
    let stop = context.stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.set();
    });
    let start = Instant::now();
    let error = stream(there, json!({}), &context)
        .and_then(|mut stream| stream.next_batch())
        .expect_err("interrupted");
    assert_eq!(error.fault().exit_code(), 130, "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_file_that_is_replaced_meanwhile_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    cache(folder.path(), "activations-1d");
    without_indices(folder.path());
    let files = Files::start(Kind::Web);
    files.upload(&folder.path().join("cache"), "cache");
    let (here, there) = places(&folder, &files);
    let file = format!("{HOOK}/chunk-00000001.safetensors");
    files.break_next(&format!("cache/{file}"), Fault::Cut(500));
    // The first answer has a part of these bytes; then they are others, of another ETag.
    files.change(&format!("cache/{file}"), |bytes| bytes.rotate_left(8));
    let original = std::fs::read(folder.path().join("cache").join(&file)).expect("read");
    let (changing, name) = (files.clone(), format!("cache/{file}"));
    let watching = std::thread::spawn(move || {
        let patience = Instant::now();
        while patience.elapsed() < Duration::from_secs(20) {
            let mut requests = changing.take_requests().into_iter();
            if requests.any(|request| request.path.ends_with(&name) && request.method == "GET") {
                changing.put(&name, original);
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    same(
        &read(there, json!({})).expect("read"),
        &read(here, json!({})).expect("read"),
    );
    watching.join().expect("no panic");
}
