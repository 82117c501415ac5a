"""The parts of gpu-check that say whether a GPU does the same as the CPU, and as it should."""

import json
import os
import re
import shutil
import subprocess
import time

from gpu_curves import Problem, compare, difference
from gpu_pack import sanitizer
from gpu_program import WITHOUT_KERNELS
from gpu_results import FAILED, NOT_DONE, OK, guarded

# What kernels are tried with where it is about accesses: odd sizes, and one whose rows are read four numbers at a time. Aux-K
# begins after 20 steps, because latents are dead then.
SANITIZED = [
    *(f"{kind}:70:1003:37:4" for kind in ("topk", "many", "batchtopk", "relu", "jumprelu", "sparseadam", "adamw")),
    *(f"{kind}:70:1003:37:4" for kind in ("matryoshka", "matryoshka-batchtopk")),
    *(f"{kind}:70:1003:37:30" for kind in ("full", "batchtopk-full")),
    *(f"{kind}:72:1024:40:30" for kind in ("full",)),
]


def quickstart(check):
    """The quickstart on every device, and its curves compared where there are two."""
    for device in check.devices:
        out = check.folder / "out" / device
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        arguments = ["run", check.folder / "examples/quickstart.rhai", "--", "--device", device]
        start = time.monotonic()
        ran = check.program.run(*arguments, most=150, where=out)
        seconds = time.monotonic() - start
        (out / "seconds").write_text(f"{seconds:.1f}\n")
        (out / "log.txt").write_text(ran.err + ran.out)
        name = f"the quickstart, {device}"
        if ran.problem:
            check.results.add_unfinished(name, ran)
        else:
            check.results.add(name, OK, f"{seconds:.1f} s")
    if len(check.devices) == 2:
        name = "  its curves on CPU and GPU"
        lines = check.results.lines
        if all(lines[f"the quickstart, {device}"]["verdict"] == OK for device in check.devices):
            guarded(check.results, name, lambda: compared(check, name))
        else:
            check.results.add(name, NOT_DONE, "a run is missing")


def compared(check, name):
    agree, apart = compare(check.folder)
    check.results.compare(name, agree, "agree" if agree else "differ", largest_differences=apart)


def cases(check):
    """Every kind of dictionary, penalty, optimiser and format, trained on both devices."""
    out = check.folder / "out/cases"
    shutil.rmtree(out, ignore_errors=True)
    ran = check.program.run("run", "gpu-cases.rhai", "--", "cuda", out, most=150)
    (check.folder / "out/cases.txt").write_text(ran.out + ran.err)
    verdicts = re.findall(r": (agrees|DIFFERS|FAILED)\b", ran.out)
    # A training that fell back to libtorch agrees as well, but says nothing of our kernels.
    engines = {
        run.parent.parent.name: json.loads(run.read_text()).get("step_engine")
        for run in sorted(out.glob("*, kernels/cuda/run.json"))
    }
    name = "every kind of dictionary, CPU and GPU"
    if ran.problem:
        check.results.add_unfinished(name, ran)
    elif not engines or set(engines.values()) != {"cuda"}:
        check.results.add(name, FAILED, "without our kernels", engines=engines)
    else:
        check.results.add(name, OK, f"{len(verdicts)} agree")


def script(check, name, *arguments):
    """What a script compares by itself: it fails, or tells how far things are apart."""
    ran = check.program.run("run", *arguments, most=120)
    if not ran.problem and WITHOUT_KERNELS in ran.err:
        check.results.add(name, FAILED, "without our kernels")
    elif ran.problem:
        check.results.add_unfinished(name, ran)
    else:
        found = ran.last()
        check.results.add(name, OK, f"{max(found.values()):.1e} apart", **found)


def odd(check):
    engine = "cuda" if check.device == "cuda" else "native"
    script(check, f"the kernels on odd numbers, {check.device}", "gpu-odd.rhai", "--", check.device, engine)


def model(check):
    script(check, f"the examples' model, {check.device}", "gpu-model.rhai", "--", check.device, "examples/tiny-pythia")


def resume(check):
    """A training that is killed and goes on ends with the bytes of one that is left alone: metrics and weights."""
    name = f"killed half-way and gone on, {check.device}"
    out = check.folder / "out/resume" / check.device
    shutil.rmtree(out, ignore_errors=True)
    steps = 20 if check.device == "cpu" else 600
    batch = 256 if check.device == "cpu" else 2048
    settings = {
        **{"device_type": check.device, "sae.device": check.device, "model.device": check.device},
        **{"trainer.total_training_tokens": steps * batch, "trainer.log_frequency": 5, "trainer.n_checkpoints": 8},
        **{"trainer.resumable_checkpoints": 2, "activation_factory.batch_size": batch},
        **{"activation_factory.sources[0].passes": "unlimited", "initializer.grid_search_init_norm": "false"},
    }

    def arguments(kind):
        sets = {**settings, "trainer.exp_result_path": out / kind}
        return ["train", "examples/train.toml", *(f"--set={key}={value}" for key, value in sets.items())]

    def is_half_way(marks, saved):
        return 2 * marks[-1][1] >= steps and "checkpoint" in saved

    straight = check.program.run(*arguments("straight"), most=90)
    if straight.problem:
        return check.results.add_unfinished(name, straight)
    killed = check.program.watch(*arguments("killed"), most=90, task="training", enough=is_half_way)
    if killed.problem:
        return check.results.add_unfinished(name, killed)
    if not killed.was_ended:
        return check.results.add(name, NOT_DONE, "it ended before it was killed")
    gone_on = check.program.run(*arguments("killed"), "--resume", most=90)
    if gone_on.problem:
        return check.results.add_unfinished(name, gone_on)
    same, value = same_bytes(out / "straight", out / "killed")
    check.results.compare(name, same, value, killed_at_step=killed.marks[-1][1], steps=steps)


def same_bytes(straight, killed):
    """Whether two trainings ended with the same bytes, and that in words."""
    names = ["metrics.jsonl", "sae_weights.safetensors"]
    others = [name for name in names if (straight / name).read_bytes() != (killed / name).read_bytes()]
    if not others:
        return True, "the same bytes"
    lines = [(folder / "metrics.jsonl").read_text().splitlines()[-1] for folder in (straight, killed)]
    losses = [json.loads(line)["losses/overall_loss"] for line in lines]
    return False, f"other {' and '.join(others)}, losses {difference(*losses, 'relative'):.1e} apart"


def graphs(check):
    """Do kernels that are started together come to the bits of those that are started one by one, and how long do both take?"""
    shapes = ["topk:768:6144:4096:100", "full:768:6144:4096:100", "topk:768:6144:512:300", "full:70:1003:37:300"]
    found = {}
    for way, variables in [("by graphs", {"SAESCRIPT_CUDA_GRAPH": "1"}), ("one by one", {})]:
        ran = check.program.run("run", "gpu-step.rhai", "--", "cuda", "cuda", *shapes, most=90, variables=variables)
        lines = {line["case"]: line for line in ran.lines() if "case" in line}
        # A driver that refuses graphs says so, and then there is nothing to compare.
        refused = [line for line in ran.err.splitlines() if "started by itself" in line or WITHOUT_KERNELS in line]
        for shape in shapes:
            name, line = f"step {shape}, {way}", lines.get(shape)
            if line is None:
                check.results.add_unfinished(name, ran)
            elif "failed" in line or refused:
                check.results.add(name, FAILED, line.get("failed") or refused[0])
            else:
                check.results.add(name, OK, f"{line['ms']:.3f} ms", **line)
                found[way, shape] = line
    for shape in shapes:
        ways = [found[way, shape] for way in ("by graphs", "one by one") if (way, shape) in found]
        name = f"  bits of both, {shape}"
        if len(ways) < 2:
            check.results.add(name, NOT_DONE, "a run is missing")
            continue
        one, other = ((run["loss"], run["weights"]) for run in ways)
        check.results.compare(name, one == other, "the same" if one == other else f"{one} and {other}")


def memory(check):
    """Does the GPU's memory grow over 2,000 steps? What the first quarter takes, it takes."""
    name, steps = "memory over 2,000 steps", 2000
    try:
        gpu = visible_gpu()
        used_memory(gpu)
    except (OSError, Problem, ValueError, subprocess.SubprocessError) as error:
        return check.results.add(name, NOT_DONE, f"nvidia-smi does not tell: {error}")
    seen = {}

    def look(line):
        done = json.loads(line).get("steps") if line.startswith("{") else None
        if done is not None:
            seen[done] = used_memory(gpu)

    arguments = ["run", "gpu-step.rhai", "--", "cuda", "cuda", f"topk:768:6144:4096:{steps}:8"]
    ran = check.program.read(*arguments, most=90, stream="stdout", on_line=look)
    failed = [line["failed"] for line in ran.lines() if "failed" in line]
    if ran.problem:
        return check.results.add_unfinished(name, ran)
    if failed or WITHOUT_KERNELS in ran.err:
        return check.results.add(name, FAILED, failed[0] if failed else "without our kernels")
    settled = [used for done, used in sorted(seen.items()) if done >= steps // 4]
    if len(settled) < 2:
        return check.results.add(name, FAILED, "the steps told nothing of themselves")
    growth = settled[-1] - settled[0]
    check.results.compare(name, growth <= 64, f"{growth:+} MiB of {settled[-1]}", mib_by_step=seen, gpu=gpu)


def used_memory(gpu):
    query = ["nvidia-smi", "--id", gpu, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, check=True, capture_output=True, text=True, timeout=20).stdout.split()[0])


def visible_gpu():
    """What nvidia-smi knows the GPU by that the program calls "cuda": the first one of CUDA_VISIBLE_DEVICES."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None:
        return "0"
    first = shown.split(",")[0].strip()
    if first.isdigit():
        return first
    query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    known = subprocess.run(query, check=True, capture_output=True, text=True, timeout=20).stdout.split()
    # The driver takes the beginning of a name, nvidia-smi the whole.
    found = [name for name in known if first.startswith("GPU-") and name.startswith(first)]
    if len(found) != 1:
        raise Problem(f'CUDA_VISIBLE_DEVICES is "{shown}", and nvidia-smi knows {", ".join(known)}')
    return found[0]


def sanitize(check, tool="memcheck"):
    """Our kernels under compute-sanitizer: accesses outside of memory, or races for shared memory."""
    runs = {"": ["run", "gpu-step.rhai", "--", "cuda", "cuda", *SANITIZED]}
    if tool == "memcheck":
        runs[", odd numbers"] = ["run", "gpu-odd.rhai", "--", "cuda", "cuda"]
    program = sanitizer(check.folder)
    for more, arguments in runs.items():
        name = f"the kernels under compute-sanitizer, {tool}{more}"
        if program is None:
            check.results.add(name, NOT_DONE, "not installed, not carried")
            continue
        log = check.folder / f"out/{tool}{more.replace(', ', '-').replace(' ', '-')}.txt"
        before = [program, "--tool", tool, "--error-exitcode", "9", "--log-file", log]
        # What libtorch's kernels do (their names are C++'s) is not asked, nor which calls of it fail: ours say so themselves.
        before += ["--kernel-name-exclude", "kns=_Z"]
        before += ["--report-api-errors", "no"] if tool == "memcheck" else []
        ran = check.program.run(*arguments, most=120, before=before)
        said = log.read_text(errors="replace") if log.exists() else ""
        check.results.add(name, *sanitized(ran, said), log=str(log))


def sanitized(ran, said):
    """The verdict of a run under compute-sanitizer, from what it wrote, and that in words."""
    counts = [int(count) for count in re.findall(r"SUMMARY: (\d+) ", said)]
    if any(counts):
        return FAILED, f"{sum(counts)} found"
    failed = [line["failed"] for line in ran.lines() if "failed" in line]
    if failed or WITHOUT_KERNELS in ran.err:
        return FAILED, failed[0] if failed else "without our kernels"
    if ran.problem.startswith("more than") or ran.was_cut:
        return NOT_DONE, ran.problem
    if not counts:
        # It does not know this driver or GPU, or could not start.
        lines = [line.strip("= ") for line in said.splitlines() if "Error" in line]
        return NOT_DONE, (lines or [ran.problem or "it wrote no summary"])[0][:200]
    return (FAILED, ran.problem) if ran.problem else (OK, "no errors")


def races(check):
    sanitize(check, "racecheck")
