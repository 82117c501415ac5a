"""Asks saescript: one script for all models, whose results come back as safetensors and JSON lines."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
import torch

@dataclass
class Answer:
    """What saescript gave: tensors by name, or the error it refused with."""

    tensors: dict[str, torch.Tensor]
    error: str | None


class Program:
    """The saescript to compare."""

    def __init__(self, path: Path, place: Path):
        self.path = path.resolve()
        self.place = place

    def run(self, script: str, *args: str) -> subprocess.CompletedProcess:
        """Runs the text of a script."""
        file = self.place / "asked.rhai"
        file.write_text(script, encoding="utf-8")
        return subprocess.run([self.path, "run", file, *args], capture_output=True, text=True, check=False)

    def model(self, folder: Path, tokens: torch.Tensor, prompts: list[torch.Tensor], new_tokens: int, edits: bool) -> Answer:
        """Logits, every hook of both backends, logits with hooks of one block halved, and greedy continuations."""
        asked, answered = self.place / "asked.safetensors", self.place / "answered.safetensors"
        answered.unlink(missing_ok=True)
        inputs = {"tokens": tokens} | {f"prompt{n}": prompt.contiguous() for n, prompt in enumerate(prompts)}
        save_file(inputs, asked)
        result = self.run(MODEL_SCRIPT, str(folder), str(asked), str(answered), str(len(prompts)), str(new_tokens), str(int(edits)))
        if result.returncode != 0:
            return Answer({}, result.stderr.strip())
        return Answer(load_file(answered), None)

    def texts(self, folder: Path, texts: list[str], prepend_bos: bool) -> list[dict]:
        """Tokens, token strings, text and trace of each text."""
        asked = self.place / "texts.jsonl"
        asked.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        result = self.run(TEXT_SCRIPT, str(folder), str(asked), "true" if prepend_bos else "false")
        if result.returncode != 0:
            raise RuntimeError(result.stderr.strip())
        return [json.loads(line) for line in result.stdout.split("\n") if line]


MODEL_SCRIPT = """
let input = torch::load(ARGS[1]);
let out = #{};
for backend in ["huggingface", "transformer_lens"] {
    let model = LanguageModel(LanguageModelConfig(#{
        model_name: "compared", model_from_pretrained_path: ARGS[0], backend: backend, max_length: 100000,
    }));
    out[backend + "/logits"] = model.forward(input.tokens);
    let names = model.hook_points().map(|point| point.name);
    let cache = model.run_with_cache(input.tokens, names);
    for name in names { out[backend + "/" + name] = cache[name]; }
    out[backend + "/W_U"] = model.W_U();
    let last = model.cfg.n_layers - 1;
    for name in names {
        if ARGS[5] == "1" && (!name.starts_with("blocks.") || name.starts_with(`blocks.${last}.`)) {
            let hooks = #{};
            hooks[name] = |x| x * 0.5;
            out[backend + "/edited/" + name] = model.run_with_hooks(input.tokens, hooks);
        }
    }
    if backend == "huggingface" {
        for n in 0..parse_int(ARGS[3]) {
            for cached in [true, false] {
                out[`greedy/${n}/${cached}`] = model.generate(input["prompt" + n], #{
                    max_new_tokens: parse_int(ARGS[4]), temperature: 0.0, stop_at_eos: false, use_cache: cached,
                });
            }
        }
    }
}
torch::save(out, ARGS[2]);
"""

TEXT_SCRIPT = """
let model = LanguageModel(LanguageModelConfig(#{
    model_name: "compared", model_from_pretrained_path: ARGS[0], backend: "tokenizer_only",
    prepend_bos: ARGS[2] == "true", max_length: 100000,
}));
let texts = datasets::load_dataset(ARGS[1]);
for record in texts {
    let ids = model.to_tokens(record.text);
    print(#{
        ids: ids.flatten().to_array(), strings: model.to_str_tokens(ids), text: model.to_string(ids),
        trace: model.trace(record.text),
    }.to_json());
}
"""
