"""TransformerLens's model of a transformers model.

TransformerLens knows shapes of models by their names on the hub only; here its configuration is written out from
transformers', with the same converters of weights.
"""

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained import weight_conversions as convert
from transformers import PreTrainedModel

CONVERTERS = {
    "gpt2": convert.convert_gpt2_weights,
    "gpt_neox": convert.convert_neox_weights,
    "llama": convert.convert_llama_weights,
    "mistral": convert.convert_mistral_weights,
    "qwen2": convert.convert_qwen2_weights,
    "qwen3": convert.convert_qwen3_weights,
    "gemma": convert.convert_gemma_weights,
    "gemma2": convert.convert_gemma_weights,
    "gemma3_text": convert.convert_gemma_weights,
    "phi": convert.convert_phi_weights,
    "phi3": convert.convert_phi3_weights,
}


def shape(config) -> dict:
    """TransformerLens's words for what every family has."""
    kind = config.model_type
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    activation = getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None) or config.activation_function
    inner = getattr(config, "n_inner", None) or getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    words = {
        "n_layers": config.num_hidden_layers, "d_model": config.hidden_size, "n_ctx": config.max_position_embeddings,
        "d_head": width, "n_heads": heads, "d_mlp": inner, "act_fn": activation, "d_vocab": config.vocab_size,
        "init_weights": False, "dtype": torch.float32, "device": "cpu", "use_hook_mlp_in": True, "use_attn_result": True,
    }
    if kind != "gpt2":
        words |= {"positional_embedding_type": "rotary", "rotary_dim": width, "rotary_adjacent_pairs": False, "rotary_base": config.rope_theta}
    if kind in ("gpt2", "gpt_neox", "phi"):
        words |= {"eps": getattr(config, "layer_norm_epsilon", None) or config.layer_norm_eps, "normalization_type": "LN"}
    else:
        words |= {"eps": config.rms_norm_eps, "normalization_type": "RMS", "final_rms": True, "gated_mlp": True}
        if kind != "phi3":
            words["n_key_value_heads"] = config.num_key_value_heads
    return words


def details(config) -> dict:
    """The same for what is special to a family."""
    kind, n_layers = config.model_type, config.num_hidden_layers
    if kind == "gpt2":
        return {"scale_attn_by_inverse_layer_idx": config.scale_attn_by_inverse_layer_idx}
    if kind == "gpt_neox":
        part = int(config.hidden_size // config.num_attention_heads * config.rotary_pct)
        return {"rotary_dim": part, "parallel_attn_mlp": config.use_parallel_residual}
    if kind == "phi":
        part = int(config.hidden_size // config.num_attention_heads * config.partial_rotary_factor)
        return {"rotary_dim": part, "parallel_attn_mlp": True}
    if kind == "mistral" and config.sliding_window:
        return {"window_size": config.sliding_window, "attn_types": ["local"] * n_layers, "use_local_attn": True}
    if kind == "qwen3":
        return {"use_qk_norm": True}
    if kind in ("gemma2", "gemma3_text"):
        types = ["local" if kind == "sliding_attention" else "global" for kind in config.layer_types]
        local = {"rotary_base_local": config.rope_local_base_freq, "use_qk_norm": True} if kind == "gemma3_text" else {}
        caps = {"attn_scores_soft_cap": config.attn_logit_softcapping or -1.0, "output_logits_soft_cap": config.final_logit_softcapping or -1.0}
        return {"window_size": config.sliding_window, "attn_types": types, "use_local_attn": True, "attn_scale": config.query_pre_attn_scalar**0.5,
                "use_normalization_before_and_after": True} | caps | local
    return {}


class Lens:
    """TransformerLens's version of a model, with its weight processing or without."""

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, folded: bool):
        cfg = HookedTransformerConfig(**shape(model.config) | details(model.config))
        state = CONVERTERS[model.config.model_type](model, cfg)
        state = {name: tensor.detach().clone() for name, tensor in state.items()}
        self.model = HookedTransformer(cfg)
        centred = folded and cfg.normalization_type.startswith("LN")
        # As its `from_pretrained` does: before a soft cap centring would change the probabilities.
        unembed = folded and cfg.output_logits_soft_cap <= 0
        self.model.load_and_process_state_dict(state, fold_ln=folded, center_writing_weights=centred, center_unembed=unembed, fold_value_biases=folded)

    @torch.no_grad()
    def activations(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits, the unembedding, and every hook."""
        logits, cache = self.model.run_with_cache(tokens)
        found = {"logits": logits, "W_U": self.model.W_U} | dict(cache.items())
        if self.model.cfg.n_key_value_heads is None:
            # With an input for each head, ln1's hooks get a dimension for the heads too: that is a pass of its own.
            self.model.set_use_attn_in(True)
            found |= dict(self.model.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_attn_in"))[1].items())
            self.model.set_use_attn_in(False)
        return found

    @torch.no_grad()
    def edited(self, tokens: torch.Tensor, name: str) -> torch.Tensor:
        """Logits with the activation at a hook halved."""
        per_head = name.endswith("hook_attn_in")
        if per_head:
            self.model.set_use_attn_in(True)
        logits = self.model.run_with_hooks(tokens, fwd_hooks=[(name, lambda activation, hook: activation * 0.5)])
        if per_head:
            self.model.set_use_attn_in(False)
        return logits
