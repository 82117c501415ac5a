//! The folder of a run and its checkpoints: what was altered, lost or removed is missed, and nothing is made up.

use std::path::{Path, PathBuf};

use saescript::config::Value;
use saescript::dictionary::{LoadOptions, SparseAutoEncoder};
use saescript::error::Result;
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::train::{FitOptions, FitOutcome};
use serde_json::json;

use super::sae_fit::{Synthetic, bytes, dictionary, fit, run};

/// A trained run in `folder`, and its checkpoint of step 10.
fn trained(folder: &Path) -> PathBuf {
    let mut sae = dictionary(json!({}));
    fit(&mut run(folder, json!({})), &mut sae, &mut Synthetic::new(100)).expect("trained");
    folder.join("checkpoints/step_10")
}

fn went_on(checkpoint: &Path, folder: &Path) -> Result<FitOutcome> {
    let mut sae = dictionary(json!({}));
    let mut resumed = run(folder, json!({"from_pretrained_path": checkpoint}));
    fit(&mut resumed, &mut sae, &mut Synthetic::new(100))
}

#[test]
fn an_altered_checkpoint_is_refused_and_the_file_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoint = trained(folder.path());
    let names = [
        "sae_weights.safetensors",
        "config.json",
        "trainer.json",
        "trainer_state.safetensors",
        "synthetic",
    ];
    for name in names {
        let path = checkpoint.join(name);
        let whole = bytes(&path);
        let mut flipped = whole.clone();
        // A digit or a bit of a number: what is left is still a file of its kind.
        let at = flipped.iter().rposition(u8::is_ascii_digit).expect("a digit");
        flipped[at] ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1]] {
            std::fs::write(&path, damaged).expect("written");
            let error = went_on(&checkpoint, folder.path()).expect_err(name).to_string();
            assert!(error.contains(name), "{name}: {error}");
        }
        std::fs::remove_file(&path).expect("removed");
        went_on(&checkpoint, folder.path()).expect_err("a file is missing");
        std::fs::write(&path, whole).expect("written");
    }
    let list = checkpoint.join("checksums.json");
    std::fs::write(&list, "").expect("written");
    let error = went_on(&checkpoint, folder.path())
        .expect_err("damaged")
        .to_string();
    assert!(
        error.contains("the list of checksums") && error.contains("is damaged"),
        "{error}"
    );
    std::fs::remove_file(&list).expect("removed");
    std::os::unix::fs::symlink("nowhere", &list).expect("linked");
    went_on(&checkpoint, folder.path()).expect_err("a link to nothing");
    // Checkpoints from before there were checksums go on.
    std::fs::remove_file(&list).expect("removed");
    went_on(&checkpoint, folder.path()).expect("goes on");
}

#[test]
fn older_checkpoints_keep_the_dictionary_and_the_newest_go_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sae = dictionary(json!({}));
    let settings = json!({"n_checkpoints": 4, "check_point_save_mode": "linear", "resumable_checkpoints": 2});
    fit(
        &mut run(folder.path(), settings),
        &mut sae,
        &mut Synthetic::new(100),
    )
    .expect("trained");
    let at = |step: u64| folder.path().join(format!("checkpoints/step_{step}"));
    for (step, whole) in [(10, false), (20, false), (30, true), (40, true)] {
        let loaded = SparseAutoEncoder::from_pretrained(at(step), &LoadOptions::default());
        loaded.expect("every checkpoint holds a dictionary");
        assert_eq!(
            at(step).join("trainer_state.safetensors").exists(),
            whole,
            "step {step}"
        );
        assert_eq!(at(step).join("synthetic").exists(), whole, "step {step}");
    }
    let error = went_on(&at(20), folder.path()).expect_err("too old").to_string();
    assert!(error.contains("holds the dictionary alone"), "{error}");
    went_on(&at(30), folder.path()).expect("goes on");
}

#[test]
fn metrics_that_were_lost_are_not_made_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoint = trained(folder.path());
    let metrics = folder.path().join("metrics.jsonl");
    std::fs::write(&metrics, "{}\n").expect("written");
    let error = went_on(&checkpoint, folder.path()).expect_err("lost").to_string();
    assert!(error.contains("has 3 bytes, but had"), "{error}");
    assert_eq!(bytes(&metrics), b"{}\n", "it is left as it was");
    std::fs::remove_file(&metrics).expect("removed");
    went_on(&checkpoint, folder.path()).expect_err("lost");
    // Another folder begins a file of its own.
    let other = tempfile::tempdir().expect("a temporary folder");
    went_on(&checkpoint, other.path()).expect("goes on");
    let text = String::from_utf8(bytes(other.path().join("metrics.jsonl"))).expect("text");
    let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["step"], 14, "{text}");
}

/// Does something to the folder at a step.
struct Meddling(u64, Box<dyn Fn() + Send>);

impl Observer for Meddling {
    fn on(&mut self, event: &Event) -> Result<Control> {
        if let Event::TaskAdvanced { done, .. } = event
            && *done == self.0
        {
            (self.1)();
        }
        Ok(Control::Continue)
    }
}

#[test]
fn a_folder_that_is_removed_or_replaced_while_training_is_missed() {
    let replace = |path: &Path| {
        std::fs::remove_file(path.join("metrics.jsonl")).expect("removed");
        std::fs::write(path.join("metrics.jsonl"), "other").expect("written");
    };
    let remove = |path: &Path| std::fs::remove_dir_all(path).expect("removed");
    type Meddling = fn(&Path);
    let meddlings: [(Meddling, bool); 2] = [(replace, true), (remove, false)];
    for (meddle, remains) in meddlings {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        let context = RunContext::default();
        let meant = path.clone();
        context
            .events
            .add(Box::new(Meddling(9, Box::new(move || meddle(&meant)))));
        let error = run(&path, json!({}))
            .fit(
                &mut dictionary(json!({})),
                &mut Synthetic::new(100),
                &context,
                FitOptions::default(),
            )
            .expect_err("missed")
            .to_string();
        assert!(
            error.contains("metrics.jsonl") && error.contains("removed or replaced"),
            "{error}"
        );
        assert_eq!(path.exists(), remains, "nothing is made again");
    }
}

#[test]
fn a_run_is_shown_with_settings_metrics_and_curves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoint = trained(folder.path());
    let show = |path: &Path, more: &[&str]| {
        crate::program::run(["show", &path.display().to_string()].iter().chain(more))
    };
    let text = show(folder.path(), &[]).ended_with(0).out;
    for expected in [
        "[trainer]",
        "status",
        "finished",
        "checkpoints",
        "losses/overall_loss",
        "up to step",
        "d_sae",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in: {text}");
    }
    assert!(text.contains('▁') && text.contains('█'), "curves: {text}");
    let json: Value =
        serde_json::from_str(&show(folder.path(), &["--json"]).ended_with(0).out).expect("JSON");
    assert_eq!(json["run"]["checkpoints"], json!([3, 5, 10, 20, 40]), "{json}");
    assert!(json["metrics"]["losses/overall_loss"].is_f64(), "{json}");
    assert_eq!(json["analyses"], Value::Null);
    let text = show(&checkpoint, &[]).ended_with(0).out;
    assert!(text.starts_with("dictionary\n"), "{text}");

    // A line that is still being written is none yet; a broken one is named.
    let metrics = folder.path().join("metrics.jsonl");
    let lines = std::fs::read_to_string(&metrics).expect("read");
    std::fs::write(&metrics, format!("{lines}{{\"step\": 3")).expect("written");
    show(folder.path(), &[]).ended_with(0);
    std::fs::write(&metrics, format!("what\n{lines}")).expect("written");
    let wrong = show(folder.path(), &[]).ended_with(2);
    assert!(
        wrong.err.contains("line 1 of") && wrong.err.contains("metrics.jsonl"),
        "{}",
        wrong.err
    );
    let empty = tempfile::tempdir().expect("a temporary folder");
    let wrong = show(empty.path(), &[]).ended_with(2);
    assert!(
        wrong.err.contains("no run, no dictionary and no store"),
        "{}",
        wrong.err
    );
}
