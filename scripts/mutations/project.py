"""The small project whose files are damaged: everything that the program reads, made from the examples."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
HOOK = "blocks.1.hook_resid_post"

SAE = {"hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 128, "expansion_factor": 1, "act_fn": "topk", "top_k": 8, "device": "cpu"}
MODEL = {"model_name": "tiny", "model_from_pretrained_path": "model", "device": "cpu", "dtype": "torch.float32"}
FACTORY = {"target": "activations-1d", "hook_points": [HOOK], "batch_size": 64, "buffer_size": 128}
NAMES = {"sae_name": "tiny", "sae_series": "mutated", "device_type": "cpu"}
TRAINER = {"amp_dtype": "torch.float32", "lr": 0.003, "total_training_tokens": 512, "log_frequency": 2, "n_checkpoints": 2,
           "check_point_save_mode": "linear"}

#: Configuration files by name, without their extension.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "train": NAMES | {
        "sae": SAE, "trainer": TRAINER | {"exp_result_path": "results"}, "model": MODEL, "datasets": {"corpus": {"dataset_name_or_path": "corpus"}},
        "activation_factory": FACTORY | {"context_size": 16, "model_batch_size": 8, "sources": [{"type": "dataset", "name": "corpus"}]},
    },
    "cached": NAMES | {
        "sae": SAE, "trainer": TRAINER | {"exp_result_path": "results-cached"},
        "activation_factory": FACTORY | {"sources": [{"type": "activations", "name": "cached", "path": "activations"}]},
    },
    "generate": {
        "model_name": "tiny", "dataset_name": "corpus", "hook_points": [HOOK], "output_dir": "activations", "total_tokens": 256, "context_size": 16,
        "target": "activations-2d", "model_batch_size": 4, "batch_size": 4, "device_type": "cpu", "model": MODEL,
        "dataset": {"dataset_name_or_path": "corpus"},
    },
    "eval": {
        "sae": {"pretrained_name_or_path": "results"}, "model": MODEL, "dataset": {"dataset_name_or_path": "corpus"}, "context_size": 16,
        "batch_size": 4, "total_tokens": 128,
    },
}

MODULE = """/// Doubles `x`.
fn double(x) { x * 2 }

export const NAMES = ["a", "b"];
"""

SCRIPTS = {
    "script.rhai": """// Tensors, texts and maps.
import "parts/module" as parts;
let a = torch::arange(12).reshape([3, 4]).float();
let b = a.mean(0) + parts::double(3);
print(`${b.sum().item()} ${a[1].to_array()}`);
let settings = SAEConfig(#{ hook_point_in: "a", hook_point_out: "b", d_model: 128, expansion_factor: 4, act_fn: "topk", top_k: 8 });
let record = #{ name: "x", "quoted key": [1, 2.5e-3, 'c'], deep: #{ text: "line\\n\\u00e9" } };
print(record.deep.text.len() + settings.top_k);
switch record.name { "x" => print("x"), _ => throw `unknown ${record.name}` }
let made = [torch::zeros([2, 3]), torch::linspace(0.0, 1.0, 5), torch::full([2], 7.5), torch::eye(3)];
let filled = [1, 2];
filled.pad(5, 0);
print(filled.len() + blob(4).len() + made[1].cumsum(0).sum().item() + made[0].transpose(0, 1).shape[0]);
/* the end */ print(parts::NAMES[0] + "!".to_upper());
""",
    "tokens.rhai": """let model = TransformerLensLanguageModel(LanguageModelConfig(#{
    model_name: "tiny", model_from_pretrained_path: "model", device: "cpu", dtype: torch::float32,
}));
print(model.generate("The old", #{ max_new_tokens: 3 }));
print(model.to_tokens("one, two, three").shape);
""",
    "shards.rhai": """let model = TransformerLensLanguageModel(LanguageModelConfig(#{
    model_name: "tiny", model_from_pretrained_path: "sharded", device: "cpu", dtype: torch::float32,
}));
print(model.generate("The old", #{ max_new_tokens: 2 }));
""",
    "records.rhai": """let data = datasets::load_dataset(ARGS[0], #{ text_column: ARGS[1] });
print(data.len());
let seen = 0;
for record in data { seen += record.len(); }
print(seen);
""",
    "saved.rhai": """let data = datasets::load_dataset("saved", #{ is_dataset_on_disk: true });
print(data.len());
for record in data { print(record); }
""",
    "dictionary.rhai": """let sae = SparseAutoEncoder::from_pretrained(ARGS[0]);
print(sae.encode(torch::zeros([2, 128])).sum());
""",
    "tensors.rhai": """for name in torch::load("tensors.safetensors").keys() { print(name); }
print(torch::load("tensors.safetensors"));
""",
    "hub.rhai": """let data = datasets::load_dataset("org/tiny");
print(data.len());
for record in data { print(record); }
""",
}

TEXTS = ["The old mill stands by the river.", "Two birds sat on a branch, and saw nothing.", "let x = 1;", "A line with \"quotes\", é and 🙂."]


def toml(value: dict[str, Any], path: str = "") -> str:
    """`value` as TOML: plain keys first, then a table for each map."""
    plain = [f"{key} = {json.dumps(item)}" for key, item in value.items() if not isinstance(item, dict) and not holds_maps(item)]
    tables = [f"\n[{path}{key}]\n{toml(item, f'{path}{key}.')}" for key, item in value.items() if isinstance(item, dict)]
    lists = [f"\n[[{path}{key}]]\n{toml(item)}" for key, items in value.items() if holds_maps(items) for item in items]
    return "\n".join(plain + tables + lists) + "\n"


def holds_maps(value: Any) -> bool:
    """Is it a list of maps?"""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def yaml(value: Any, indent: str = "") -> str:
    """`value` as YAML in block style."""
    if isinstance(value, dict):
        return "".join(f"\n{indent}{key}: {yaml(item, indent + '  ')}" for key, item in value.items())
    if holds_maps(value):
        return "".join(f"\n{indent}- {yaml(item, indent + '  ').strip()}" for item in value)
    return json.dumps(value)


def zstandard(data: bytes) -> bytes:
    """`data` as a Zstandard frame of raw blocks, which needs no compressor (RFC 8878, section 3.1.1)."""
    frame = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    blocks = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]
    for number, block in enumerate(blocks):
        last = int(number + 1 == len(blocks))
        frame += (len(block) << 3 | last).to_bytes(3, "little") + block
    return frame


def write_data(place: Path) -> None:
    """Data sets of every format that can be written without libraries."""
    records = [{"text": text, "n": number, "tags": [1, "a"]} for number, text in enumerate(TEXTS)]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    cells = "".join(f'{number}\t"{text.replace(chr(34), chr(34) * 2)}"\n' for number, text in enumerate(TEXTS))
    files = {
        "lines.jsonl": lines, "list.json": json.dumps({"version": 1, "data": records}, indent=1).encode(), "plain.txt": "\n".join(TEXTS).encode(),
        "cells.tsv": ("n\ttext\n" + cells).encode(), "cells.csv": ("n,text\n" + cells.replace("\t", ",")).encode(),
        "packed.jsonl.gz": gzip.compress(lines, mtime=0), "packed.jsonl.zst": zstandard(lines),
    }
    (place / "data").mkdir()
    for name, data in files.items():
        (place / "data" / name).write_bytes(data)
    (place / "card/en").mkdir(parents=True)
    (place / "card/en/part-0.jsonl").write_bytes(lines)
    head = {"license": "mit", "configs": [{"config_name": "en", "default": True, "data_files": [{"split": "train", "path": "en/part-*"}]}]}
    (place / "card/README.md").write_text(f"---{yaml(head)}\n---\n# About\n")


def write_shards(model: Path, place: Path) -> None:
    """The model in two files with an index."""
    shutil.copytree(model, place)
    data = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").unlink()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    names, where = sorted(header), {}
    for number, part in enumerate([names[::2], names[1::2]], 1):
        file, numbers, table = f"model-0000{number}-of-00002.safetensors", b"", {}
        for name in part:
            start, end = header[name]["data_offsets"]
            table[name] = header[name] | {"data_offsets": [len(numbers), len(numbers) + end - start]}
            numbers += data[8 + length + start : 8 + length + end]
            where[name] = file
        text = json.dumps(table).encode()
        (place / file).write_bytes(len(text).to_bytes(8, "little") + text + numbers)
    (place / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": len(data)}, "weight_map": where}))


def write_hub_cache(place: Path) -> None:
    """A data set as the hub's own library caches it."""
    data = (place / "data/lines.jsonl").read_bytes()
    commit, name = hashlib.sha1(b"commit").hexdigest(), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    repository = place / "home/hub/datasets--org--tiny"
    for folder in ["refs", "blobs", f"snapshots/{commit}", ".files"]:
        (repository / folder).mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / f"blobs/{name}").write_bytes(data)
    (repository / f"snapshots/{commit}/train.jsonl").symlink_to(f"../../blobs/{name}")
    (repository / f".files/{commit}.json").write_text(json.dumps(["train.jsonl"]))


def write_libraries(program: Path, place: Path) -> None:
    """A library, and a project with a test that uses it."""
    ask(program, place, "new", "probes", "--lib")
    (place / "app/tests").mkdir(parents=True)
    (place / "app/saescript.toml").write_text(toml({"package": {"name": "app", "version": "0.1.0"}, "dependencies": {"probes": {"path": "../probes"}}}))
    (place / "app/main.rhai").write_text('import "probes" as probes;\nprint(probes::share([1.0, 0.0]));\n')
    (place / "app/tests/share.rhai").write_text('import "probes" as probes;\nfn test_share() { probes::share([1.0]); }\n')
    ask(program, place / "app", "update", "--quiet")


def ask(program: Path, place: Path, *arguments: str) -> None:
    """Runs the program on what is whole."""
    command = [str(program), *arguments]
    ran = subprocess.run(command, cwd=place, env=environment(place), capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"`{' '.join(command)}` fails on what is whole:\n{ran.stderr}")


def environment(place: Path) -> dict[str, str]:
    """The variables that the program gets: one thread, a home of its own, and no hub."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "LIBTORCH", "TMPDIR")}
    home = place / "home"
    return kept | {"OMP_NUM_THREADS": "1", "HOME": str(home), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "XDG_STATE_HOME": str(home / "state")}


def build(program: Path, place: Path) -> None:
    """Makes the project in `place`: files of others are written, those of the program by the program."""
    place.mkdir(parents=True)
    shutil.copytree(ROOT / "examples/tiny-pythia", place / "model")
    (place / "model/generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 0, "max_new_tokens": 20}))
    (place / "corpus").mkdir()
    shutil.copyfile(ROOT / "examples/corpus/data/validation-00000-of-00001.parquet", place / "corpus/train-00000-of-00001.parquet")
    shutil.copytree(ROOT / "tests/fixtures/datasets/saved", place / "saved")
    for name, settings in CONFIGURATIONS.items():
        (place / f"{name}.toml").write_text(toml(settings))
        (place / f"{name}.json").write_text(json.dumps(settings, indent=2))
        (place / f"{name}.yaml").write_text(yaml(settings).lstrip() + "\n")
    (place / "parts").mkdir()
    (place / "parts/module.rhai").write_text(MODULE)
    for name, text in SCRIPTS.items():
        (place / name).write_text(text)
    (place / "home/state/saescript").mkdir(parents=True)
    (place / "home/state/saescript/history").write_text("#V2\nlet x = 1;\nprint(x)\n")
    write_data(place)
    write_shards(place / "model", place / "sharded")
    write_hub_cache(place)
    write_libraries(program, place)
    ask(program, place, "generate", "generate.toml", "--quiet")
    ask(program, place, "train", "train.toml", "--quiet")
    ask(program, place, "train", "cached.toml", "--quiet")
    ask(program, place, "convert", "results", "saelens", "--to", "saelens", "--quiet")
    shutil.copyfile(place / "results/sae_weights.safetensors", place / "tensors.safetensors")
