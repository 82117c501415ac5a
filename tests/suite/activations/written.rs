//! Writing caches: what comes back, what a crash leaves, what damage does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use saescript::activations::{
    ActivationFactory, ActivationWriter, ActivationWriterConfig, Batch, BatchStream, Inputs, Written,
    check_cache,
};
use saescript::config::{Value, from_value};
use saescript::error::Result;
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::fingerprint::{Fingerprint, Names};
use saescript::tensor::Generator;
use saescript::text::Dataset;
use serde_json::json;

use super::toy::{self, HOOK, OTHER_HOOK};

pub fn writer(folder: &Path, changes: Value) -> ActivationWriter {
    let mut value = json!({"hook_points": [HOOK, OTHER_HOOK], "cache_dir": folder});
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    let config: ActivationWriterConfig = from_value(value).expect("a configuration");
    ActivationWriter::new(config).expect("a writer")
}

pub fn source(changes: Value, dataset: &Dataset) -> impl BatchStream + use<> {
    let mut value = json!({"hook_points": [HOOK, OTHER_HOOK], "buffer_size": 100, "model_batch_size": 4});
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    toy::stream(toy::config(value), dataset, &RunContext::default()).expect("a stream")
}

fn read(folder: &Path, changes: Value) -> Result<Vec<Batch>> {
    let mut value = json!({
        "sources": [{"type": "activations", "name": "cache", "path": folder}],
        "target": "activations-1d", "hook_points": [HOOK, OTHER_HOOK], "batch_size": 16,
    });
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    let factory = ActivationFactory::new(from_value(value)?)?;
    let mut stream = factory.process(Inputs::default(), &RunContext::default())?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

pub fn process(writer: &ActivationWriter, stream: &mut dyn BatchStream) -> Result<Written> {
    writer.process(stream, &RunContext::default())
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(150));
    let expected = toy::all(&mut source(json!({}), &dataset));
    for (name, size) in [
        ("by_batch", Value::Null),
        ("by_37", json!(37)),
        ("all", json!(100_000)),
    ] {
        let cache = folder.path().join(name);
        let written = process(
            &writer(&cache, json!({"n_samples_per_chunk": size})),
            &mut source(json!({}), &dataset),
        )
        .expect("written");
        assert_eq!(written.tokens, toy::tokens(&expected).len() as u64);
        let batches = read(&cache, json!({})).expect("read");
        assert_eq!(toy::rows(&batches), toy::rows(&expected));
        assert_eq!(toy::tokens(&batches), toy::tokens(&expected));
        let report = check_cache(&cache, &RunContext::default()).expect("checked");
        assert!(report.problems.is_empty() && report.has_checksums, "{report:?}");
        assert_eq!((report.chunks, report.rows), (written.chunks, written.tokens));
    }
}

#[test]
fn sequences_keep_their_origins_and_stop_at_the_wanted_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(100));
    let changes =
        json!({"target": "activations-2d", "context_size": 20, "batch_size": 8, "buffer_size": null});
    let expected = toy::all(&mut source(changes.clone(), &dataset));
    let cache = folder.path().join("cache");
    let writer = writer(&cache, json!({"total_generating_tokens": 500}));
    let written = process(&writer, &mut source(changes, &dataset)).expect("written");
    assert!((500..700).contains(&written.tokens), "{written:?}");
    let batches = read(&cache, json!({"target": "activations-2d", "batch_size": 8})).expect("read");
    assert_eq!(batches.len() as u64, written.chunks);
    for (ours, theirs) in batches.iter().zip(&expected) {
        assert_eq!(
            ours.at(OTHER_HOOK).expect("there"),
            theirs.at(OTHER_HOOK).expect("there")
        );
        assert_eq!(ours.mask, theirs.mask);
        assert_eq!(ours.meta, theirs.meta);
    }
    let again = process(&writer, &mut source(json!({}), &dataset)).expect_err("other settings");
    assert!(
        again.to_string().contains("was begun with other settings"),
        "{again}"
    );
    assert!(again.to_string().contains("activation_factory.target"), "{again}");
}

#[test]
fn shards_lie_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let mut expected = Vec::new();
    for shard in 0..2 {
        let data = tempfile::tempdir().expect("a folder");
        let dataset = toy::jsonl(data.path(), &toy::texts(40 + shard as usize));
        let mut stream = source(json!({}), &dataset);
        expected.extend(toy::tokens(&toy::all(&mut source(json!({}), &dataset))));
        // What all shards are parts of; they read different files here.
        let writer = writer(&cache, json!({}))
            .in_shards(shard, 2)
            .made_from(Fingerprint::new(), Names::default());
        process(&writer, &mut stream).expect("written");
        if shard == 0 {
            assert!(
                read(&cache, json!({}))
                    .expect_err("half")
                    .to_string()
                    .contains("lacks shard 1 of 2")
            );
        }
    }
    assert_eq!(toy::tokens(&read(&cache, json!({})).expect("read")), expected);
    assert!(
        cache
            .join(HOOK)
            .join("shard-1-chunk-00000000.safetensors")
            .exists()
    );
}

/// Every file of a cache that a reader looks at, and its bytes.
fn contents(cache: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for hook_point in [HOOK, OTHER_HOOK] {
        for entry in std::fs::read_dir(cache.join(hook_point)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(cache).expect("below").to_path_buf();
            files.insert(name, std::fs::read(&path).expect("read"));
        }
    }
    files
}

#[test]
fn truncated_and_flipped_files_never_give_wrong_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(30));
    let mut generator = Generator::new(1);
    for (target, context_size) in [("activations-1d", Value::Null), ("activations-2d", json!(16))] {
        let cache = folder.path().join(target);
        let shape = json!({"target": target, "context_size": context_size});
        let size = json!({"n_samples_per_chunk": 20});
        process(&writer(&cache, size), &mut source(shape.clone(), &dataset)).expect("written");
        let good = read(&cache, json!({"target": target})).expect("read");
        let files = contents(&cache);
        let names: Vec<&PathBuf> = files.keys().collect();
        let mut refused = 0;
        for _ in 0..500 {
            let name = names[generator.next_u32() as usize % names.len()];
            let mut bytes = files[name].clone();
            let at = generator.next_u32() as usize % bytes.len();
            match generator.next_u32() % 3 {
                0 => bytes.truncate(at),
                _ => bytes[at] ^= 1 << (generator.next_u32() % 8),
            }
            std::fs::write(cache.join(name), bytes).expect("written");
            match read(&cache, json!({"target": target})) {
                Err(error) => {
                    refused += 1;
                    assert!(!error.message().is_empty());
                }
                Ok(batches) => {
                    // Only the settings in an index may be changed without changing what is read.
                    assert!(
                        name.ends_with("index.jsonl"),
                        "a change of {} passed unnoticed",
                        name.display()
                    );
                    assert_eq!(toy::rows(&batches), toy::rows(&good), "{}", name.display());
                    assert_eq!(toy::tokens(&batches), toy::tokens(&good));
                    let meta = |batches: &[Batch]| {
                        batches.iter().map(|batch| batch.meta.clone()).collect::<Vec<_>>()
                    };
                    assert_eq!(meta(&batches), meta(&good), "{}", name.display());
                }
            }
            std::fs::write(cache.join(name), &files[name]).expect("written");
        }
        assert!(refused > 350, "{refused} of 500 damages were noticed");
    }
}

#[test]
fn a_check_names_every_damaged_chunk() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(60));
    let cache = folder.path().join("cache");
    process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect("written");
    let damage = |file: &str, change: fn(&mut Vec<u8>)| {
        let path = cache.join(file);
        let mut bytes = std::fs::read(&path).expect("read");
        change(&mut bytes);
        std::fs::write(&path, bytes).expect("written");
    };
    damage(&format!("{HOOK}/chunk-00000002.safetensors"), |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    damage(&format!("{OTHER_HOOK}/chunk-00000004.safetensors"), |bytes| {
        bytes.truncate(bytes.len() / 2)
    });
    let report = check_cache(&cache, &RunContext::default()).expect("checked");
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("chunk-00000002") && problems[0].contains("checksum"),
        "{}",
        problems[0]
    );
    assert!(
        problems[1].contains("chunk-00000004") && problems[1].contains("cut short"),
        "{}",
        problems[1]
    );
}

#[test]
fn a_cache_that_is_being_written_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(60));
    let cache = folder.path().join("cache");
    let context = RunContext::default();
    let mut interrupted = Interrupted {
        stream: source(json!({}), &dataset),
        left: 5,
    };
    writer(&cache, json!({}))
        .process(&mut interrupted, &context)
        .expect_err("interrupted");
    let error = read(&cache, json!({})).expect_err("not complete");
    assert!(
        error
            .to_string()
            .contains("is not complete: it is still being written"),
        "{error}"
    );
    let report = check_cache(&cache, &context).expect("checked");
    assert!(
        report.problems[0].to_string().contains("is not complete"),
        "{report:?}"
    );
    process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect("completed");
    read(&cache, json!({})).expect("complete");
}

/// A stream that fails after some batches.
struct Interrupted<S> {
    stream: S,
    left: usize,
}

impl<S: BatchStream> BatchStream for Interrupted<S> {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.left == 0 {
            return Err(saescript::Error::run("the power is gone"));
        }
        self.left -= 1;
        self.stream.next_batch()
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        self.stream.fingerprint()
    }
}

#[test]
fn folders_of_others_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(10));
    let cache = folder.path().join("cache");
    let stray = cache.join(HOOK).join("chunk-00000000.safetensors");
    std::fs::create_dir_all(stray.parent().expect("a parent")).expect("made");
    std::fs::write(&stray, "not ours").expect("written");
    let error = process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect_err("refused");
    assert!(error.to_string().contains("holds chunks already"), "{error}");
    assert_eq!(std::fs::read(&stray).expect("read"), b"not ours");
}

/// Variables by which the test below tells a child process what to write where.
const CACHE: &str = "SAESCRIPT_TEST_CACHE";
const TEXTS: &str = "SAESCRIPT_TEST_TEXTS";

fn generate(cache: &Path, dataset: &Dataset, context: &RunContext) -> Result<Written> {
    let config = toy::config(json!({
        "hook_points": [HOOK, OTHER_HOOK], "buffer_size": 100, "model_batch_size": 4,
    }));
    let mut stream = toy::stream(config, dataset, context)?;
    writer(cache, json!({"n_samples_per_chunk": 23}))
        .saving_every(Duration::from_millis(20))
        .process(&mut stream, context)
}

/// Not a test: the process that the test below kills.
#[test]
#[ignore = "run by killed_generations_end_like_uninterrupted_ones"]
fn generating_child() {
    let (Some(cache), Some(texts)) = (std::env::var_os(CACHE), std::env::var_os(TEXTS)) else {
        return;
    };
    generate(
        Path::new(&cache),
        &toy::load(Path::new(&texts)),
        &RunContext::default(),
    )
    .expect("written");
}

#[test]
fn killed_generations_end_like_uninterrupted_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(150));
    let whole = folder.path().join("whole");
    let uninterrupted = generate(&whole, &dataset, &RunContext::default()).expect("written");
    let killed = folder.path().join("killed");
    let child = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "activations::written::generating_child", "--ignored"])
            .env(CACHE, &killed)
            .env(TEXTS, folder.path().join("texts.jsonl"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let chunks = |cache: &Path| match std::fs::read_dir(cache.join(OTHER_HOOK)) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };
    let mut generator = Generator::new(3);
    let mut progress = Vec::new();
    // `SAESCRIPT_TEST_KILLS` asks for another number of them.
    let kills = std::env::var("SAESCRIPT_TEST_KILLS").ok();
    let kills = kills.map_or(30, |kills| kills.parse::<usize>().expect("a number of kills"));
    for kill in 0..kills {
        let mut running = child().spawn().expect("started");
        // Kills fall all over the first half of the run, at random moments: on a quick machine the rest is over before
        // a kill arrives.
        let wanted = uninterrupted.chunks as usize * kill / (2 * kills);
        let patience = std::time::Instant::now();
        while chunks(&killed) < wanted && patience.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(u64::from(generator.next_u32() % 10_000)));
        running.kill().expect("killed");
        running.wait().expect("ended");
        progress.push(chunks(&killed));
    }
    let in_time = progress
        .iter()
        .filter(|chunks| **chunks < uninterrupted.chunks as usize);
    assert!(
        3 * in_time.count() >= 2 * kills,
        "the kills came too late: {progress:?}"
    );
    let last = generate(&killed, &dataset, &RunContext::default()).expect("completed");
    assert!(last.kept > 0, "nothing was kept: {progress:?}");
    assert_eq!(last.chunks, uninterrupted.chunks);
    let (ours, theirs) = (contents(&killed), contents(&whole));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert!(ours == theirs, "some files differ");
}

#[test]
fn an_index_that_was_emptied_does_not_turn_checks_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(60));
    let cache = folder.path().join("cache");
    process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect("written");
    let index = cache.join(HOOK).join("index.jsonl");
    let whole = std::fs::read_to_string(&index).expect("read");
    let first = whole.lines().next().expect("a line");
    for (text, reason) in [
        ("", "the file is empty"),
        (&first[..first.len() / 2], "line 1, is damaged: it is cut short"),
        (first, "line 1, is damaged: it is cut short"),
        (&format!("{first}\n"), "is not complete"),
        (&format!("{whole}{{"), "it follows the end of the index"),
    ] {
        std::fs::write(&index, text).expect("written");
        let error = read(&cache, json!({})).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
        let report = check_cache(&cache, &RunContext::default()).expect("checked");
        assert!(
            report.problems[0].to_string().contains(reason),
            "{:?}",
            report.problems
        );
        // Nor is it taken for the beginning of another generation.
        let again = process(&writer(&cache, json!({})), &mut source(json!({}), &dataset));
        if reason != "is not complete" {
            assert!(again.expect_err(reason).to_string().contains(reason));
        }
    }
}

#[test]
fn an_index_that_says_what_is_not_so_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(60));
    let cache = folder.path().join("cache");
    process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect("written");
    let index = cache.join(HOOK).join("index.jsonl");
    let whole = std::fs::read_to_string(&index).expect("read");
    let mut chunk: Value = serde_json::from_str(whole.lines().nth(1).expect("a chunk")).expect("JSON");
    let problems = || {
        check_cache(&cache, &RunContext::default())
            .expect("checked")
            .problems
    };
    assert!(problems().is_empty(), "{:?}", problems());
    for (key, reason) in [
        ("rows", "and its index says"),
        ("tokens", "and its index says"),
        ("name", "is missing from"),
    ] {
        let before = chunk["chunk"][key].clone();
        chunk["chunk"][key] = match before.as_u64() {
            Some(number) => (number + 1000).into(),
            None => "chunk-0".into(),
        };
        let lines = whole.lines().enumerate();
        let changed: Vec<String> = lines
            .map(|(at, line)| {
                if at == 1 {
                    chunk.to_string()
                } else {
                    line.to_string()
                }
            })
            .collect();
        std::fs::write(&index, changed.join("\n") + "\n").expect("written");
        let found = problems();
        assert!(
            found.iter().any(|problem| problem.to_string().contains(reason)),
            "{key}: {found:?}"
        );
        chunk["chunk"][key] = before;
    }
}

/// Keeps what is remarked.
struct Remarks(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl Observer for Remarks {
    fn on(&mut self, event: &Event) -> Result<Control> {
        if let Event::Note(text) | Event::Warning(text) = event {
            self.0.lock().expect("unpoisoned").push(text.clone());
        }
        Ok(Control::Continue)
    }
}

#[test]
fn a_cache_without_an_index_is_said_to_be_unchecked() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(60));
    let cache = folder.path().join("cache");
    process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect("written");
    std::fs::remove_file(cache.join(HOOK).join("index.jsonl")).expect("removed");
    let value = json!({
        "sources": [{"type": "activations", "name": "cache", "path": cache}],
        "target": "activations-1d", "hook_points": [HOOK], "batch_size": 16,
    });
    let (context, remarks) = (RunContext::default(), std::sync::Arc::default());
    context
        .events
        .add(Box::new(Remarks(std::sync::Arc::clone(&remarks))));
    let factory = ActivationFactory::new(from_value(value).expect("valid")).expect("a factory");
    let mut stream = factory.process(Inputs::default(), &context).expect("opened");
    while stream.next_batch().expect("read").is_some() {}
    let remarks = remarks.lock().expect("unpoisoned");
    let said = remarks
        .iter()
        .filter(|text| text.contains("its chunks are read unchecked"))
        .count();
    assert_eq!(said, 1, "{remarks:?}");
}

/// A stream during which somebody removes a folder.
struct Removing<S> {
    stream: S,
    folder: PathBuf,
    after: usize,
}

impl<S: BatchStream> BatchStream for Removing<S> {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.after == 0 {
            std::fs::remove_dir_all(&self.folder).ok();
        }
        self.after = self.after.wrapping_sub(1);
        self.stream.next_batch()
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        self.stream.fingerprint()
    }
}

#[test]
fn a_cache_that_is_removed_while_it_is_written_is_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(60));
    let cache = folder.path().join("cache");
    let mut removing = Removing {
        stream: source(json!({}), &dataset),
        folder: cache.join(HOOK),
        after: 4,
    };
    let error = process(&writer(&cache, json!({})), &mut removing)
        .expect_err("it is gone")
        .to_string();
    // Whichever of its files is written next.
    let said = ["removed or replaced", "no such file or folder"];
    assert!(said.iter().any(|said| error.contains(said)), "{error}");
}
