"""The parts of gpu-check that say how fast things are, beside what they are to be held to."""

import json
import shutil

from gpu_curves import difference
from gpu_model import corpora, pythia_160m
from gpu_program import WITHOUT_KERNELS, steady
from gpu_results import FAILED, MEASURED, MISSED, NOT_DONE, OK

SMALL, LARGE = "768:6144", "4096:131072"
# A step is to be at 60% of the rate that is possible, and on the fly to take at most 1.1 times what the slower half takes.
FLOOR_GOAL = 0.6
OVERLAP_GOAL = 1.1
# The walkthrough: 800 million tokens in 15 minutes, told by the last half of what a minute does.
WALKTHROUGH_TOKENS, WALKTHROUGH_MINUTES, STEADY_SECONDS = 800e6, 15, 60


# ---- steps ----


def steps(check):
    """How long steps take, whether both engines come to the same loss, and how near ours is to what is possible."""
    if check.device == "cpu":
        engines = ["native"]
        cases = [f"{kind}:{SMALL}:512:2" for kind in ("topk", "batchtopk", "relu", "jumprelu")]
    else:
        engines = ["native", "cuda"]
        cases = [f"{kind}:{SMALL}:4096:100" for kind in ("topk", "batchtopk", "relu", "jumprelu")]
        cases += [f"{kind}:{LARGE}:4096:20" for kind in ("topk", "batchtopk")]
    found = {engine: timed(check, engine, cases) for engine in engines}
    for case in cases:
        losses = [found[engine][case]["loss"] for engine in engines if case in found[engine]]
        if len(losses) == 2:
            apart = difference(*losses, "relative")
            check.results.compare(f"  losses of both, {case}", apart <= 0.01, f"{apart:.1e} apart")
    if check.device == "cuda":
        floors(check, found["cuda"])


def timed(check, engine, cases):
    """A line for each case; returns those that were measured."""
    ran = check.program.run("run", "gpu-step.rhai", "--", check.device, engine, *cases, most=150)
    lines = {line["case"]: line for line in ran.lines() if "case" in line}
    is_other = engine == "cuda" and WITHOUT_KERNELS in ran.err
    found = {}
    for case in cases:
        name, line = f"step {case}, {check.device}, {engine}", lines.get(case)
        if line is None:
            check.results.add_unfinished(name, ran)
        elif "failed" in line or is_other or line["loss"] is None:
            check.results.add(name, FAILED, line.get("failed") or ("without our kernels" if is_other else "no finite loss"))
        else:
            rate = int(case.split(":")[3]) / line["ms"] * 1e3
            check.results.add(name, MEASURED, f"{line['ms']:.2f} ms, {rate:,.0f} tokens/s", tokens_per_second=rate, **line)
            found[case] = line
    return found


def floors(check, found):
    """Which part of the rate steps of topk reach that their product and the optimiser's pass would have by themselves."""
    cases = [f"topk:{SMALL}:4096:100", f"topk:{LARGE}:4096:20"]
    shapes = {case: ":".join(case.split(":")[1:4]) for case in cases}
    ran = check.program.run("run", "gpu-floor.rhai", "--", check.device, *shapes.values(), most=60)
    lines = {line["shape"]: line for line in ran.lines()}
    for case, shape in shapes.items():
        name, floor = f"  of the floor's rate, {case}", lines.get(shape)
        if floor is None:
            check.results.add_unfinished(name, ran)
        elif case not in found:
            check.results.add(name, NOT_DONE, "the step was not measured")
        else:
            held(check, name, floor, found[case]["ms"], int(shape.split(":")[2]))


def held(check, name, floor, ms, batch):
    part = floor["ms"] / ms
    value = f"{part:.2f} of {batch / floor['ms'] * 1e3:,.0f}, goal {FLOOR_GOAL}"
    verdict = OK if part >= FLOOR_GOAL else MISSED
    check.results.add(name, verdict, value, part=part, goal=FLOOR_GOAL, floor=floor, step_ms=ms)


# ---- streams ----


def streams(check):
    """How fast activations are generated, and trained on as they are made, with the small model of the examples."""
    out = check.folder / "out/streams" / check.device
    shutil.rmtree(out, ignore_errors=True)
    # The corpus has 741,000 tokens.
    tokens = 40_960 if check.device == "cpu" else 614_400
    settings = {"device_type": check.device, "model.device": check.device}
    generate(check, f"generate, {check.device}", {**settings, "total_tokens": tokens, "output_dir": out / "cache"})
    more = {"sae.device": check.device, "trainer.total_training_tokens": tokens, "trainer.exp_result_path": out / "train"}
    train(check, f"train on the fly, {check.device}", {**settings, **more}, 2048, lambda marks: False)


def generate(check, name, settings):
    ran = watched(check, "generate", settings, "generating activations", lambda marks: False)
    # Gigabytes, which nobody reads.
    shutil.rmtree(settings["output_dir"], ignore_errors=True)
    return rate(check, name, ran, 1)


def train(check, name, settings, batch, enough):
    ran = watched(check, "train", settings, "training", enough)
    return rate(check, name, ran, batch)


def watched(check, command, settings, task, enough):
    sets = [f"--set={key}={value}" for key, value in settings.items()]
    arguments = [command, f"examples/{command}.toml", *sets]
    return check.program.watch(*arguments, most=150, task=task, enough=lambda marks, saved: enough(marks))


def rate(check, name, ran, tokens):
    """A line with the steady rate of a run, whose marks count so many tokens each; returns the rate."""
    name += ", the last half"
    found = steady(ran.marks)
    if ran.problem:
        check.results.add_unfinished(name, ran)
    elif found is None:
        check.results.add(name, NOT_DONE, "too short to say")
    else:
        a_second, seconds = found[0] * tokens, found[1]
        check.results.add(name, MEASURED, f"{a_second:,.0f} tokens/s", tokens_per_second=a_second, seconds=seconds)
        return a_second
    return None


def pythia(check):
    """The same with a model of Pythia-160m's shape in the walkthrough's settings, beside what model and dictionary take alone."""
    hook = "blocks.6.hook_resid_post"
    out = check.folder / "out/streams/pythia"
    shutil.rmtree(out, ignore_errors=True)
    sae = {"d_model": 768, "expansion_factor": 8, "act_fn": "topk", "top_k": 50}
    trainer = {"lr": 2e-4, "auxk_coefficient": 1 / 32, "log_frequency": 1000}
    factory = {"batch_size": 4096, "buffer_size": 4 * 4096, "model_batch_size": 32, "context_size": 128}
    with pythia_160m(check.folder / "examples/tiny-pythia") as model, corpora(check.folder / "examples/corpus", 4) as corpus:
        common = {"device_type": check.device, "model.device": check.device, "model.dtype": "torch.float16"}
        common |= {"model.model_from_pretrained_path": model}
        more = {"hook_points": f'["{hook}"]', "total_tokens": 2_457_600, "output_dir": out / "cache"}
        more |= {"dataset.dataset_name_or_path": corpus} | factory
        generate(check, f"generate, Pythia-160m's shape, {check.device}", common | more)
        alone = rates_alone(check, model, corpus, {"hook": hook, "sae": sae, "trainer": trainer, "factory": factory})
        more = {"sae.hook_point_in": hook, "sae.hook_point_out": hook, "activation_factory.hook_points": f'["{hook}"]'}
        for part, settings in [("sae", sae), ("trainer", trainer), ("activation_factory", factory)]:
            more |= {f"{part}.{key}": value for key, value in settings.items()}
        more |= {"sae.device": check.device, "trainer.exp_result_path": out / "train", "trainer.n_checkpoints": 0}
        more |= {"trainer.total_training_tokens": int(WALKTHROUGH_TOKENS), "activation_factory.sources[0].passes": "unlimited"}
        name = f"train on the fly, Pythia-160m's shape, {check.device}"
        found = train(check, name, common | more, 4096, lambda marks: marks[-1][0] - marks[0][0] >= STEADY_SECONDS)
    overlap(check, name, found, alone)


def rates_alone(check, model, corpus, settings):
    """How fast batches are made, and how fast they are trained on, each by itself; nothing where that failed."""
    settings |= {"device": check.device, "dtype": "float16", "seconds": 10}
    ran = check.program.run("run", "gpu-rates.rhai", "--", model, corpus, json.dumps(settings), most=90)
    name = "  the model alone, the dictionary alone"
    if ran.problem:
        check.results.add_unfinished(name, ran)
        return None
    found = ran.last()
    check.results.add(name, MEASURED, f"{found['model']:,.0f}, {found['dictionary']:,.0f} tokens/s", **found)
    return found


def overlap(check, name, found, alone):
    """Training on the fly beside the slower of its halves, and the walkthrough's minutes."""
    if found is None or alone is None:
        check.results.add("  of the slower one's time", NOT_DONE, "a rate is missing")
    else:
        times = min(alone.values()) / found
        verdict = OK if times <= OVERLAP_GOAL else MISSED
        check.results.add("  of the slower one's time", verdict, f"{times:.2f}, goal {OVERLAP_GOAL}", times=times)
    if found is not None:
        minutes = WALKTHROUGH_TOKENS / found / 60
        verdict = OK if minutes <= WALKTHROUGH_MINUTES else MISSED
        value = f"{minutes:.1f} min, goal {WALKTHROUGH_MINUTES}"
        check.results.add("  so that the walkthrough's 800 million tokens take", verdict, value, minutes=minutes)
