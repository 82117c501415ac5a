//! Weights & Biases: whole trainings through the real engine, offline and to a server on this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use saescript::config::Value;

use super::server::{Run, Server};
use super::{Tools, rows_of};
use crate::program::{Ran, finish, program, script};
use crate::runner::write_config;

/// A training of 100 steps with the walkthrough's `[wandb]`.
fn configured(folder: &Path) -> PathBuf {
    let path = write_config(folder);
    let mut text = std::fs::read_to_string(&path).expect("a configuration");
    text += "\n[wandb]\nwandb_project = \"my-sae-training\"\nexp_name = \"pythia-160m-sae\"\n";
    std::fs::write(&path, text).expect("written");
    path
}

/// The program in `folder`, without anything that the machine's user set for W&B.
fn saescript(folder: &Path, core: &Path) -> Command {
    let mut command = program();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WANDB_") {
            command.env_remove(name);
        }
    }
    command
        .env("WANDB_CORE", core)
        .env("HOME", folder)
        .current_dir(folder);
    command
}

fn online(folder: &Path, core: &Path, server: &Server) -> Command {
    let mut command = saescript(folder, core);
    command
        .env("WANDB_BASE_URL", &server.address)
        .env("WANDB_API_KEY", "0123456789012345678901234567890123456789");
    command
}

fn train(mut command: Command, config: &Path, more: &[&str]) -> Ran {
    finish(command.arg("train").arg(config).args(more), "")
}

/// Every row has all that `metrics.jsonl` has for its step, once.
fn assert_complete(history: &[serde_json::Map<String, Value>], results: &Path) {
    let rows = rows_of(results);
    let steps: Vec<u64> = history.iter().filter_map(|row| row["_step"].as_u64()).collect();
    let expected: Vec<u64> = rows.keys().copied().collect();
    assert_eq!(steps, expected, "each step once and in order");
    for (row, (step, metrics)) in history.iter().zip(&rows) {
        for (name, value) in metrics {
            let (logged, value) = (row.get(name).and_then(Value::as_f64), value.as_f64());
            assert_eq!(logged, value, "{name} at step {step}");
        }
        let spread = &row["sparsity/log10_firing_frequency"];
        let (counts, bins) = (&spread["values"], &spread["bins"]);
        let (counts, bins) = (counts.as_array().expect("counts"), bins.as_array().expect("bins"));
        assert_eq!(
            (spread["_type"].as_str(), bins.len()),
            (Some("histogram"), counts.len() + 1)
        );
        assert_eq!(
            counts.iter().filter_map(Value::as_f64).sum::<f64>(),
            192.0,
            "every latent"
        );
    }
}

fn objects(value: &Value) -> Vec<serde_json::Map<String, Value>> {
    let rows = value.as_array().expect("a list").iter();
    rows.map(|row| row.as_object().expect("an object").clone())
        .collect()
}

#[test]
fn an_offline_run_is_read_back_by_the_reader_of_wandb() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = configured(folder.path());
    let mut command = saescript(folder.path(), &tools.core());
    command.env("WANDB_MODE", "offline").env("WANDB_TAGS", "one, two");
    train(
        command,
        &config,
        &["--set", "eval=true", "--set", "trainer.eval_frequency=50"],
    )
    .ended_with(0);
    let runs = tools.read("read_wandb.py", &folder.path().join("wandb"));
    let run = &runs[0];
    assert_eq!(run["project"], "my-sae-training");
    assert_eq!(run["name"], "pythia-160m-sae");
    assert_eq!(run["tags"], serde_json::json!(["one", "two"]));
    assert_eq!(run["config"]["trainer"]["lr"], 0.001);
    assert_eq!(run["config"]["sae"]["act_fn"], "topk");
    assert_eq!(run["exit"], 0);
    let results = folder.path().join("results");
    assert_complete(&objects(&run["history"]), &results);
    let rows = rows_of(&results);
    for (name, value) in rows.values().last().expect("a row") {
        assert_eq!(
            run["summary"][name].as_f64(),
            value.as_f64(),
            "{name} in the summary"
        );
    }
    let evaluated = |row: &Value| {
        let mut names = row.as_object().expect("a row").keys();
        names.any(|name| name.contains("cross_entropy_recovered"))
    };
    assert!(
        evaluated(&run["history"][4]),
        "the evaluation shares the row of its step"
    );
}

#[test]
fn an_online_run_arrives_complete() {
    let Some(tools) = Tools::find() else { return };
    let (folder, server) = (tempfile::tempdir().expect("a folder"), Server::start());
    let config = configured(folder.path());
    let ran = train(online(folder.path(), &tools.core(), &server), &config, &[]).ended_with(0);
    let runs = server.runs();
    let run = &runs[0];
    assert_eq!(
        (runs.len(), run.project.as_str(), run.name.as_str()),
        (1, "my-sae-training", "pythia-160m-sae")
    );
    assert_eq!(run.config["trainer"]["value"]["lr"], 0.001);
    assert_eq!(run.exit_code, Some(0));
    assert_complete(&run.history, &folder.path().join("results"));
    let last = run.history.last().expect("a row");
    assert_eq!(run.summary["losses/mse_loss"], last["losses/mse_loss"]);
    let page = format!("{}/locals/my-sae-training/runs/{}", server.address, run.id);
    assert!(ran.err.contains(&page), "{}", ran.err);
}

/// Waits until `metrics.jsonl` has so many lines.
fn wait_for_rows(child: &mut Child, results: &Path, rows: usize) {
    for _ in 0..6000 {
        let text = std::fs::read_to_string(results.join("metrics.jsonl")).unwrap_or_default();
        if text.lines().count() >= rows || child.try_wait().expect("alive").is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_killed_training_goes_on_with_the_same_run() {
    let Some(tools) = Tools::find() else { return };
    let (folder, server) = (tempfile::tempdir().expect("a folder"), Server::start());
    let config = configured(folder.path());
    let results = folder.path().join("results");
    // Rows are logged between checkpoints, so that the run which goes on logs some of them again.
    let often = [
        "--set",
        "trainer.log_frequency=1",
        "--set",
        "trainer.n_checkpoints=4",
    ];
    let mut command = online(folder.path(), &tools.core(), &server);
    command.arg("train").arg(&config).args(often);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    wait_for_rows(&mut child, &results, 40);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let again = [&often[..], &["--resume"]].concat();
    train(online(folder.path(), &tools.core(), &server), &config, &again).ended_with(0);
    let runs = server.runs();
    assert_eq!(runs.len(), 1, "no second run");
    let (steps, rows) = (
        |row: &serde_json::Map<String, Value>| row["_step"].as_u64(),
        rows_of(&results),
    );
    let arrived: Vec<u64> = runs[0].history.iter().filter_map(steps).collect();
    assert_eq!(
        arrived,
        rows.keys().copied().collect::<Vec<_>>(),
        "each step once and in order"
    );
    for row in &runs[0].history {
        let step = row["_step"].as_u64().expect("a step");
        assert_eq!(
            row["losses/mse_loss"], rows[&step]["losses/mse_loss"],
            "step {step}"
        );
    }
    assert_eq!(runs[0].exit_code, Some(0));
}

/// The engine that the process `parent` started.
fn engine_of(parent: u32) -> Option<i32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let found = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once(") ")?;
        let ours = rest.split(' ').nth(1)? == parent.to_string();
        (ours && name.ends_with("(wandb-core")).then_some(pid)
    });
    found.last()
}

#[test]
fn an_engine_that_dies_is_a_warning() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = configured(folder.path());
    let mut command = saescript(folder.path(), &tools.core());
    command.env("WANDB_MODE", "offline").arg("train").arg(&config);
    command.args(["--set", "trainer.log_frequency=1"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    wait_for_rows(&mut child, &folder.path().join("results"), 3);
    let engine = engine_of(child.id()).expect("an engine");
    // SAFETY: ends the engine that this test's own child started.
    assert_eq!(unsafe { libc::kill(engine, libc::SIGKILL) }, 0);
    let output = child.wait_with_output().expect("ended");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(
        errors.contains("Weights & Biases failed, and the run goes on without it"),
        "{errors}"
    );
    assert_eq!(
        rows_of(&folder.path().join("results")).len(),
        100,
        "trained to the end"
    );
}

#[test]
fn without_an_engine_the_training_says_how_to_get_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = configured(folder.path());
    let mut command = saescript(folder.path(), Path::new(""));
    command
        .env_remove("WANDB_CORE")
        .env("PATH", "/nowhere")
        .env("WANDB_MODE", "offline");
    let ran = train(command, &config, &[]).ended_with(0);
    assert!(ran.err.contains("training goes on without W&B"), "{}", ran.err);
    assert!(ran.err.contains("pip install wandb"), "{}", ran.err);
}

/// Runs a script against `server`.
fn run_script(text: &str, folder: &Path, tools: &Tools, server: &Server) -> Ran {
    let (_kept, path) = script(text);
    finish(online(folder, &tools.core(), server).arg("run").arg(path), "")
}

fn only(server: &Server) -> Run {
    let runs = server.runs();
    assert_eq!(runs.len(), 1);
    runs[0].clone()
}

#[test]
fn scripts_log_summarise_and_resume() {
    let Some(tools) = Tools::find() else { return };
    let (folder, server) = (tempfile::tempdir().expect("a folder"), Server::start());
    let run = |text: &str| run_script(text, folder.path(), &tools, &server);
    run(r#"
        let run = wandb::init(#{ project: "p", id: "first", resume: "must" });
    "#)
    .ended_with(1);
    assert!(server.runs().is_empty(), "must resume what is not there");
    run(r#"
        let run = wandb::init(#{ project: "p", name: "n", id: "first", config: #{ seed: 1 } });
        run.log(#{ "a": 1.5 }, 1);
        run.log(#{ "b": 2.5 }, 1);
        run.log(#{ "a": 0.5 }, 2);
        run.summary["best"] = 0.25;
        run.config.update(#{ later: "x" });
        run.finish();
    "#)
    .ended_with(0);
    let first = only(&server);
    let numbers = |row: &serde_json::Map<String, Value>| (row["_step"].as_u64(), row["a"].as_f64());
    assert_eq!(
        first.history.iter().map(numbers).collect::<Vec<_>>(),
        [(Some(1), Some(1.5)), (Some(2), Some(0.5))]
    );
    assert_eq!(first.history[0]["b"], 2.5, "one row for one step");
    assert_eq!((&first.summary["best"], first.exit_code), (&0.25.into(), Some(0)));
    assert_eq!(
        (&first.config["seed"]["value"], &first.config["later"]["value"]),
        (&1.into(), &"x".into())
    );
    let refused = run(r#"wandb::init(#{ project: "p", id: "first", resume: "never" });"#).ended_with(1);
    assert!(refused.err.contains("refused the run"), "{}", refused.err);
    run(r#"
        let run = wandb::init(#{ project: "p", id: "first", resume: "allow" });
        run.log(#{ "a": 9.0 }, 2);
        run.log(#{ "a": 0.125 }, 3);
        run.finish(3);
    "#)
    .ended_with(0);
    let second = only(&server);
    assert_eq!(
        second.history.iter().map(numbers).collect::<Vec<_>>(),
        [(Some(1), Some(1.5)), (Some(2), Some(0.5)), (Some(3), Some(0.125))],
        "steps that the server has stay as they are"
    );
    assert_eq!(
        (&second.summary["best"], second.exit_code),
        (&0.25.into(), Some(3))
    );
    assert_eq!(second.config["seed"]["value"], 1, "the configuration stays");
}
