"""Writes the smallest of the telling cases as fixtures of the test suite: model folders with reference numbers."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from transformers import Gemma3Config, LlamaConfig, Phi3Config, PhiConfig, Qwen2Config

from . import models
from .cases import Case, longrope, setting
from .lens import Lens

SIZES = {"vocab_size": 304, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
         "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
VISION = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 4, "patch_size": 2}
GROUPED = SIZES | {"num_key_value_heads": 2}
LINEAR = {"rope_type": "linear", "factor": 8.0}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0}
LONG = longrope(2)
LONG_PHI3 = {"type": "longrope", "short_factor": LONG["short_factor"], "long_factor": LONG["long_factor"]}


def eyes() -> Gemma3Config:
    """Local and global layers with rotations of their own, in a checkpoint that sees."""
    text = GROUPED | {"head_dim": 8, "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"], "rope_scaling": LINEAR}
    return Gemma3Config(text_config=text, vision_config=VISION, mm_tokens_per_image=1, image_token_index=303, boi_token_index=302, eoi_token_index=301)


CASES = [
    Case("gemma3_with_eyes", eyes(), dtype="bfloat16", sharded=True, lens=False),
    Case("llama_dynamic_base", LlamaConfig(**GROUPED | {"max_position_embeddings": 16, "rope_scaling": DYNAMIC, "tie_word_embeddings": True}), dtype="float16", base=True, lens=False),
    Case("phi_qk_norms", PhiConfig(**SIZES | {"qk_layernorm": True}), dtype="float16", lens=False),
    Case("phi3_longrope_window", Phi3Config(**GROUPED | {"head_dim": 4, "sliding_window": 9, "rope_scaling": LONG_PHI3, "original_max_position_embeddings": 16}), dtype="bfloat16", lens=False),
    Case("qwen2_biases", Qwen2Config(**GROUPED | {"tie_word_embeddings": True}), dtype="bfloat16", rewrite=setting(rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, transformers_version="5.0.0")),
]
LENGTH = 18
#: Hooks of the last block are enough to tell whether a model is right.
KEPT = ("blocks.1.attn.hook_", "blocks.1.hook_", "logits")


def write(place: Path) -> None:
    """Writes every case below `place`."""
    for case in CASES:
        folder = place / case.name
        if folder.exists():
            shutil.rmtree(folder)
        model = models.make(case)
        tokens = models.token_ids(case, 1, LENGTH)
        reference = models.reference(model, tokens)
        models.save(case, model, folder)
        for name in ("generation_config.json", "special_tokens_map.json"):
            (folder / name).unlink(missing_ok=True)
        for path in folder.glob("*.safetensors"):
            path.chmod(0o644)
        states = {name.replace("blocks.", "hidden_states.").removesuffix(".hook_resid_pre"): tensor for name, tensor in reference.items()}
        greedy = models.greedy(model, tokens[:, :12], 12)
        save({"tokens": tokens, "greedy": greedy} | states, folder / "hf_outputs.safetensors")
        if case.lens:
            found = Lens(model, True).activations(tokens)
            kept = {name: tensor for name, tensor in found.items() if name.startswith(KEPT)}
            save(kept, folder / "tl_processed.safetensors")
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, path)
    path.chmod(0o644)
