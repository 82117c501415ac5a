//! Caches that something happened to.

use super::*;

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
    let factory = ActivationFactory::new(checked(value).expect("valid")).expect("a factory");
    let mut stream = factory.process(Inputs::default(), &context).expect("opened");
    while stream.next_batch().expect("read").is_some() {}
    let remarks = remarks.lock().expect("unpoisoned");
    let said = remarks
        .iter()
        .filter(|text| text.contains("its chunks are read unchecked"))
        .count();
    assert_eq!(said, 1, "{remarks:?}");
}
