"""What tables of counts reach on the same held-out tokens: the losses a language model has to beat."""

from __future__ import annotations

import torch

from .training import IGNORED


def unigram_loss(train: torch.Tensor, held_out: torch.Tensor, vocab_size: int) -> float:
    """Loss in nats of the tokens' frequencies in `train`, one added to each count."""
    probability = unigram(train, vocab_size)
    return -probability[held_out[held_out != IGNORED]].log().mean().item()


def unigram(labels: torch.Tensor, vocab_size: int) -> torch.Tensor:
    """Frequencies of the labels, one added to each count."""
    counts = torch.bincount(labels[labels != IGNORED], minlength=vocab_size).double() + 1
    return counts / counts.sum()


def bigram_loss(
    train: tuple[torch.Tensor, torch.Tensor], held_out: tuple[torch.Tensor, torch.Tensor], vocab_size: int
) -> float:
    """Loss in nats of a bigram table mixed with the unigram, at the weight that suits the held-out text best."""
    (tokens, labels), seen = train, train[1] != IGNORED
    pairs = tokens[seen] * vocab_size + labels[seen]
    table = torch.bincount(pairs, minlength=vocab_size**2).double().view(vocab_size, vocab_size)
    table /= table.sum(1, keepdim=True).clamp(min=1)
    kept = held_out[1] != IGNORED
    before, after = held_out[0][kept], held_out[1][kept]
    one, two = unigram(labels, vocab_size)[after], table[before, after]
    weights = [step / 50 for step in range(1, 50)]
    return min(-(weight * two + (1 - weight) * one).log().mean().item() for weight in weights)
