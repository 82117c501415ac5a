"""What is damaged, and which command of the program then reads it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """Files that are read in the same way."""

    name: str
    #: Globs of the files in the project, of which one is damaged. Empty: an argument or an answer is.
    files: tuple[str, ...]
    #: The command line; `{file}`, `{argument}` and `{server}` stand for what is damaged or who answers.
    command: str
    #: A checksum covers them: the program may not accept them when their contents have changed.
    checked: bool = False
    #: What is damaged instead of a file: one argument.
    argument: str = ""
    #: What is damaged instead of a file: the answers of a `hub`, a `web` server or an object `store`.
    server: str = ""
    #: Standard input.
    typed: str = ""
    #: The file is named on the command line, where a FIFO is a fair thing to wait for.
    named: bool = False

    def paths(self, place: Path) -> list[Path]:
        """Its files in the project at `place`."""
        paths = sorted({path for pattern in self.files for path in place.glob(pattern)})
        if not paths:
            raise SystemExit(f"the project has no file for the kind `{self.name}`: {' '.join(self.files)}")
        return paths


def kind(name: str, files: str, command: str, **more) -> Kind:
    """A kind whose globs stand in one text."""
    return Kind(name, tuple(files.split()), command, **more)


STEP = "results/checkpoints/step_8"
RESUME = "train train.toml --resume --set trainer.total_training_tokens=1024"
CHUNKS = "activations/*/chunk-*.safetensors activations/*/chunk-*.meta.json"

KINDS = [
    kind("script, checked", "script.rhai", "check {file}", named=True),
    kind("script, run", "script.rhai", "run {file}", named=True),
    kind("module", "parts/module.rhai", "run script.rhai"),
    kind("project's manifest and lock", "app/saescript.toml app/saescript.lock", "run app/main.rhai"),
    kind("project's manifest and lock, tested", "app/saescript.toml app/saescript.lock", "test app --coverage"),
    kind("library", "probes/saescript.toml probes/lib.rhai", "run app/main.rhai", checked=True),
    kind("TOML of a training", "train.toml", "train {file}", named=True),
    kind("JSON of a training", "train.json", "train {file}", named=True),
    kind("YAML of a training", "train.yaml", "train {file}", named=True),
    kind("YAML of a generation", "generate.yaml generate.json", "generate {file} --dry-run", named=True),
    kind("TOML of an evaluation", "eval.toml", "eval {file}", named=True),
    kind("parquet", "corpus/*.parquet", "run records.rhai corpus text"),
    kind("JSON lines", "data/lines.jsonl", "run records.rhai {file} text"),
    kind("JSON records", "data/list.json", "run records.rhai {file} text"),
    kind("CSV and TSV", "data/cells.*", "run records.rhai {file} text"),
    kind("plain text", "data/plain.txt", "run records.rhai {file} text"),
    kind("compressed data", "data/packed.*", "run records.rhai {file} text"),
    kind("data, trained on", "data/packed.* data/list.json corpus/*.parquet",
         "train train.toml --set trainer.exp_result_path=other --set datasets.corpus.dataset_name_or_path={file}"),
    kind("data set's card", "card/README.md", "run records.rhai card text"),
    kind("Arrow folder", "saved/train/* saved/dataset_dict.json", "run saved.rhai"),
    kind("tokenizer.json", "model/tokenizer.json", "run tokens.rhai"),
    kind("tokenizer's settings", "model/tokenizer_config.json model/special_tokens_map.json model/generation_config.json", "run tokens.rhai"),
    kind("model's config.json", "model/config.json", "run tokens.rhai"),
    kind("model's weights", "model/model.safetensors", "run tokens.rhai"),
    kind("index of shards", "sharded/model.safetensors.index.json", "run shards.rhai"),
    kind("shard", "sharded/*.safetensors", "run shards.rhai"),
    kind("tensors", "tensors.safetensors", "run tensors.rhai"),
    kind("dictionary's config.json", "results/config.json results/lm_config.json", "run dictionary.rhai results"),
    kind("dictionary's weights", "results/sae_weights.safetensors", "run dictionary.rhai results"),
    kind("dictionary, evaluated", "results/config.json results/sae_weights.safetensors", "eval eval.toml"),
    kind("SAELens dictionary", "saelens/*", "run dictionary.rhai saelens"),
    kind("SAELens dictionary, converted", "saelens/*", "convert saelens out --to saescript"),
    kind("cache's index", "activations/*/index.jsonl", "check activations"),
    kind("cache's chunks", CHUNKS, "check activations", checked=True),
    kind("cache, trained on", f"{CHUNKS} activations/*/index.jsonl", "train cached.toml --set trainer.exp_result_path=other"),
    kind("cache, measured", f"{CHUNKS} activations/*/index.jsonl", "convert results out --to jumprelu --cache activations --batches 4 --batch-size 4"),
    kind("cache, generated again", f"{CHUNKS} activations/*/index.jsonl", "generate generate.toml"),
    kind("checkpoint's JSON", f"{STEP}/*.json", RESUME, checked=True),
    kind("checkpoint's tensors", f"{STEP}/*.safetensors", RESUME, checked=True),
    kind("checkpoint on a cache", "results-cached/checkpoints/step_5/*", "train cached.toml --resume --set trainer.total_training_tokens=1024", checked=True),
    kind("metrics.jsonl", "results/metrics.jsonl", RESUME),
    kind("run.json and settings", "results/run.json results/settings.toml results/config.json", RESUME),
    kind("history", "home/state/saescript/history", "repl", typed="let x = 2;\nprint(x)\n"),
    kind("hub's cache", "home/hub/*/refs/* home/hub/*/blobs/* home/hub/*/.files/* home/hub/*/snapshots/*/*", "run hub.rhai"),
    kind("name for doc", "", "doc {argument}", argument="SAEConfig"),
    kind("override", "", "train train.toml --dry-run --set {argument}", argument="trainer.betas=[0.9, 0.99]"),
    kind("script's argument", "", "run records.rhai data/lines.jsonl {argument}", argument="text"),
    kind("glob", "", "run records.rhai {argument} text", argument="data/*.jsonl"),
    kind("hub's answers", "", "run hub.rhai", server="hub"),
    kind("web server's answers", "", "check {server}/activations/blocks.1.hook_resid_post", server="web"),
    kind("object store's answers", "", "check s3://bucket/activations", server="store"),
]

#: Which contents a file has, by the end of its name.
FORM_OF = {".json": "json", ".jsonl": "lines", ".safetensors": "tensors", ".gz": "gzip", ".parquet": "footed", ".arrow": "footed", ".toml": "text", ".lock": "text", ".yaml": "text", ".rhai": "text",
           ".csv": "text", ".tsv": "text", ".txt": "text", ".md": "text"}
