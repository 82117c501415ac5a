//! What Tab offers.

use super::*;
use crate::event::RunContext;
use crate::library::{self, Source};
use crate::script::Host;

/// What Tab offers after each line, in a session with a few definitions.
struct Table {
    host: Host,
}

impl Table {
    fn new() -> Self {
        let host = Host::builder().library(Vec::new()).build().expect("a host");
        Table { host }
    }

    fn offers(&mut self, line: &str) -> Vec<String> {
        let catalog = self.host.catalog().expect("a catalog");
        let mut session = self.host.interactive();
        let definitions = "let weights = torch::zeros([2]); let options = #{ alpha: 1 }; fn weigh(x) { x }";
        session.enter(definitions).expect("definitions");
        session
            .enter("import \"std/tables\" as tables")
            .expect("an import");
        let (start, candidates) = complete(line, &session, &catalog);
        let kept = &line[..start];
        candidates
            .into_iter()
            .map(|pair| format!("{kept}{}", pair.replacement))
            .collect()
    }

    fn offers_all(&mut self, line: &str, wanted: &[&str]) {
        let offers = self.offers(line);
        for name in wanted {
            assert!(
                offers.iter().any(|offer| offer == name),
                "{name} after {line:?}: {offers:?}"
            );
        }
    }

    fn offers_only(&mut self, line: &str, wanted: &[&str]) {
        assert_eq!(self.offers(line), wanted, "after {line:?}");
    }
}

#[test]
fn names_of_the_session_and_of_saescript() {
    let mut table = Table::new();
    table.offers_only("1 + weig", &["1 + weigh(", "1 + weights"]);
    table.offers_all("let x = SAE", &["let x = SAEConfig("]);
    table.offers_only("tor", &["torch::"]);
    table.offers_only("whil", &["while"]);
    table.offers_only("", &[]);
    table.offers_only("fn f() {\n", &["fn f() {\n    "]);
}

#[test]
fn what_is_in_modules() {
    let mut table = Table::new();
    table.offers_only("torch::zer", &["torch::zeros(", "torch::zeros_like("]);
    table.offers_all("return torch::cu", &["return torch::cuda::"]);
    table.offers_all("torch::cuda::is", &["torch::cuda::is_available("]);
    table.offers_only("tabl", &["tables::"]);
    assert!(!table.offers("tables::").is_empty());
    table.offers_only("nosuch::", &[]);
}

#[test]
fn members_by_the_type_of_the_receiver() {
    let mut table = Table::new();
    table.offers_all("weights.me", &["weights.mean("]);
    table.offers_all("torch::zeros([2, 3]).me", &["torch::zeros([2, 3]).mean("]);
    table.offers_all("f(weights.abs()[0].me", &["f(weights.abs()[0].mean("]);
    table.offers_all("options.", &["options.alpha", "options.keys("]);
    assert!(
        !table
            .offers("weights.")
            .iter()
            .any(|offer| offer.ends_with("d_model"))
    );
    table.offers_all("unknown.me", &["unknown.mean("]);
    table.offers_only("unknown.", &[]);
}

#[test]
fn keys_of_configurations_that_are_not_written_yet() {
    let mut table = Table::new();
    table.offers_only("SAEConfig(#{ d_mod", &["SAEConfig(#{ d_model: "]);
    table.offers_only("SAEConfig(#{ d_model: 2, d_mod", &[]);
    table.offers_all(
        "SAEConfig(#{\n    d_model: 2,\n",
        &["SAEConfig(#{\n    d_model: 2,\nact_fn: "],
    );
    table.offers_only(
        "SAEConfig(#{ d_model: weig",
        &["SAEConfig(#{ d_model: weigh(", "SAEConfig(#{ d_model: weights"],
    );
}

#[test]
fn strings_are_values_modules_or_files() {
    let mut table = Table::new();
    table.offers_only("SAEConfig(#{ act_fn: \"rel", &["SAEConfig(#{ act_fn: \"relu\""]);
    table.offers_only("import \"std/tab", &["import \"std/tables"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("some file.txt"), "").expect("writable");
    std::fs::create_dir(folder.path().join("some folder")).expect("writable");
    let beginning = format!("f(\"{}/some", folder.path().display());
    table.offers_only(
        &beginning,
        &[&format!("{beginning} file.txt"), &format!("{beginning} folder/")],
    );
    table.offers_only(
        &format!(":load {}/some f", folder.path().display()),
        &[
            &format!(":load {}/some file.txt", folder.path().display()),
            &format!(":load {}/some folder/", folder.path().display()),
        ],
    );
}

#[test]
fn commands_and_what_follows_them() {
    let mut table = Table::new();
    table.offers_only(":he", &[":help "]);
    table.offers_only(
        ":help torch::zer",
        &[":help torch::zeros", ":help torch::zeros_like"],
    );
    table.offers_only(
        ":type weights.me",
        &[":type weights.mean(", ":type weights.median("],
    );
    table.offers_only(":quit ", &[]);
}

#[test]
fn libraries_of_the_project_can_be_imported() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (file, text) in [
        (
            "app/saescript.toml",
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\n",
        ),
        (
            "probes/saescript.toml",
            "[package]\nname = \"probes\"\nversion = \"0.1.0\"\n",
        ),
        ("probes/lib.rhai", ""),
        ("probes/src/linear.rhai", ""),
    ] {
        crate::atomic::write(folder.path().join(file), text).expect("written");
    }
    // Every test runs in a process of its own.
    std::env::set_current_dir(folder.path().join("app")).expect("a folder");
    library::add(&Source::Path("../probes".into()), false, &RunContext::default()).expect("added");
    let mut table = Table::new();
    table.offers_all("import \"pro", &["import \"probes", "import \"probes/linear"]);
    table.offers_all("import \"std/ta", &["import \"std/tables"]);
}
