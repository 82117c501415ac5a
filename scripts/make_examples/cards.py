"""Writes the model's folder (weights in float16, configuration) and the README of the model and of the corpus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GPTNeoXForCausalLM

from .corpus import Record
from .training import Settings


@dataclass(frozen=True)
class Report:
    """What the README says about one making."""

    settings: Settings
    parameters: int
    records: dict[str, int]
    tokens: dict[str, int]
    genres: dict[str, int]
    losses: dict[str, float]
    probes: dict[str, float]
    minutes: float
    versions: dict[str, str]
    command: str


def save_model(model: GPTNeoXForCausalLM, folder: Path) -> None:
    """Writes `model.safetensors` (float16) and `config.json` with the keys of the hub's Pythias and of transformers 5."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it readable by its owner alone
    known = model.config.to_dict()
    keys = (
        "attention_bias attention_dropout bos_token_id classifier_dropout eos_token_id hidden_act hidden_dropout hidden_size "
        "initializer_range intermediate_size layer_norm_eps max_position_embeddings model_type num_attention_heads "
        "num_hidden_layers rotary_emb_base rotary_pct tie_word_embeddings use_cache use_parallel_residual vocab_size"
    ).split()
    config = {
        "architectures": ["GPTNeoXForCausalLM"],
        **{key: known[key] for key in keys},
        "rope_parameters": {
            "partial_rotary_factor": known["rotary_pct"], "rope_theta": float(known["rotary_emb_base"]), "rope_type": "default",
        },
        "rope_scaling": None,
        "torch_dtype": "float16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def table(head: tuple[str, str], rows: dict[str, str]) -> str:
    """Two columns in Markdown, the second to the right."""
    lines = [f"| {head[0]} | {head[1]} |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join(lines)


def model_readme(report: Report) -> str:
    """The README of the model's folder."""
    s = report.settings
    losses = {name: f"{value:.3f}" for name, value in report.losses.items()}
    probes = {name: f"{value:.0%}" for name, value in report.probes.items()}
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return f"""# tiny-pythia

A small language model in Pythia's architecture (GPT-NeoX), for trying sparse autoencoders without a download:
{s.layers} layers, d_model {s.d_model}, {s.heads} heads, context {s.context}, {report.parameters:,} parameters in float16. It was trained
from random weights on `../corpus`, a text that a grammar wrote: {report.tokens["train"]:,} tokens in {report.records["train"]:,} records (and
{report.records["validation"]:,} records held out), in {len(report.genres)} genres about one invented world. Latents therefore have something to find:
countries and their towns, numbers and their sums, speakers, pronouns, code, three foreign languages.

Made by `{report.command}` ({versions}; seed {s.seed}, one thread,
{report.minutes:.1f} minutes of processor time). The corpus and the tokenizer come out the same everywhere; weights do on the same kind of processor.

## What it knows

Cross-entropy on the {report.tokens["validation"]:,} tokens held out, in nats per token:

{table(("", "loss"), losses)}

Questions with a known answer, 100 of each kind; the share for which the right continuation is more probable than every other:

{table(("question", "right"), probes)}

## Details

- Tokenizer: byte-level BPE, {s.vocab_size:,} entries; id 0 `<|endoftext|>` (bos, eos and unk), id 1 `<|padding|>` (not used in training).
- Training: every row is bos, one record, eos; {s.steps:,} steps of {s.rows} rows; Muon for the blocks' matrices, AdamW for the rest;
  no dropout; float32, rounded to float16 at the end (the losses above are those of the rounded weights).
- The records, their genres and a sample of each: `../corpus/README.md`.
"""


def corpus_readme(report: Report, splits: dict[str, list[Record]]) -> str:
    """The README of the corpus: splits, genres, and the first held-out record of each genre."""
    sizes = {name: f"{number:,} records, {report.tokens[name]:,} tokens" for name, number in report.records.items()}
    genres = {name: f"{number:,}" for name, number in report.genres.items()}
    first = {record.genre: record.text for record in reversed(splits["validation"])}
    samples = "\n\n".join(f"**{genre}**\n\n```text\n{first[genre]}\n```" for genre in report.genres if genre in first)
    return f"""# corpus

Texts that a grammar wrote (`{report.command}`, seed {report.settings.seed}), in parquet files with the columns `text` and `genre`.
A record is one text, or several of the same genre, of at most {report.settings.context - 2} tokens of `../tiny-pythia`. The names, places and
people are invented; facts about them are drawn from the seed, so that they agree in all texts.

{table(("split", "size (tokens with one eos a record)"), sizes)}

{table(("genre", "records"), genres)}

One held-out record of each genre:

{samples}
"""
