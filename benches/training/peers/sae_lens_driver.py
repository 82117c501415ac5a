"""SAELens, by its own loop."""

import torch
from driver import CASE, Turns, batches, decoder, give_up, require
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer

require(act_fn=["topk", "batchtopk"], trainer={"amp_dtype": ["bfloat16"]})
if len(CASE["hooks"]) > 1:
    give_up("it trains on one hook point at a time")
kinds = {
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
}
make, configure = kinds[CASE["sae"]["act_fn"]]
sae = make(configure(d_in=CASE["d_model"], d_sae=CASE["d_sae"], k=CASE["k"], device="cpu"))
with torch.no_grad():
    sae.W_dec.copy_(decoder(CASE["d_sae"]))
    sae.W_enc.copy_(sae.W_dec.T)
config = SAETrainerConfig(
    total_training_samples=100_000 * CASE["batch"],
    train_batch_size_samples=CASE["batch"],
    lr_end=3e-5,
    autocast=CASE["trainer"].get("amp_dtype") == "bfloat16",
)
SAETrainer(config, sae, Turns([batch[0] for batch in batches()])).fit()
