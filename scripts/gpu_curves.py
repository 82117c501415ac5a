"""The curves of a training on the CPU and on a GPU, compared, for gpu-check."""

import json

# The curves that are compared, under their names in metrics.jsonl, and by how much the GPU's may differ from the CPU's
# at any logged step: relative for losses and L0, absolute for the explained variance, which is of order 1. Sums are
# taken in another order on a GPU, and training lets such differences grow; a wrong kernel is off by far more.
CURVES = {
    "losses/overall_loss": ("relative", 0.02),
    "losses/mse_loss": ("relative", 0.02),
    "metrics/l0": ("relative", 0.02),
    "metrics/explained_variance": ("absolute", 0.01),
}


class Problem(Exception):
    """Something the user can mend; its text says what and how."""


def curves(folder, device):
    """The logged metrics of a run, by step."""
    out = folder / "out" / device
    files = list(out.rglob("metrics.jsonl"))
    if len(files) != 1:
        raise Problem(f"{out} holds {len(files)} metrics.jsonl, not one: `gpu-check run {folder} --device {device}`.")
    by_step = {}
    for line in files[0].read_text().splitlines():
        record = json.loads(line)
        # null stands for what JSON has no number for: NaN and the infinities.
        by_step[record["step"]] = {name: float("nan" if record[name] is None else record[name]) for name in CURVES}
    return by_step


def compare(folder):
    """Prints a table of both runs' curves; returns whether they agree, and the largest difference of each."""
    cpu, cuda = curves(folder, "cpu"), curves(folder, "cuda")
    if cpu.keys() != cuda.keys() or not cpu:
        raise Problem(f"the runs logged different steps ({len(cpu)} on cpu, {len(cuda)} on cuda): run both again.")
    seconds = {device: (folder / "out" / device / "seconds").read_text().strip() for device in ("cpu", "cuda")}
    print(f"\n{len(cpu)} logged steps; {seconds['cpu']} s on cpu, {seconds['cuda']} s on cuda\n")
    print(f"{'':28}{'last on cpu':>14}{'last on cuda':>14}{'largest difference':>20}{'allowed':>9}")
    last, agree, apart = max(cpu), True, {}
    for name, (kind, allowed) in CURVES.items():
        worst = max(difference(cpu[step][name], cuda[step][name], kind) for step in cpu)
        verdict = "" if worst <= allowed else "  TOO LARGE"
        agree = agree and not verdict
        apart[name] = worst
        values = f"{cpu[last][name]:14.6g}{cuda[last][name]:14.6g}"
        print(f"{name:28}{values}{worst:20.2e}{allowed:>9} {kind}{verdict}")
    print("\nthe curves agree\n" if agree else "\nthe curves differ\n")
    return agree, apart


def difference(a, b, kind):
    apart = abs(a - b)
    worst = apart / max(abs(a), 1e-12) if kind == "relative" else apart
    return worst if worst == worst else float("inf")  # NaN agrees with nothing
