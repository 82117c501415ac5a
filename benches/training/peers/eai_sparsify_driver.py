"""sparsify, by its own loop: a module that hands on batches stands in for the language model."""

import os
import tempfile
from types import SimpleNamespace

import torch
from datasets import Dataset
from driver import CASE, Turns, batches, decoder, give_up, require

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # its kernels are for GPUs

from sparsify import SparseCoderConfig, TrainConfig, Trainer  # noqa: E402

require(act_fn=["topk"])
if len(CASE["hooks"]) > 1:
    give_up("it trains on one hook point at a time")


class Layer(torch.nn.Module):
    def forward(self, x):
        return x


class Model(torch.nn.Module):
    """Stands in for the language model, whose activations are there already."""

    device = torch.device("cpu")
    config = SimpleNamespace(num_hidden_layers=1)
    dummy_inputs = {"input_ids": None}

    def __init__(self):
        super().__init__()
        self.layer = Layer()
        self.turns = Turns(batches())

    @property
    def base_model(self):
        return self

    def forward(self, input_ids):
        if input_ids is None:
            return self.layer(torch.zeros(1, 1, CASE["d_model"]))
        return self.layer(next(self.turns)[0].unsqueeze(0))


config = TrainConfig(
    SparseCoderConfig(num_latents=CASE["d_sae"], k=CASE["k"], activation="topk"),
    batch_size=1,
    optimizer="adam",
    hookpoints=["layer"],
    log_to_wandb=False,
    save_every=1 << 40,
    save_dir=tempfile.mkdtemp(),
)
ids = [[0] * CASE["batch"]] * 1000
trainer = Trainer(config, Dataset.from_dict({"input_ids": ids}).with_format("torch"), Model())
sae = trainer.saes["layer"]
with torch.no_grad():
    sae.encoder.weight.copy_(decoder(CASE["d_sae"]))
    sae.W_dec.copy_(sae.encoder.weight)
trainer.fit()
