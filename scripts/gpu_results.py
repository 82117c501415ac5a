"""What gpu-check found: a table, a file, an exit code."""

import json
import subprocess
import time

from gpu_curves import Problem

OK = "ok"
FAILED = "failed"
# Nobody knows: what it needs is missing, or there was no time.
NOT_DONE = "not done"
# A figure with nothing to hold it to, and one that misses its goal, which says that something is slow and not that it is wrong.
MEASURED = "measured"
MISSED = "goal missed"
SHOWN = {OK: "ok", FAILED: "FAILED", NOT_DONE: "NOT DONE", MEASURED: "", MISSED: "GOAL MISSED"}


class Results:
    """Lines of a table as they come, kept in results.json."""

    def __init__(self, folder):
        self.file = folder / "out/results.json"
        self.lines = {}
        self.begin = time.monotonic()
        # Whoever reads it before the end reads that it is not the end.
        self.write(NOT_DONE)

    def add(self, name, verdict, value, **more):
        if not self.lines:
            print(f"\n{'':62}{'found':>28}")
        self.lines[name] = {"verdict": verdict, "value": value, **more}
        print(f"{name:62}{value:>28}  {SHOWN[verdict]}".rstrip(), flush=True)
        self.write(NOT_DONE)

    def add_unfinished(self, name, ran):
        """A run that came to no good end."""
        self.add(name, NOT_DONE if ran.was_cut else FAILED, ran.problem)

    def compare(self, name, is_good, value, **more):
        self.add(name, OK if is_good else FAILED, value, **more)

    def write(self, verdict):
        found = {"verdict": verdict, "seconds": round(time.monotonic() - self.begin, 1), "found": self.lines}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(found, indent=1) + "\n")

    def names(self, verdict):
        return [name.strip() for name, line in self.lines.items() if line["verdict"] == verdict]

    def finish(self):
        """Says and writes what came of everything; returns the exit code."""
        failed, undone, missed = map(self.names, (FAILED, NOT_DONE, MISSED))
        verdict, code = (FAILED, 1) if failed else (NOT_DONE, 3) if undone or not self.lines else (OK, 0)
        self.write(verdict)
        print()
        for names, text in ((failed, "failed"), (undone, "not done, so nobody knows"), (missed, "slower than the goal")):
            if names:
                print(f"{text}: {'; '.join(names)}")
        print(f"{SHOWN[verdict]}: all of it is in {self.file}")
        return code


def guarded(results, name, part):
    """Does a part of the check, whose problems are results and end nothing else."""
    try:
        part()
    except Problem as problem:
        results.add(name, FAILED, str(problem))
    except (OSError, KeyError, TypeError, ValueError, IndexError, subprocess.SubprocessError) as error:
        results.add(name, FAILED, f"{type(error).__name__}: {error}")
