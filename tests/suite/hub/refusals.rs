//! What people read when the hub says no.

use std::fmt::Write;

use saescript::error::Error;
use saescript::event::RunContext;
use saescript::hub::{HubSettings, RepoKind, Repository};

use super::server::Hub;
use super::settings;

/// Asks for a file of a model: the case, the id, the revision, the file, the token.
type Ask<'a> = dyn FnMut(&str, &str, Option<&str>, &str, Option<&str>) + 'a;

fn about_names_and_tokens(ask: &mut Ask<'_>) {
    ask(
        "no such repository, no token",
        "org/nothing",
        None,
        "config.json",
        None,
    );
    ask(
        "no such repository, with a token",
        "org/nothing",
        None,
        "config.json",
        Some("hf_good"),
    );
    ask("no such file", "org/tiny", None, "model.safetensors", None);
    ask("no such revision", "org/tiny", Some("v2"), "config.json", None);
    ask("gated, no token", "org/gated", None, "config.json", None);
    ask(
        "gated, another's token",
        "org/gated",
        None,
        "config.json",
        Some("hf_good"),
    );
    ask(
        "a token that is none",
        "org/tiny",
        None,
        "config.json",
        Some("hf_broken"),
    );
    ask(
        "a data set asked for as a model",
        "org/texts",
        None,
        "train.txt",
        None,
    );
    ask("no id at all", "or g/tiny", None, "config.json", None);
    ask("a file outside", "org/tiny", None, "../../secret", None);
    ask(
        "a revision outside",
        "org/tiny",
        Some("../x"),
        "config.json",
        None,
    );
}

fn about_the_hub_itself(hub: &Hub, ask: &mut Ask<'_>) {
    for _ in 0..5 {
        hub.answer_next(500, "X-Error-Message: out of order\r\n");
    }
    ask("a hub out of order", "org/fresh", None, "config.json", None);
    hub.answer_next(429, "Retry-After: 3600\r\n");
    ask(
        "too many requests for an hour",
        "org/fresh",
        None,
        "config.json",
        None,
    );
    hub.answer_next(200, "");
    ask("a server that is no hub", "org/fresh", None, "config.json", None);
}

#[test]
fn every_refusal_says_what_to_do() {
    let hub = Hub::start();
    let cache = tempfile::tempdir().expect("a temporary folder");
    hub.commit("models/org/tiny", &[("config.json", b"{}")]);
    hub.commit("models/org/gated", &[("config.json", b"{}")]);
    hub.commit("models/org/fresh", &[("config.json", b"{}")]);
    hub.commit("datasets/org/texts", &[("train.txt", b"text")]);
    hub.gate("models/org/gated", "hf_special");
    let mut said = String::new();
    let mut note = |case: &str, error: Error| {
        write!(said, "{case}\n  {}", error.headline()).expect("a string");
        for hint in error.hints() {
            write!(said, "\n  hint: {hint}").expect("a string");
        }
        writeln!(said, "\n  exit code {}\n", error.fault().exit_code()).expect("a string");
    };
    let mut ask = |case: &str, id: &str, revision: Option<&str>, file: &str, token: Option<&str>| {
        let settings = HubSettings {
            token: Some(token.unwrap_or_default().into()),
            ..settings(&hub, cache.path())
        };
        let opened = Repository::open(id, RepoKind::Model, revision, &settings);
        let answer = opened.and_then(|repository| repository.file(file, &RunContext::default()));
        note(case, answer.expect_err(case));
    };
    about_names_and_tokens(&mut ask);
    about_the_hub_itself(&hub, &mut ask);
    let said = said.replace(&hub.address, "HUB");
    insta::assert_snapshot!(said);
}

#[test]
fn the_right_token_opens_the_gate() {
    let hub = Hub::start();
    let cache = tempfile::tempdir().expect("a temporary folder");
    hub.commit("models/org/gated", &[("config.json", b"{}")]);
    hub.gate("models/org/gated", "hf_special");
    let settings = HubSettings {
        token: Some("hf_special".into()),
        ..settings(&hub, cache.path())
    };
    let repository = Repository::open("org/gated", RepoKind::Model, None, &settings).expect("a good id");
    repository
        .file("config.json", &RunContext::default())
        .expect("allowed");
}
