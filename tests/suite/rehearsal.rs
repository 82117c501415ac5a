//! `--dry-run` refuses what the run itself refuses before its first step, in the same words, and changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use saescript::config::Document;
use saescript::error::{Error, Result};
use saescript::event::RunContext;
use saescript::fingerprint::Allowances;
use saescript::lock::FolderLock;
use saescript::runner::{
    GenerateActivationsSettings, GenerateOptions, TrainOptions, TrainSAESettings, generate_activations,
    rehearse_generation, rehearse_training, train_sae,
};

use crate::program::{Ran, run_in};
use crate::runner::write_config;

/// Every file below `folder` with its length, and every folder.
fn listing(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(listing(&path).into_iter().chain([(path, 0)]));
        } else {
            found.insert(path, entry.metadata().map_or(0, |data| data.len()));
        }
    }
    found
}

/// What a folder of settings and data is changed to before a run.
type Preparation = fn(&Path);

/// A run that is refused.
struct Case {
    changes: &'static [&'static str],
    options: fn() -> TrainOptions,
    prepare: Preparation,
    /// Part of what is said.
    said: &'static str,
}

const fn case(changes: &'static [&'static str], said: &'static str) -> Case {
    Case {
        changes,
        options: TrainOptions::default,
        prepare: |_| (),
        said,
    }
}

fn read(path: &Path, changes: &[&str]) -> Result<Document> {
    let mut document = Document::read(path)?;
    for change in changes {
        document.set(change)?;
    }
    Ok(document)
}

fn settings(path: &Path, changes: &[&str]) -> (Document, TrainSAESettings) {
    let document = read(path, changes).expect("overrides");
    let settings = document.build().expect("settings that look right");
    (document, settings)
}

fn shown(document: &Document, error: Error) -> String {
    let error = document.locate(error);
    let place = error
        .place()
        .map(|place| place.text[place.span.clone()].to_string());
    format!("{error} at {place:?}")
}

fn resuming() -> TrainOptions {
    TrainOptions {
        resume: true,
        ..TrainOptions::default()
    }
}

/// A run that was interrupted after its first checkpoint.
fn begin(folder: &Path) {
    let (_, settings) = settings(
        &folder.join("train.toml"),
        &["trainer.total_training_tokens=640", "trainer.n_checkpoints=2"],
    );
    train_sae(&settings, &TrainOptions::default(), &RunContext::default()).expect("trained");
}

const CASES: &[Case] = &[
    case(
        &["datasets.corpus.dataset_name_or_path=/nowhere/corpus"],
        "/nowhere/corpus",
    ),
    case(&["datasets.corpus.text_column=body"], "body"),
    case(&["model.model_name=/nowhere/model"], "/nowhere/model"),
    case(&["model.device=cuda:7"], "cuda"),
    case(&["sae.device=cuda:7"], "cuda"),
    case(&["sae.d_model=49"], "49"),
    case(
        &[
            "sae.hook_point_in=blocks.9.hook_resid_post",
            "sae.hook_point_out=blocks.9.hook_resid_post",
            "activation_factory.hook_points=[\"blocks.9.hook_resid_post\"]",
        ],
        "blocks.9.hook_resid_post",
    ),
    case(&["activation_factory.context_size=1_000_000"], "1000000"),
    case(&["activation_factory.model_batch_size=0"], "at least 1"),
    case(&["trainer.total_training_tokens=1"], "total_training_tokens"),
    case(
        &["trainer.from_pretrained_path=/nowhere/checkpoint"],
        "/nowhere/checkpoint",
    ),
    case(&["sae.sae_pretrained_name_or_path=/nowhere/sae"], "/nowhere/sae"),
    case(&["initializer.initialize_tc_with_mlp=true"], "transcoder"),
    case(
        &[
            "activation_factory.sources=[{ type = \"activations\", name = \"corpus\", path = \"/nowhere/cache\" }]",
        ],
        "/nowhere/cache",
    ),
    Case {
        prepare: |folder| std::fs::write(folder.join("results"), "a file").expect("written"),
        ..case(&[], "results")
    },
    Case {
        prepare: |folder| std::fs::write(folder.join("corpus.jsonl"), "").expect("written"),
        ..case(&[], "empty")
    },
    Case {
        prepare: |folder| std::fs::write(folder.join("corpus.jsonl"), "{\"text\": 1}\n").expect("written"),
        ..case(&[], "text")
    },
    Case {
        prepare: begin,
        options: resuming,
        ..case(
            &["trainer.lr=0.5", "trainer.n_checkpoints=2"],
            "begun with other settings",
        )
    },
    Case {
        prepare: begin,
        options: || TrainOptions {
            allow_change: Allowances::new(["trainer.lrr".to_string()]),
            ..resuming()
        },
        ..case(
            &["trainer.lr=0.5", "trainer.n_checkpoints=2"],
            "did you mean `trainer.lr`?",
        )
    },
    Case {
        options: || TrainOptions {
            allow_change: Allowances::new(["trainr".to_string()]),
            ..TrainOptions::default()
        },
        ..case(&[], "trainr")
    },
];

#[test]
fn a_dry_run_refuses_what_training_refuses() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for case in CASES {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = write_config(folder.path());
        (case.prepare)(folder.path());
        let Ok(settings) = read(&path, case.changes).and_then(|document| {
            let settings: TrainSAESettings = document.build()?;
            Ok((document, settings))
        }) else {
            // Refused as it is read, by both.
            continue;
        };
        let (document, settings) = settings;
        compared += 1;
        let before = listing(folder.path());
        let rehearsed = rehearse_training(&settings, &(case.options)(), &RunContext::default());
        let after = listing(folder.path());
        let trained = train_sae(&settings, &(case.options)(), &RunContext::default());
        let of = |error| shown(&document, error);
        let rehearsed = rehearsed.map(drop).map_err(of);
        let trained = trained.map(drop).map_err(of);
        if trained.is_ok()
            || rehearsed != trained
            || !format!("{trained:?}").contains(case.said)
            || before != after
        {
            wrong.push(format!(
                "{:?}:\n rehearsed {rehearsed:?}\n trained {trained:?}\n unchanged: {}",
                case.changes,
                before == after
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        compared + 2 >= CASES.len(),
        "{compared} of {} came so far",
        CASES.len()
    );
}

#[test]
fn a_folder_in_use_is_refused_by_a_dry_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_config(folder.path());
    let (_, settings) = settings(&path, &[]);
    let results = Path::new(&settings.trainer.exp_result_path);
    let lock = FolderLock::take(results, "training", &RunContext::default()).expect("free");
    let options = TrainOptions::default();
    let refused = |result: Result<()>| result.expect_err("in use").to_string();
    let rehearsed = refused(rehearse_training(&settings, &options, &RunContext::default()).map(drop));
    let trained = refused(train_sae(&settings, &options, &RunContext::default()).map(drop));
    assert_eq!(rehearsed, trained);
    drop(lock);
}

#[test]
fn a_dry_run_of_the_program_changes_nothing_and_a_resumed_one_is_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_config(folder.path());
    begin(folder.path());
    let before = listing(folder.path());
    let same = [
        "train",
        "train.toml",
        "--dry-run",
        "--set",
        "trainer.n_checkpoints=2",
    ];
    let Ran { code, out, err } = run_in(folder.path(), same);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("100 steps"), "{out}");
    let resumed = same
        .into_iter()
        .chain(["--resume", "--set", "trainer.total_training_tokens=640"]);
    let Ran { code, out, err } = run_in(folder.path(), resumed.collect::<Vec<_>>());
    assert_eq!(
        (code, out.trim()),
        (Some(0), "all steps are done; nothing is left to do"),
        "{err}"
    );
    assert_eq!(listing(folder.path()), before);
}

const GENERATE: &str = r#"
model_name = "tiny"
dataset_name = "corpus"
hook_points = ["blocks.1.hook_resid_post"]
output_dir = "OUT"
batch_size = 4
context_size = 16
device_type = "cpu"
total_tokens = 256
[model]
model_name = "MODEL"
device = "cpu"
[dataset]
dataset_name_or_path = "DATA"
"#;

#[test]
fn a_dry_run_refuses_what_generating_refuses() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/lm/neox_parallel");
    for (changes, said) in [
        (&[][..], ""),
        (
            &["dataset.dataset_name_or_path=/nowhere/corpus"][..],
            "/nowhere/corpus",
        ),
        (&["dataset.text_column=body"], "body"),
        (&["model.model_name=/nowhere/model"], "/nowhere/model"),
        (&["hook_points=[\"blocks.9.hook_resid_post\"]"], "blocks.9"),
        (&["context_size=1_000_000"], "1000000"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_config(folder.path());
        let text = GENERATE
            .replace("OUT", &folder.path().join("cache").display().to_string())
            .replace("MODEL", &model.display().to_string())
            .replace("DATA", &folder.path().join("corpus.jsonl").display().to_string());
        let path = folder.path().join("generate.toml");
        std::fs::write(&path, text).expect("written");
        let document = read(&path, changes).expect("overrides");
        let settings: GenerateActivationsSettings = document.build().expect("settings that look right");
        let before = listing(folder.path());
        let options = GenerateOptions::default();
        let rehearsed = rehearse_generation(&settings, &options, &RunContext::default());
        assert_eq!(listing(folder.path()), before, "{changes:?}");
        let generated = generate_activations(&settings, &options, &RunContext::default());
        let rehearsed = rehearsed.map(drop).map_err(|error| shown(&document, error));
        let generated = generated.map(drop).map_err(|error| shown(&document, error));
        assert_eq!(rehearsed, generated, "{changes:?}");
        assert!(generated.is_ok() == said.is_empty(), "{changes:?}");
        assert!(format!("{generated:?}").contains(said), "{generated:?}");
    }
}

/// Interrupts `saescript ARGS…` in `folder` once it has logged; what it said after.
fn interrupted(folder: &Path, arguments: &[&str]) -> String {
    use std::io::{BufRead, BufReader, Read};
    let mut child = crate::program::program()
        .args(arguments)
        .args(["--progress", "json"])
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while said.read_line(&mut line).expect("UTF-8") > 0 && !line.contains("\"logged\"") {
        line.clear();
    }
    // SAFETY: signals the child that this test started and did not wait for.
    unsafe { libc::kill(i32::try_from(child.id()).expect("an id"), libc::SIGTERM) };
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest}");
    rest
}

#[test]
fn what_was_interrupted_says_the_command_that_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write_config(folder.path());
    std::fs::rename(path, folder.path().join("my run.toml")).expect("renamed");
    let corpus = folder.path().join("corpus.jsonl");
    let texts = std::fs::read_to_string(&corpus).expect("read");
    std::fs::write(corpus, texts.repeat(40)).expect("written");
    let results = format!(
        "trainer.exp_result_path={}",
        folder.path().join("it's here").display()
    );
    let steps = "trainer.total_training_tokens=100_000_000";
    let settings = [
        "my run.toml",
        "--set",
        &results,
        "--set",
        steps,
        "--set",
        "datasets.corpus.streaming=true",
    ];
    let given: Vec<&str> = ["train"].into_iter().chain(settings).collect();
    let said = interrupted(folder.path(), &given);
    let command = format!(
        "go on with: saescript train 'my run.toml' --set '{}' --set {steps} --set datasets.corpus.streaming=true \
         --progress json --resume",
        results.replace('\'', r"'\''")
    );
    assert!(said.contains(&command), "{command}\n{said}");
}
