"""Makes random models, saves them as asked, and runs transformers on them."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, Gemma3ForConditionalGeneration, PreTrainedModel, PreTrainedTokenizerFast

from .cases import Case


def randomise(model: PreTrainedModel, seed: int, dtype: torch.dtype) -> None:
    """Weights large enough that every part of the model shows in its output, rounded to `dtype`."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if parameter.dim() >= 2:
                parameter.copy_(noise * (1.0 if "emb" in name or "wte" in name or "wpe" in name else parameter.shape[-1] ** -0.5))
            elif "norm" in name or "ln_" in name:
                parameter.copy_(0.1 * noise + (0.0 if "bias" in name or "Gemma" in type(model).__name__ else 1.0))
            else:
                parameter.copy_(0.3 * noise)
            parameter.copy_(parameter.to(dtype))


def make(case: Case) -> PreTrainedModel:
    """The random model of a case, its weights rounded to the format they are saved in."""
    torch.manual_seed(case.seed)
    config = case.config
    config._attn_implementation = "eager"
    if config.model_type == "gemma3":
        model = Gemma3ForConditionalGeneration(config)
        tied = config.text_config.tie_word_embeddings
    else:
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        tied = config.tie_word_embeddings
    randomise(model, case.seed, getattr(torch, case.dtype))
    if tied:
        model.tie_weights()
    return model.eval()


def save(case: Case, model: PreTrainedModel, folder: Path) -> None:
    """Writes a model folder as the case says."""
    written = model.base_model if case.base else model
    weights = {name: tensor.to(getattr(torch, case.dtype)) for name, tensor in written.state_dict().items()}
    written.save_pretrained(folder, state_dict=weights, max_shard_size="16KB" if case.sharded else "5GB")
    if case.rewrite:
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        case.rewrite(config)
        path.write_text(json.dumps(config), encoding="utf-8")
    tokenizer(320).save_pretrained(folder)


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Bytes, and two special tokens; ids beyond are never asked for."""
    words = ["<|endoftext|>", "<|pad|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    words += [f"<|{n}|>" for n in range(len(words), size)]
    inner = Tokenizer(models.BPE({word: n for n, word in enumerate(words)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<|pad|>")


def token_ids(case: Case, batch: int, length: int) -> torch.Tensor:
    """Random tokens."""
    text = getattr(case.config, "text_config", case.config)
    generator = torch.Generator().manual_seed(case.seed + length)
    return torch.randint(2, min(text.vocab_size, 310), (batch, length), generator=generator)


@torch.no_grad()
def reference(model: PreTrainedModel, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits, and the residual stream before each block by the name of its hook."""
    output = model(tokens, output_hidden_states=True, use_cache=False)
    states = output.hidden_states[:-1]
    return {"logits": output.logits} | {f"blocks.{layer}.hook_resid_pre": state for layer, state in enumerate(states)}


@torch.no_grad()
def greedy(model: PreTrainedModel, prompt: torch.Tensor, count: int) -> torch.Tensor:
    """The prompt and `count` tokens more by `generate`, which never ends before."""
    settings = {"do_sample": False, "max_new_tokens": count, "min_new_tokens": count, "eos_token_id": None, "pad_token_id": 1}
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), use_cache=False, **settings)
