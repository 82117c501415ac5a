"""Compares models case by case."""

import traceback
from dataclasses import dataclass, field
from pathlib import Path

import torch

from . import models
from .cases import Case
from .lens import Lens
from .program import Program

#: Largest absolute difference that counts as equal.
TOLERANCE = 2e-5
#: For numbers far from 1 (logits reach hundreds here), in parts of the largest: float32's own rounding, which the
#: references show against float64, is up to 1.1e-6 of it.
RELATIVE = 1.5e-6
#: For logits after an intervention: halving what a norm reads makes rounding before it larger; up to 1.2e-4 was seen
#: in residual streams of a few numbers.
EDITED = 2e-4
NEW_TOKENS = 12


@dataclass
class Result:
    """What came out for one case."""

    name: str
    worst: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def difference(ours: torch.Tensor | None, theirs: torch.Tensor) -> tuple[float, float]:
    """The largest absolute difference, and what is allowed. Equal infinities are equal."""
    if ours is None or ours.shape != theirs.shape:
        return float("inf"), 0.0
    ours, theirs = ours.double(), theirs.double()
    differs = torch.where(ours == theirs, 0.0, (ours - theirs).abs())
    finite = theirs[theirs.isfinite()]
    largest = finite.abs().max().item() if finite.numel() else 0.0
    return differs.nan_to_num(nan=float("inf")).max().item(), max(TOLERANCE, RELATIVE * largest)


def compare_tensors(result: Result, column: str, ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    """Enters the worst of `theirs` into `column`."""
    for name, tensor in theirs.items():
        if "_norm.hook_" in name and name in ours:
            # TransformerLens makes one row of each token's each head there; here the batch stays a dimension.
            tensor = tensor.view_as(ours[name]) if tensor.numel() == ours[name].numel() else tensor
        where = "logits" if name == "logits" and column == "hidden" else column
        differs, allowed = difference(ours.get(name), tensor)
        allowed = max(allowed, EDITED) if column == "edited" else allowed
        result.worst[where] = max(result.worst.get(where, 0.0), differs)
        if differs > allowed:
            what = "is missing" if name not in ours else f"differs by {differs:.1e}, allowed {allowed:.1e}"
            if name in ours and ours[name].shape != tensor.shape:
                what = f"has shape {list(ours[name].shape)} instead of {list(tensor.shape)}"
            result.problems.append(f"{column} {name} {what}")


def compare_hooks(result: Result, column: str, ours: dict[str, torch.Tensor], lens: Lens, tokens: torch.Tensor) -> None:
    """Enters the worst of TransformerLens's activations, and of the logits with each of those of one block halved."""
    activations = lens.activations(tokens)
    compare_tensors(result, column, ours, activations)
    for name in activations:
        if f"edited/{name}" in ours:
            compare_tensors(result, "edited", ours, {f"edited/{name}": lens.edited(tokens, name)})


def expected_refusal(case: Case, error: str | None, result: Result) -> None:
    if error is None:
        result.problems.append(f"is not refused, though `{case.refused}` is not supported")
    elif case.refused not in error or "panicked" in error:
        result.problems.append(f"the refusal does not name `{case.refused}`: {error}")


def run(case: Case, program: Program, place: Path) -> Result:
    """Makes the case's model, asks everybody, and compares."""
    result = Result(case.name)
    folder = place / case.name.replace(" ", "_").replace(",", "")
    model = models.make(case)
    tokens = models.token_ids(case, case.batch, case.length)
    prompts = [models.token_ids(case, 1, length) for length in case.prompts] if case.refused is None else []
    theirs = models.reference(model, tokens)
    continued = [models.greedy(model, prompt, NEW_TOKENS) for prompt in prompts]
    models.save(case, model, folder)
    answer = program.model(folder, tokens, prompts, NEW_TOKENS, edits=case.lens)
    if case.refused is not None:
        expected_refusal(case, answer.error, result)
        return result
    if answer.error is not None:
        result.problems.append(answer.error)
        return result
    by_backend = {
        backend: {name.removeprefix(f"{backend}/"): tensor for name, tensor in answer.tensors.items() if name.startswith(f"{backend}/")}
        for backend in ("huggingface", "transformer_lens")
    }
    compare_tensors(result, "hidden", by_backend["huggingface"], theirs)
    if case.lens:
        compare_hooks(result, "bare", by_backend["huggingface"], Lens(model, False), tokens)
        compare_hooks(result, "folded", by_backend["transformer_lens"], Lens(model, True), tokens)
    for number, text in enumerate(continued):
        for cached in ("true", "false"):
            ours = answer.tensors[f"greedy/{number}/{cached}"]
            differs = (ours != text).sum().item() if ours.shape == text.shape else float("inf")
            result.worst["greedy"] = max(result.worst.get("greedy", 0), differs)
            if differs:
                result.problems.append(f"greedy text of prompt {number} (cache: {cached}) differs: {ours.tolist()} instead of {text.tolist()}")
    return result


def compare(cases: list[Case], program: Program, place: Path) -> int:
    """Runs `cases`, prints a table, and returns how many are beyond their tolerance."""
    columns = ["hidden", "logits", "bare", "folded", "edited"]
    print(f"{'model':<44}" + "".join(f"{column:>10}" for column in columns) + f"{'greedy':>8}")
    wrong = 0
    for case in cases:
        try:
            result = run(case, program, place)
        except Exception:  # a reference that fails is told, and the other cases still run
            result = Result(case.name, problems=[f"the reference failed:\n{traceback.format_exc()}"])
        numbers = "".join(f"{result.worst[column]:>10.1e}" if column in result.worst else f"{'':>10}" for column in columns)
        told = f"{result.worst['greedy']:>8.0f}" if "greedy" in result.worst else f"{'':>8}"
        refused = "  refused, as it should be" if case.refused and not result.problems else ""
        print(f"{case.name:<44}{numbers}{told}{'  WRONG' if result.problems else refused}", flush=True)
        for problem in result.problems[:6]:
            print(f"    {problem}")
        wrong += bool(result.problems)
    return wrong
