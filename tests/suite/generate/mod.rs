//! Activations generated, checked and trained on, in all the forms that the walkthrough shows.

mod training;

use std::collections::BTreeMap;
use std::path::Path;

use crate::program::{Ran, run_in};

/// The walkthrough's `generate_config.toml`, with a tiny model and a corpus made here.
const GENERATE: &str = r#"model_name = "tiny"
dataset_name = "corpus"
hook_points = ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out"]
output_dir = "activations"
total_tokens = 3_000
context_size = 32
target = "activations-1d"
model_batch_size = 8
batch_size = 128
buffer_size = 512
device_type = "cpu"

[model]
model_from_pretrained_path = "model"
device = "cpu"
dtype = "torch.float32"

[dataset]
dataset_name_or_path = "corpus.jsonl"

[buffer_shuffle]
perm_seed = 42
generator_device = "cpu"
"#;

/// A folder with `model`, `corpus.jsonl` and `generate.toml`.
pub fn workspace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/lm/neox_parallel");
    std::os::unix::fs::symlink(model, folder.path().join("model")).expect("linked");
    let words = [
        "the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "birds",
    ];
    let texts: String = (0..300usize)
        .map(|line| {
            let text: Vec<&str> = (0..12 + line % 9)
                .map(|at| words[(line * 7 + at * at * 3 + line * at) % words.len()])
                .collect();
            format!("{}\n", serde_json::json!({"text": text.join(" ")}))
        })
        .collect();
    write(folder.path(), "corpus.jsonl", &texts);
    write(folder.path(), "generate.toml", GENERATE);
    folder
}

pub fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

/// All files below `folder` with their bytes, but for what depends on when they were written.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            let below = contents(&path).into_iter();
            found.extend(below.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
    found
}

fn script(folder: &Path, text: &str) -> Ran {
    write(folder, "script.rhai", text);
    let fixtures = concat!("--allow-read=", env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    run_in(folder, ["run", fixtures, "script.rhai"])
}

/// The same generation from settings in a script.
const BY_SETTINGS: &str = r#"
        let settings = GenerateActivationsSettings(#{
            model: LanguageModelConfig(#{ model_from_pretrained_path: "model", device: "cpu", dtype: "torch.float32" }),
            model_name: "tiny",
            dataset: DatasetConfig(#{ dataset_name_or_path: "corpus.jsonl" }),
            dataset_name: "corpus",
            hook_points: ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out"],
            output_dir: "by_settings",
            total_tokens: 3000,
            context_size: 32,
            target: ActivationFactoryTarget::ACTIVATIONS_1D,
            model_batch_size: 8,
            batch_size: 128,
            buffer_size: 512,
            buffer_shuffle: BufferShuffleConfig(#{ perm_seed: 42, generator_device: "cpu" }),
            device_type: "cpu",
        });
        let written = generate_activations(settings);
        if written.tokens < 3000 { throw `only ${written.tokens} tokens`; }
        "#;

/// The same generation step by step.
const BY_SCRIPT: &str = r#"
        let model = TransformerLensLanguageModel(LanguageModelConfig(#{
            model_from_pretrained_path: "model", device: "cpu", dtype: "torch.float32",
        }));
        let dataset = datasets::load_dataset("corpus.jsonl", #{ split: "train" });
        let factory_cfg = ActivationFactoryConfig(#{
            sources: [ActivationFactoryDatasetSource(#{ name: "corpus" })],
            target: ActivationFactoryTarget::ACTIVATIONS_1D,
            hook_points: ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out"],
            context_size: 32,
            model_batch_size: 8,
            batch_size: 128,
            buffer_size: 512,
            buffer_shuffle: BufferShuffleConfig(#{ perm_seed: 42, generator_device: "cpu" }),
        });
        let factory = ActivationFactory(factory_cfg);
        let activations = factory.process(#{
            model: model, model_name: "tiny", datasets: #{ "corpus": [dataset, ()] },
        });
        let writer_cfg = ActivationWriterConfig(#{
            hook_points: ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out"],
            total_generating_tokens: 3000,
            cache_dir: "by_script",
        });
        let writer = ActivationWriter(writer_cfg);
        writer.process(activations);
        "#;

#[test]
fn a_configuration_settings_and_a_full_script_write_the_same_cache() {
    let folder = workspace();
    let folder = folder.path();
    let ran = run_in(folder, ["generate", "generate.toml", "--json"]).ended_with(0);
    let written: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(written["tokens"].as_u64().expect("a number") >= 3000, "{written}");
    assert_eq!(written["kept"], 0);

    script(folder, BY_SETTINGS).ended_with(0);

    script(folder, BY_SCRIPT).ended_with(0);

    let chunks = |name: &str| -> BTreeMap<String, Vec<u8>> {
        let mut all = contents(&folder.join(name));
        all.retain(|name, _| name.ends_with(".safetensors"));
        all
    };
    let ours = chunks("activations");
    assert!(ours.len() >= 40, "{} chunks", ours.len());
    assert!(ours == chunks("by_settings"), "settings in a script differ");
    assert!(ours == chunks("by_script"), "the full script differs");
}

#[test]
fn a_generation_says_what_it_takes_is_not_done_twice_and_mixes_with_nothing() {
    let folder = workspace();
    let folder = folder.path();
    let ran = run_in(folder, ["generate", "generate.toml", "--dry-run"]).ended_with(0);
    // Two hook points of 48 numbers of 4 bytes.
    assert!(
        ran.out.contains("3000 tokens of 384 B each: 1.2 MB"),
        "{}",
        ran.out
    );
    assert!(!folder.join("activations").exists());

    run_in(folder, ["generate", "generate.toml"]).ended_with(0);
    let before = contents(&folder.join("activations"));
    let ran = run_in(folder, ["generate", "generate.toml", "--resume"]).ended_with(0);
    assert!(ran.err.contains("nothing is left to do"), "{}", ran.err);
    assert!(before == contents(&folder.join("activations")));

    let ran = run_in(folder, ["generate", "generate.toml", "--set", "context_size=16"]).ended_with(2);
    assert!(ran.err.contains("activations"), "{}", ran.err);
    assert!(before == contents(&folder.join("activations")));
}

#[test]
fn shards_cover_the_data_set_once() {
    let folder = workspace();
    let folder = folder.path();
    let all = [
        "--set",
        "n_shards=3",
        "--set",
        "total_tokens=null",
        "--set",
        "hook_points=[\"blocks.1.hook_resid_post\"]",
    ];
    for shard in ["0", "1", "2"] {
        let start = format!("start_shard={shard}");
        let mut arguments = vec!["generate", "generate.toml", "--set", &start];
        arguments.extend(all);
        run_in(folder, arguments).ended_with(0);
    }
    let ran = run_in(folder, ["check", "activations"]).ended_with(0);
    let whole = run_in(
        folder,
        [
            "generate",
            "generate.toml",
            "--json",
            "--set",
            "total_tokens=null",
            "--set",
            "output_dir=whole",
        ],
    )
    .ended_with(0);
    let whole: serde_json::Value = serde_json::from_str(&whole.out).expect("JSON");
    assert!(
        ran.out.contains(&format!("{} rows", whole["tokens"])),
        "{} {whole}",
        ran.out
    );
    let mut arguments = vec!["generate", "generate.toml", "--set", "start_shard=3"];
    arguments.extend(all);
    let ran = run_in(folder, arguments).ended_with(2);
    assert!(
        ran.err.contains("there is no shard 3: of 3 the last is 2"),
        "{}",
        ran.err
    );
}

#[test]
fn a_damaged_cache_is_named_chunk_by_chunk() {
    let folder = workspace();
    let folder = folder.path();
    run_in(folder, ["generate", "generate.toml"]).ended_with(0);
    let ran = run_in(folder, ["check", "activations"]).ended_with(0);
    assert!(
        ran.out.contains("ok") && ran.out.contains("all checksums agree"),
        "{}",
        ran.out
    );

    let hook = folder.join("activations/blocks.1.hook_resid_post");
    let mut bytes = std::fs::read(hook.join("chunk-00000003.safetensors")).expect("a chunk");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(hook.join("chunk-00000003.safetensors"), bytes).expect("written");
    let bytes = std::fs::read(hook.join("chunk-00000007.safetensors")).expect("a chunk");
    std::fs::write(hook.join("chunk-00000007.safetensors"), &bytes[..bytes.len() / 2]).expect("written");
    std::fs::remove_file(hook.join("chunk-00000009.safetensors")).expect("removed");

    let ran = run_in(folder, ["check", "activations"]).ended_with(1);
    for chunk in ["chunk-00000003", "chunk-00000007", "chunk-00000009"] {
        assert!(ran.err.contains(chunk), "{chunk}: {}", ran.err);
    }
    let ran = run_in(folder, ["check", "--json", "activations"]).ended_with(1);
    let problems: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(problems.as_array().expect("an array").len() >= 3, "{problems}");
    let ran = run_in(folder, ["check", "corpus.jsonl", "model"]).ended_with(2);
    assert!(ran.err.contains("is no cache of activations"), "{}", ran.err);
}
