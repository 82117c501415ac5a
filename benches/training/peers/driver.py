"""What the peers' drivers share: the case, its batches, and steps that are made when they are asked for.

A driver is started with the case as JSON. It writes `ready`, or `cannot` and why, and answers each line `step` with the
milliseconds that one step took. What a library prints goes to the standard error.
"""

import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

_answers = sys.stdout
sys.stdout = sys.stderr

CASE = json.loads(sys.argv[1])


def say(text):
    print(text, file=_answers, flush=True)


def give_up(why):
    """Says why this peer cannot train the case, and ends."""
    say(f"cannot {why}")
    sys.exit(0)


def require(**wanted):
    """Gives up unless the dictionary has these settings and no others; those of the trainer are asked as `trainer`."""
    trainer = wanted.pop("trainer", {})
    for given, wanted in [(CASE["sae"], wanted), (CASE["trainer"], trainer)]:
        for key, value in given.items():
            if key not in wanted or (wanted[key] is not ... and value not in wanted[key]):
                give_up(f"it has no {key} = {value}")


def batches():
    """Returns the batches as lists of tensors, one for each hook point."""
    files = sorted(Path(CASE["batches"]).iterdir())
    return [[load_file(file)[hook] for hook in CASE["hooks"]] for file in files]


def decoder(rows):
    """Returns decoder rows of norm 0.5 in random directions."""
    drawn = torch.randn(rows, CASE["d_model"], generator=torch.Generator().manual_seed(0))
    return 0.5 * drawn / drawn.norm(dim=-1, keepdim=True)


class Turns:
    """Yields batches for ever, each when a step is asked for, and tells what was done with the one before."""

    def __init__(self, given, unasked=0):
        self.given = given
        self.unasked = unasked  # batches that are taken before the first step
        self.turn = 0
        self.began = None

    def __iter__(self):
        return self

    def __next__(self):
        if self.began is not None:
            processor, wall = time.process_time() - self.began[0], time.perf_counter() - self.began[1]
            say(json.dumps({"processor": 1e3 * processor, "wall": 1e3 * wall}))
        elif self.unasked == 0:
            say("ready")
        self.turn += 1
        batch = self.given[self.turn % len(self.given)]
        if self.unasked > 0:
            self.unasked -= 1
            return batch
        if not sys.stdin.readline():
            sys.exit(0)
        self.began = (time.process_time(), time.perf_counter())
        return batch


def run(step):
    """Makes steps by a function of a list of tensors."""
    for batch in Turns(batches()):
        step(*batch)
