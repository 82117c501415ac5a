"""dictionary_learning, by its trainers."""

from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
from dictionary_learning.trainers.top_k import TopKTrainer
from driver import CASE, give_up, require, run

require(act_fn=["topk", "batchtopk"], sae_type=["matryoshka"], matryoshka_fractions=...)
if len(CASE["hooks"]) > 1:
    give_up("it trains on one hook point at a time")
settings = {
    "steps": 100_000,
    "activation_dim": CASE["d_model"],
    "dict_size": CASE["d_sae"],
    "k": CASE["k"],
    "layer": 6,
    "lm_name": "made",
    "device": "cpu",
    "seed": 0,
}
if "matryoshka_fractions" in CASE["sae"]:
    # Its groups are the differences of our prefixes.
    prefixes = [0.0, *CASE["sae"]["matryoshka_fractions"]]
    groups = [after - before for before, after in zip(prefixes, prefixes[1:])]
    trainer = MatryoshkaBatchTopKTrainer(group_fractions=groups, **settings)
else:
    kind = TopKTrainer if CASE["sae"]["act_fn"] == "topk" else BatchTopKTrainer
    trainer = kind(**settings)
done = 0


def step(x):
    global done
    trainer.update(done, x)
    done += 1


run(step)
