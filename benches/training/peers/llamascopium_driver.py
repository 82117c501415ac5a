"""Language-Model-SAEs."""

import tempfile

import torch
from driver import CASE, Turns, batches, decoder, require
from llamascopium.models.crosscoder import Crosscoder, CrosscoderConfig
from llamascopium.models.sae import SAEConfig, SparseAutoEncoder
from llamascopium.trainer import Trainer, TrainerConfig

require(
    act_fn=["relu", "jumprelu", "topk", "batchtopk"],
    jumprelu_threshold_window=...,
    sae_type=["crosscoder"],
    trainer={"sparsity_loss_type": ..., "l1_coefficient": ..., "lp_coefficient": ..., "amp_dtype": ...},
)
settings = {
    "d_model": CASE["d_model"],
    "expansion_factor": CASE["d_sae"] / CASE["d_model"],
    "top_k": CASE["k"],
    "norm_activation": "token-wise",
    "device": "cpu",
    "dtype": torch.float32,
    **{key: value for key, value in CASE["sae"].items() if key != "sae_type"},
}
if CASE["sae"].get("sae_type") == "crosscoder":
    sae = Crosscoder(CrosscoderConfig(hook_points=CASE["hooks"], **settings))
else:
    (hook,) = CASE["hooks"]
    sae = SparseAutoEncoder(SAEConfig(hook_point_in=hook, hook_point_out=hook, **settings))
given = batches()
with torch.no_grad():
    sae.init_parameters(encoder_uniform_bound=1.0, decoder_uniform_bound=1.0, init_log_jumprelu_threshold_value=-2.3)
    rows = decoder(CASE["d_sae"])
    sae.W_D.copy_(rows.expand_as(sae.W_D))
    sae.W_E.copy_(sae.W_D.transpose(-2, -1))
    if CASE["l0"]:
        seen = 0.5 * given[0][0][:256] @ rows.T
        least = seen.flatten().topk(CASE["l0"] * len(seen)).values.min()
        if CASE["sae"]["act_fn"] == "jumprelu":
            sae.activation_function.log_jumprelu_threshold.fill_(least.log().item())
        else:
            sae.b_E.fill_(-2 * least.item())
count = CASE["batch"]
given = [
    {
        **dict(zip(CASE["hooks"], batch)),
        "tokens": torch.zeros(count, dtype=torch.int64),
        "mask": torch.ones(count, dtype=torch.int32),
    }
    for batch in given
]
trainer = Trainer(
    TrainerConfig(
        **{"amp_dtype": torch.float32, **CASE["trainer"]},
        k_warmup_steps=0,
        total_training_tokens=100_000 * count,
        n_checkpoints=0,
        exp_result_path=tempfile.mkdtemp(),
    )
)
# The first batch tells the trainer how large batches are.
trainer.fit(sae, Turns(given, unasked=1))
