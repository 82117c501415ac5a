"""Trains the tiny GPT-NeoX (Pythia's architecture) on the records and measures it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from .corpus import Record
from .tokenizer import END_OF_TEXT_ID

IGNORED = -100  # the label of padding


@dataclass(frozen=True)
class Settings:
    """Size of the model and length of its training."""

    layers: int = 4
    d_model: int = 128
    heads: int = 4
    context: int = 128
    vocab_size: int = 2048
    steps: int = 2400
    rows: int = 8
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.015
    warm_up: int = 50
    weight_decay: float = 0.01
    seed: int = 0


def rows_of(records: list[Record], tokenizer: Tokenizer, context: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and labels, both int64 `(records, context)`: bos, the text, eos, then padding that no label asks for."""
    tokens = torch.full((len(records), context), END_OF_TEXT_ID)
    labels = torch.full((len(records), context), IGNORED)
    for row, record in enumerate(records):
        ids = torch.tensor([END_OF_TEXT_ID, *tokenizer.encode(record.text).ids, END_OF_TEXT_ID])
        tokens[row, : len(ids)] = ids
        labels[row, : len(ids) - 1] = ids[1:]
    return tokens, labels


def build_model(settings: Settings) -> GPTNeoXForCausalLM:
    """A new model with weights drawn from the seed."""
    torch.manual_seed(settings.seed)
    return GPTNeoXForCausalLM(GPTNeoXConfig(
        vocab_size=settings.vocab_size, hidden_size=settings.d_model, num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads, intermediate_size=4 * settings.d_model, hidden_act="gelu",
        rotary_pct=0.25, rotary_emb_base=10_000, max_position_embeddings=settings.context,
        use_parallel_residual=True, tie_word_embeddings=False, bos_token_id=END_OF_TEXT_ID, eos_token_id=END_OF_TEXT_ID,
    ))


def loss_of(model: GPTNeoXForCausalLM, tokens: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy in nats per token."""
    logits = model(tokens).logits
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction=reduction)


@torch.no_grad()
def evaluate(model: GPTNeoXForCausalLM, tokens: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean loss over all labelled tokens, in nats."""
    parts = zip(tokens.split(64), labels.split(64))
    total = sum(loss_of(model, *part, reduction="sum").item() for part in parts)
    return total / (labels != IGNORED).sum().item()


def optimisers(model: GPTNeoXForCausalLM, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, Adam for embeddings, biases and norms."""
    matrices = [p for p in model.gpt_neox.layers.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in ids]
    return [
        torch.optim.Muon(matrices, lr=settings.matrix_learning_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay),
    ]


def train(settings: Settings, rows: tuple[torch.Tensor, torch.Tensor], log: Callable[[str], None]) -> GPTNeoXForCausalLM:
    """Trains in shuffled epochs with a warm-up and a cosine to zero."""
    model, (tokens, labels) = build_model(settings), rows
    generator = torch.Generator().manual_seed(settings.seed)
    active = optimisers(model, settings)
    base = [optimiser.param_groups[0]["lr"] for optimiser in active]
    order, started = torch.empty(0, dtype=torch.int64), time.monotonic()
    for step in range(settings.steps):
        if len(order) < settings.rows:
            order = torch.randperm(len(tokens), generator=generator)
        chosen, order = order[: settings.rows], order[settings.rows :]
        warm = min(1.0, (step + 1) / settings.warm_up)
        factor = warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for optimiser, rate in zip(active, base):
            optimiser.param_groups[0]["lr"] = rate * factor
            optimiser.zero_grad()
        loss = loss_of(model, tokens[chosen], labels[chosen])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in active:
            optimiser.step()
        if (step + 1) % 100 == 0:
            log(f"step {step + 1} of {settings.steps}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s")
    return model.eval()
