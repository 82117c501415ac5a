//! `scripts/gpu-check` on the CPU, and with programs that fail, that end too soon, and that get no time: what it calls success.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// What `pack` makes, as links, with a Python package that looks like torch.
struct Packed(TempDir);

/// How a run ended, what it showed, and what it wrote.
struct Checked {
    code: Option<i32>,
    table: String,
    found: Value,
}

impl Packed {
    fn new(program: Option<&str>) -> Self {
        let packed = Packed(tempfile::tempdir().expect("a temporary folder"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        symlink(root.join("examples"), packed.path("examples")).expect("a link");
        symlink(root.join("scripts/gpu-model.rhai"), packed.path("gpu-model.rhai")).expect("a link");
        let torch = packed.path("python/torch");
        fs::create_dir_all(&torch).expect("a folder");
        fs::write(torch.join("__init__.py"), "").expect("written");
        fs::write(torch.join("version.py"), "__version__ = '2.11.0'\n").expect("written");
        match program {
            None => symlink(env!("CARGO_BIN_EXE_saescript"), packed.path("saescript")).expect("a link"),
            Some(text) => {
                fs::write(packed.path("saescript"), format!("#!/bin/sh\n{text}\n")).expect("written");
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(packed.path("saescript"), mode).expect("may be run");
            }
        }
        packed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs parts of the check on the CPU; `None` where there is no Python.
    fn check(&self, arguments: &[&str]) -> Option<Checked> {
        let ran = Command::new("python3")
            .arg("-B")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/gpu-check"))
            .arg("run")
            .arg(self.0.path())
            .args(["--device", "cpu"])
            .args(arguments)
            .env("PYTHONPATH", self.path("python"))
            .env("OMP_NUM_THREADS", "1")
            .output();
        let Ok(Output {
            status,
            stdout,
            stderr,
        }) = ran
        else {
            eprintln!("skipped: there is no python3");
            return None;
        };
        let table = String::from_utf8_lossy(&stdout).into_owned() + &*String::from_utf8_lossy(&stderr);
        let written = fs::read_to_string(self.path("out/results.json")).expect("results");
        Some(Checked {
            code: status.code(),
            table,
            found: serde_json::from_str(&written).expect("JSON"),
        })
    }
}

impl Checked {
    /// The run ended with `code`, said `verdict` of everything, and `line` of the one thing that it found.
    #[track_caller]
    fn is(&self, code: i32, verdict: &str, line: &str) {
        assert_eq!(self.code, Some(code), "{}", self.table);
        assert_eq!(self.found["verdict"], verdict, "{}", self.found);
        let lines = self.found["found"].as_object().expect("a map");
        let found: Vec<&Value> = lines.values().map(|found| &found["verdict"]).collect();
        assert_eq!(found, [verdict], "{}", self.found);
        for name in lines.keys() {
            assert!(self.table.contains(name), "{}", self.table);
        }
        assert!(self.table.contains(line), "no `{line}` in: {}", self.table);
    }
}

#[test]
fn what_agrees_is_a_success() {
    let packed = Packed::new(None);
    let Some(checked) = packed.check(&["--only", "model"]) else {
        return;
    };
    checked.is(0, "ok", "apart  ok");
    let model = &checked.found["found"]["the examples' model, cpu"];
    assert_eq!(model["float32"], 0.0, "{model}");
}

/// Every kind of step that `gpu-step.rhai` knows, of which the check itself has those of a GPU only.
#[test]
fn every_kind_of_step_is_measured() {
    let kinds = [
        "topk",
        "many",
        "full",
        "batchtopk",
        "batchtopk-full",
        "sparseadam",
        "adamw",
        "matryoshka",
        "matryoshka-batchtopk",
        "relu",
        "jumprelu",
    ];
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let cases: Vec<String> = kinds.iter().map(|kind| format!("{kind}:8:128:4:2")).collect();
    let ran = Command::new(env!("CARGO_BIN_EXE_saescript"))
        .arg("run")
        .arg(scripts.join("gpu-step.rhai"))
        .args(["--", "cpu", "native"])
        .args(&cases)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}");
    assert_eq!(said.lines().count(), cases.len(), "{said}");
    for (line, case) in said.lines().zip(&cases) {
        let found: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(found["case"].as_str(), Some(case.as_str()), "{line}");
        assert!(found["loss"].is_f64() && found["ms"].is_f64(), "{line}");
    }
}

#[test]
fn a_program_that_fails_is_a_failure() {
    let packed = Packed::new(Some("echo 'error: out of order' >&2; exit 1"));
    let Some(checked) = packed.check(&["--only", "model"]) else {
        return;
    };
    checked.is(1, "failed", "exit code 1: error: out of order  FAILED");
}

#[test]
fn what_gets_no_time_is_not_done_and_no_success() {
    let packed = Packed::new(Some("exec sleep 60"));
    for seconds in ["0", "2"] {
        let Some(checked) = packed.check(&["--only", "model", "--seconds", seconds]) else {
            return;
        };
        checked.is(3, "not done", "NOT DONE");
    }
}

#[test]
fn a_training_that_ends_before_it_is_killed_proves_nothing() {
    let packed = Packed::new(Some("exit 0"));
    let Some(checked) = packed.check(&["--only", "resume"]) else {
        return;
    };
    checked.is(3, "not done", "it ended before it was killed  NOT DONE");
}

/// A program whose training stops half-way, and which writes other numbers when it goes on.
const FORGETFUL: &str = r#"
for argument in "$@"; do
    case $argument in
        --set=trainer.exp_result_path=*) folder=${argument#*path=} ;;
        --resume) is_resumed=1 ;;
        json) is_watched=1 ;;
    esac
done
mkdir -p "$folder"
echo '{"losses/overall_loss": 1.'${is_resumed-0}'}' > "$folder/metrics.jsonl"
echo weights > "$folder/sae_weights.safetensors"
[ "$is_watched" ] || exit 0
echo '{"event": "task_started", "title": "training"}' >&2
echo '{"event": "saved", "what": "checkpoint"}' >&2
echo '{"event": "task_advanced", "done": 12}' >&2
exec sleep 60
"#;

#[test]
fn a_training_that_goes_on_has_to_end_with_the_same_bytes() {
    let packed = Packed::new(Some(FORGETFUL));
    let Some(checked) = packed.check(&["--only", "resume"]) else {
        return;
    };
    checked.is(1, "failed", "other metrics.jsonl, losses 1.0e-01 apart  FAILED");
    let same = Packed::new(Some(&FORGETFUL.replace("${is_resumed-0}", "0")));
    let Some(checked) = same.check(&["--only", "resume"]) else {
        return;
    };
    checked.is(0, "ok", "the same bytes  ok");
}
