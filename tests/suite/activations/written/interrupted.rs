//! Generations that were stopped on their way.

use super::*;

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
            .args([
                "--exact",
                "activations::written::interrupted::generating_child",
                "--ignored",
            ])
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
