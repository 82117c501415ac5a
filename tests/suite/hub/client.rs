//! Downloads that meet accidents, and the cache.

use std::fs;
use std::path::{Path, PathBuf};

use saescript::event::{Event, RunContext};
use saescript::hub::{HubSettings, RepoKind, Repository};

use super::server::{Fault, Hub, Request, etag};
use super::{Heard, model, noise, settings};

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).expect("readable")
}

fn bodies(requests: &[Request]) -> Vec<&Request> {
    requests
        .iter()
        .filter(|request| request.method == "GET")
        .collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A hub with one repository of a small and a large file.
fn hub() -> (Hub, Vec<u8>, String) {
    let (hub, large) = (Hub::start(), noise(300_000));
    let commit = hub.commit(
        "models/org/tiny",
        &[("config.json", b"{\"a\": 1}"), ("sub folder/weights.bin", &large)],
    );
    (hub, large, commit)
}

const LARGE: &str = "sub folder/weights.bin";

#[test]
fn files_come_through_redirects_into_pythons_layout() {
    let ((hub, large, commit), cache) = (hub(), folder());
    let (heard, context) = Heard::context();
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    let paths = repository
        .files(&["config.json", LARGE], &context)
        .expect("both files");
    assert_eq!(read(&paths[0]), b"{\"a\": 1}");
    assert_eq!(read(&paths[1]), large);
    let root = cache.path().join("models--org--tiny");
    assert_eq!(paths[1], root.join("snapshots").join(&commit).join(LARGE));
    let link = fs::read_link(&paths[1]).expect("a link");
    assert_eq!(link, PathBuf::from("../../../blobs").join(etag(&large)));
    assert_eq!(fs::read_to_string(root.join("refs/main")).expect("a ref"), commit);
    let requests = hub.take_requests();
    for request in &requests {
        let sent = request.headers.contains_key("authorization");
        assert_eq!(
            sent,
            request.server == "hub",
            "the token is for the hub alone: {request:?}"
        );
    }
    assert!(requests.iter().any(|request| request.server == "cdn"));
    let events = heard.events();
    let total = 300_000 + 8;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::TaskStarted { total: Some(bytes), .. } if *bytes == total)),
        "{events:?}"
    );
    let last = events.iter().rev().find_map(|event| match event {
        Event::TaskAdvanced { done, .. } => Some(*done),
        _ => None,
    });
    assert!(last.is_some_and(|done| done <= total));
    assert!(matches!(events.last(), Some(Event::TaskFinished)));
}

#[test]
fn what_was_fetched_is_not_fetched_again() {
    let ((hub, _, commit), cache) = (hub(), folder());
    let context = RunContext::default();
    let root = cache.path().join("models--org--tiny");
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    let paths = repository
        .files(&["config.json", LARGE], &context)
        .expect("both files");
    hub.take_requests();

    // One question whether anything is new, and no body.
    let again = model("org/tiny", &settings(&hub, cache.path()));
    assert_eq!(
        again
            .files(&["config.json", LARGE], &context)
            .expect("both files"),
        paths
    );
    assert!(
        again
            .file_if("nothing.txt", &context)
            .expect("an answer")
            .is_none()
    );
    assert!(
        again
            .file_if("nothing.txt", &context)
            .expect("an answer")
            .is_none()
    );
    let requests = hub.take_requests();
    assert!(bodies(&requests).is_empty(), "{requests:?}");
    let asked = |end: &str| {
        requests
            .iter()
            .filter(|request| request.path.contains(end))
            .count()
    };
    assert_eq!(asked("nothing.txt"), 1, "what is not there is remembered");
    assert!(root.join(".no_exist").join(&commit).join("nothing.txt").exists());

    // Switched off: the cache only.
    let offline = HubSettings {
        offline: true,
        ..settings(&hub, cache.path())
    };
    let repository = model("org/tiny", &offline);
    assert_eq!(repository.file(LARGE, &context).expect("cached"), paths[1]);
    let error = repository.file("nothing.txt", &context).expect_err("not cached");
    assert!(error.to_string().contains("the hub is switched off"), "{error}");
    assert!(hub.take_requests().is_empty());
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let ((hub, large, _), cache) = (hub(), folder());
    hub.break_next(LARGE, Fault::Cut(100_000));
    hub.break_next(LARGE, Fault::Cut(50_000));
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    let path = repository.file(LARGE, &RunContext::default()).expect("the file");
    assert_eq!(read(path), large);
    let requests = hub.take_requests();
    let ranges: Vec<&str> = bodies(&requests)
        .iter()
        .filter(|request| request.server == "cdn")
        .map(|request| request.headers.get("range").map_or("", String::as_str))
        .collect();
    assert_eq!(ranges, ["", "bytes=100000-", "bytes=150000-"]);
}

#[test]
fn an_earlier_runs_part_is_used_only_if_it_fits() {
    let (hub, cache) = (Hub::start(), folder());
    let (small, large) = (noise(5_000), noise(20_000));
    hub.commit("models/org/tiny", &[("small.txt", &small), ("large.bin", &large)]);
    let blobs = cache.path().join("models--org--tiny/blobs");
    fs::create_dir_all(&blobs).expect("made");
    let part = |bytes: &[u8]| blobs.join(format!("{}.incomplete", etag(bytes)));
    fs::write(part(&small), &small[..2_000]).expect("written");
    fs::write(part(&large), vec![7; 12_000]).expect("written");
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    let paths = repository.files(&["small.txt", "large.bin"], &RunContext::default());
    let paths = paths.expect("both files");
    assert_eq!(read(&paths[0]), small);
    assert_eq!(
        read(&paths[1]),
        large,
        "a part that is something else is found by the checksum"
    );
    let requests = hub.take_requests();
    let sent = |name: &str| {
        requests
            .iter()
            .find(|request| request.method == "GET" && request.path.contains(name))
    };
    let request = sent("small.txt").expect("a request");
    assert_eq!(request.headers["range"], "bytes=2000-");
    assert_eq!(request.headers["if-range"], format!("\"{}\"", etag(&small)));
    assert!(!part(&small).exists() && !part(&large).exists());
    // A part longer than the file, or one that the hub has nothing to add to.
    fs::remove_file(blobs.join(etag(&large))).expect("removed");
    fs::write(part(&large), vec![7; 30_000]).expect("written");
    assert_eq!(
        read(
            repository
                .file("large.bin", &RunContext::default())
                .expect("a file")
        ),
        large
    );
}

#[test]
fn a_corrupt_or_shortened_body_is_never_used() {
    let ((hub, large, _), cache) = (hub(), folder());
    hub.break_next(LARGE, Fault::Corrupt);
    hub.break_next(LARGE, Fault::Short(10_000));
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    let context = RunContext::default();
    assert_eq!(read(repository.file(LARGE, &context).expect("the file")), large);

    let other = folder();
    for _ in 0..20 {
        hub.break_next(LARGE, Fault::Corrupt);
    }
    let repository = model("org/tiny", &settings(&hub, other.path()));
    let error = repository.file(LARGE, &context).expect_err("never right");
    assert!(error.to_string().contains("arrives damaged"), "{error}");
    assert!(error.to_string().contains("checksum"), "{error}");
    let root = other.path().join("models--org--tiny");
    assert!(!root.join("blobs").join(etag(&large)).exists());
    assert!(
        !root.join("snapshots").exists(),
        "nothing to be found by the next run"
    );
}

#[test]
fn what_passes_is_waited_for() {
    let ((hub, large, _), cache) = (hub(), folder());
    let (heard, context) = Heard::context();
    hub.answer_next(429, "Retry-After: 1\r\n");
    hub.answer_next(503, "");
    hub.answer_next(429, "RateLimit: \"resolvers\";r=0;t=0\r\n");
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    assert_eq!(read(repository.file(LARGE, &context).expect("the file")), large);
    let noted = heard
        .events()
        .iter()
        .any(|event| matches!(event, Event::Note(text) if text.contains("asks to wait 1 s")));
    assert!(noted, "{:?}", heard.events());
}

#[test]
fn a_hub_that_moved_on_is_noticed_by_the_next_run_only() {
    let ((hub, _, old), cache) = (hub(), folder());
    let context = RunContext::default();
    let running = model("org/tiny", &settings(&hub, cache.path()));
    let config = running.file("config.json", &context).expect("a file");
    let newer = noise(20_000);
    let new = hub.commit(
        "models/org/tiny",
        &[("config.json", b"{\"a\": 2}"), (LARGE, &newer)],
    );
    let weights = running.file(LARGE, &context).expect("a file");
    assert_ne!(read(&weights), newer, "one run sees one commit");
    assert!(weights.starts_with(config.parent().expect("a folder")));
    let next = model("org/tiny", &settings(&hub, cache.path()));
    let paths = next.files(&["config.json", LARGE], &context).expect("both");
    assert_eq!(read(&paths[0]), b"{\"a\": 2}");
    assert_eq!(read(&paths[1]), newer);
    assert!(paths[1].to_string_lossy().contains(&new));
    // The old commit is still there, by its name and without a question.
    hub.take_requests();
    let before = Repository::open(
        "org/tiny",
        RepoKind::Model,
        Some(&old),
        &settings(&hub, cache.path()),
    );
    let path = before
        .expect("a revision")
        .file("config.json", &context)
        .expect("cached");
    assert_eq!(read(path), b"{\"a\": 1}");
    assert!(hub.take_requests().is_empty());
}

#[test]
fn a_cache_that_python_wrote_is_read() {
    let ((hub, large, commit), cache) = (hub(), folder());
    let root = cache.path().join("hub/models--org--tiny");
    let snapshot = root.join("snapshots").join(&commit);
    for made in ["blobs", "refs"] {
        fs::create_dir_all(root.join(made)).expect("made");
    }
    fs::create_dir_all(snapshot.join("sub folder")).expect("made");
    fs::create_dir_all(root.join(".no_exist").join(&commit)).expect("made");
    fs::write(root.join("refs/main"), &commit).expect("written");
    fs::write(root.join(".no_exist").join(&commit).join("gone.txt"), "").expect("written");
    fs::write(root.join("blobs").join(etag(&large)), &large).expect("written");
    let target = format!("../../../blobs/{}", etag(&large));
    std::os::unix::fs::symlink(target, snapshot.join(LARGE)).expect("linked");
    let context = RunContext::default();
    // `cache_dir` may be a whole HF_HOME, with the cache in `hub/`.
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    assert_eq!(read(repository.file(LARGE, &context).expect("cached")), large);
    assert!(repository.file_if("gone.txt", &context).expect("known").is_none());
    let requests = hub.take_requests();
    assert!(
        bodies(&requests).is_empty() && requests.len() == 1,
        "{requests:?}"
    );
    // A link whose contents were deleted is fetched again.
    fs::remove_file(root.join("blobs").join(etag(&large))).expect("removed");
    assert_eq!(read(repository.file(LARGE, &context).expect("fetched")), large);
}

#[test]
fn without_a_connection_the_cache_does_with_a_warning() {
    let ((hub, large, _), cache) = (hub(), folder());
    let (heard, context) = Heard::context();
    model("org/tiny", &settings(&hub, cache.path()))
        .file(LARGE, &context)
        .expect("fetched");
    let gone = HubSettings {
        endpoint: Some("http://127.0.0.1:9".into()),
        ..settings(&hub, cache.path())
    };
    let repository = model("org/tiny", &gone);
    assert_eq!(read(repository.file(LARGE, &context).expect("cached")), large);
    let warned = heard
        .events()
        .iter()
        .any(|event| matches!(event, Event::Warning(text) if text.contains("in the cache")));
    assert!(warned, "{:?}", heard.events());
    let error = repository.file("config.json", &context).expect_err("not cached");
    assert!(error.to_string().contains("out of reach"), "{error}");
}

#[test]
fn the_list_of_files_is_kept_for_runs_without_the_hub() {
    let ((hub, _, commit), cache) = (hub(), folder());
    let context = RunContext::default();
    let names = ["config.json", LARGE];
    let repository = model("org/tiny", &settings(&hub, cache.path()));
    assert_eq!(repository.list(&context).expect("a list"), names);
    let offline = HubSettings {
        offline: true,
        ..settings(&hub, cache.path())
    };
    assert_eq!(model("org/tiny", &offline).list(&context).expect("a list"), names);
    let by_commit = |settings: &HubSettings| {
        let repository = Repository::open("org/tiny", RepoKind::Model, Some(&commit), settings);
        repository.expect("a revision").list(&context)
    };
    assert_eq!(by_commit(&offline).expect("a list"), names);
    let error = model("org/other", &offline).list(&context).expect_err("unknown");
    assert!(error.to_string().contains("switched off"), "{error}");
}

#[test]
fn many_threads_fetch_one_file_once() {
    let ((hub, large, _), cache) = (hub(), folder());
    hub.break_next(LARGE, Fault::Slow(300));
    let paths: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let fetch = || {
            let repository = model("org/tiny", &settings(&hub, cache.path()));
            read(repository.file(LARGE, &RunContext::default()).expect("the file"))
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert!(paths.iter().all(|bytes| *bytes == large));
    let requests = hub.take_requests();
    let sent = requests
        .iter()
        .filter(|request| request.server == "cdn" && request.method == "GET");
    assert_eq!(sent.count(), 1);
}
