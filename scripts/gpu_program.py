"""Running the program for gpu-check: within the time that is left, and with an eye on how far it is."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from gpu_curves import Problem

# How the program says that a training with our own kernels went by libtorch after all, which proves nothing of them.
WITHOUT_KERNELS = "our own kernels for GPUs are not used"


class Clock:
    """The time in which everything has to be done."""

    def __init__(self, seconds):
        self.begin = time.monotonic()
        self.seconds = seconds

    def passed(self):
        return time.monotonic() - self.begin

    def left(self):
        return max(self.seconds - self.passed(), 0.0)


@dataclass
class Ran:
    """What came of a run of the program."""

    out: str = ""
    err: str = ""
    # Why it came to no good end; empty where it did.
    problem: str = ""
    # Whether that is because there was no time left for it, which says nothing about the program.
    was_cut: bool = False
    # Whether it was alive and ended by us, as intended.
    was_ended: bool = False
    # How far the task that was watched was, and when.
    marks: list = field(default_factory=list)

    def lines(self):
        """The lines of standard output that are JSON objects, of which the scripts print one for each result."""
        found = []
        for line in self.out.splitlines():
            # The last one of a run that was ended may be cut.
            with contextlib.suppress(ValueError):
                found += [json.loads(line)] if line.startswith("{") else []
        return found

    def last(self):
        lines = self.lines()
        if not lines:
            raise Problem("the script printed no result")
        return lines[-1]


class Program:
    """The program in a folder, and the library folder that it is to run with."""

    def __init__(self, folder, libraries, clock):
        self.folder = folder
        self.clock = clock
        path = [str(libraries), os.environ.get("LD_LIBRARY_PATH", "")]
        # The order in which nvidia-smi counts GPUs, so that both mean the same one by a number.
        self.variables = dict(os.environ, LD_LIBRARY_PATH=":".join(filter(None, path)), CUDA_DEVICE_ORDER="PCI_BUS_ID")

    def start(self, arguments, before=(), variables=None, where=None):
        """Starts it in a group of its own, which is ended as a whole: a tool in front of it starts it as a child."""
        command = [*before, self.folder / "saescript", *arguments]
        return subprocess.Popen(
            list(map(str, command)),
            cwd=where or self.folder,
            env={**self.variables, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def limit(self, most):
        """Seconds that a run may take which should take `most` at most, and whether it is the deadline that says so."""
        left = self.clock.left()
        return min(left, most), left < most

    def run(self, *arguments, most, before=(), variables=None, where=None):
        """Runs it to its end, or until its time is over."""
        seconds, is_deadline = self.limit(most)
        if seconds < 1:
            return Ran(problem="no time left", was_cut=True)
        running = self.start(arguments, before, variables, where)
        try:
            out, err = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            end(running)
            out, err = running.communicate()
            return Ran(out, err, late(seconds), was_cut=is_deadline)
        finally:
            end(running)
        return Ran(out, err, "" if running.returncode == 0 else reason(running.returncode, out, err))

    def read(self, *arguments, most, stream, on_line):
        """Runs it and hands over each line of a stream, "stdout" or "stderr", as it comes. Ends it when `on_line` says True."""
        seconds, is_deadline = self.limit(most)
        if seconds < 1:
            return Ran(problem="no time left", was_cut=True)
        running = self.start(arguments)
        is_late = threading.Event()
        timer = threading.Timer(seconds, lambda: (is_late.set(), end(running)))
        # Read beside it: a full pipe would stop the program.
        texts = {"stdout": [], "stderr": []}
        other = "stderr" if stream == "stdout" else "stdout"
        reader = threading.Thread(target=lambda: texts[other].extend(getattr(running, other)))
        is_enough = False
        timer.start()
        reader.start()
        try:
            for line in getattr(running, stream):
                texts[stream].append(line)
                if not is_enough and on_line(line):
                    is_enough = True
                    end(running)
        finally:
            end(running)
            running.wait()
            timer.cancel()
            reader.join()
        ran = Ran("".join(texts["stdout"]), "".join(texts["stderr"]))
        # One that had come to its end before has an exit code of its own.
        ran.was_ended = is_enough and running.returncode == -signal.SIGKILL and not is_late.is_set()
        if is_late.is_set():
            ran.problem, ran.was_cut = late(seconds), is_deadline
        elif running.returncode != 0 and not ran.was_ended:
            ran.problem = reason(running.returncode, ran.out, ran.err)
        return ran

    def watch(self, *arguments, most, task, enough):
        """Runs it with its events as JSON, and notes when it said how far `task` is. Ends it when `enough(marks, saved)` says
        so, of the marks and of what was saved until then."""
        events = Events(task, enough)
        ran = self.read(*arguments, "--progress", "json", most=most, stream="stderr", on_line=events.take)
        ran.marks = events.marks
        return ran


class Events:
    """What the program says of itself on standard error, an event a line."""

    def __init__(self, task, enough):
        self.task = task
        self.enough = enough
        self.is_in_task = False
        self.marks = []
        self.saved = []

    def take(self, line):
        """Takes a line; returns whether it is enough."""
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            return False
        if kind == "task_started":
            self.is_in_task = event["title"] == self.task
        elif kind == "saved":
            self.saved.append(event["what"])
        elif kind == "task_advanced" and self.is_in_task:
            self.marks.append((time.monotonic(), event["done"]))
            return self.enough(self.marks, self.saved)
        return False


def end(running):
    """Ends a run with all that it started, unless it has ended."""
    if running.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def late(seconds):
    return f"more than {seconds:.0f} s"


def reason(code, out, err):
    lines = [line.strip() for line in (out + "\n" + err).splitlines() if line.strip() and not line.startswith("{")]
    said = next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "it said nothing")
    return f"exit code {code}: {said[:200]}"


def steady(marks):
    """How much a second the last half of what was done took, and how many seconds that was; nothing where that is too little."""
    if not marks:
        return None
    last, done = marks[-1]
    half, before = next(mark for mark in marks if 2 * mark[1] >= done)
    return ((done - before) / (last - half), last - half) if done > before and last > half else None
