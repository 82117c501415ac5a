"""The models to compare: families, shapes, options, and ways of writing them to disk."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import (
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
)

Config = dict[str, Any]


@dataclass
class Case:
    """One model, how it is saved, and what is asked of it."""

    name: str
    config: Any
    #: Number format of the weights on disk.
    dtype: str = "float32"
    #: In several files.
    sharded: bool = False
    #: The bare model without unembedding, as `AutoModel` saves it.
    base: bool = False
    #: Changes `config.json` after it is written; the reference goes on with what was written before.
    rewrite: Callable[[Config], None] | None = None
    #: Sizes of the token batch.
    batch: int = 2
    length: int = 24
    #: Numbers of tokens of the prompts that are continued.
    prompts: tuple[int, ...] = (5, 21)
    #: TransformerLens can compute it too.
    lens: bool = True
    #: The key of config.json that the refusal has to name; None: it is supported.
    refused: str | None = None
    seed: int = field(default=0)


SIZES = {"vocab_size": 320, "hidden_size": 48, "intermediate_size": 88, "num_hidden_layers": 3, "num_attention_heads": 6,
         "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}


def gpt2(name: str, case: Config | None = None, **options) -> Case:
    sizes = {"vocab_size": 320, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0}
    return Case(f"gpt2 {name}", GPT2Config(**sizes | options), **case or {})


def made(family: str, config: type, **defaults) -> Callable[..., Case]:
    """Makes cases of a family whose sizes go by the usual names."""

    def make(name: str, case: Config | None = None, **options) -> Case:
        return Case(f"{family} {name}", config(**SIZES | defaults | options), **case or {})

    return make


neox = made("gpt_neox", GPTNeoXConfig, intermediate_size=120)
llama = made("llama", LlamaConfig, num_key_value_heads=2)
mistral = made("mistral", MistralConfig, num_key_value_heads=2, sliding_window=8)
qwen2 = made("qwen2", Qwen2Config, num_key_value_heads=2)
qwen3 = made("qwen3", Qwen3Config, num_key_value_heads=2, head_dim=16)
gemma = made("gemma", GemmaConfig, num_key_value_heads=1, head_dim=16)
gemma2 = made("gemma2", Gemma2Config, num_hidden_layers=4, num_key_value_heads=2, head_dim=16, sliding_window=8, query_pre_attn_scalar=24)
gemma3 = made("gemma3", Gemma3TextConfig, num_hidden_layers=4, num_key_value_heads=2, head_dim=16, sliding_window=8, query_pre_attn_scalar=24)
phi = made("phi", PhiConfig, intermediate_size=120)
phi3 = made("phi3", Phi3Config, num_key_value_heads=2, original_max_position_embeddings=64)
olmo2 = made("olmo2", Olmo2Config, num_key_value_heads=2)

HF = {"lens": False}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}


def longrope(pairs: int, **more) -> Config:
    factors = {"short_factor": [1.0 + 0.05 * n for n in range(pairs)], "long_factor": [1.5 + 0.5 * n for n in range(pairs)]}
    return {"rope_type": "longrope", **factors, **more}


def phi3_longrope(pairs: int, kind: str = "longrope") -> Config:
    factors = longrope(pairs)
    del factors["rope_type"]
    return {"type": kind, **factors}


def multimodal(name: str, case: Config | None = None, **options) -> Case:
    """A Gemma 3 with eyes, of which only the text part is compared."""
    text = SIZES | {"num_hidden_layers": 4, "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 8} | options
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=1, image_token_index=319, boi_token_index=318, eoi_token_index=317)
    return Case(f"gemma3 multimodal {name}", config, **{"lens": False} | (case or {}))


def parameters_of_5(theta: str = "rope_theta", local: str | None = None, fraction: str | None = None) -> Callable[[Config], None]:
    """Writes rotations as transformers 5 does: one map, or one for each type of layer."""

    def rewrite(config: Config) -> None:
        parameters = config.pop("rope_scaling", None) or {"rope_type": "default"}
        parameters = parameters | {"rope_theta": config.pop(theta)}
        config.pop("rope_theta", None)
        if fraction:
            parameters["partial_rotary_factor"] = config.pop(fraction)
            config.pop("partial_rotary_factor", None)
        if local:
            plain = {"rope_type": "default", "rope_theta": config.pop(local)}
            parameters = {"full_attention": parameters, "sliding_attention": plain}
        config["rope_parameters"] = parameters
        config["transformers_version"] = "5.0.0"

    return rewrite


def dropping(*keys: str) -> Callable[[Config], None]:
    """Leaves keys out, as older files do."""

    def rewrite(config: Config) -> None:
        for key in keys:
            config.pop(key, None)

    return rewrite


def setting(**values) -> Callable[[Config], None]:
    """Sets keys."""
    return lambda config: config.update(values)


CASES = [
    gpt2("plain"),
    gpt2("wide inside", n_inner=100, n_head=6),
    gpt2("gelu", activation_function="gelu"),
    gpt2("relu", activation_function="relu"),
    gpt2("divided by layer", scale_attn_by_inverse_layer_idx=True),
    gpt2("reordered, divided by layer", scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True),
    gpt2("not scaled", {"lens": False}, scale_attn_weights=False),
    gpt2("untied", tie_word_embeddings=False),
    gpt2("base model", {"base": True}),
    gpt2("bfloat16, sharded", {"dtype": "bfloat16", "sharded": True}),
    gpt2("one layer, one head, one token", {"length": 1, "prompts": (1,)}, n_layer=1, n_head=1),
    gpt2("unknown activation", {"refused": "activation_function"}, activation_function="quick_gelu"),
    gpt2("cross-attention", {"refused": "add_cross_attention", "rewrite": setting(add_cross_attention=True)}),
    gpt2("whole context", {"length": 64}),
    neox("parallel", rotary_pct=0.25),
    neox("sequential", use_parallel_residual=False, rotary_pct=0.25),
    neox("tied", tie_word_embeddings=True),
    neox("rotary 1.0", rotary_pct=1.0),
    neox("rotary odd", {"lens": False}, rotary_pct=0.4, hidden_size=50, num_attention_heads=5),
    neox("rotary none", {"lens": False}, rotary_pct=0.1),
    neox("without attention bias", {"lens": False}, attention_bias=False),
    neox("gelu_new", hidden_act="gelu_new"),
    neox("gelu_fast", hidden_act="gelu_fast"),
    neox("relu, other base", hidden_act="relu", rotary_emb_base=500),
    neox("linear rope", HF, rope_scaling={"type": "linear", "factor": 2.0}),
    neox("longrope", HF, rotary_pct=1.0, rope_scaling=longrope(4, factor=2.0)),
    neox("base model, tied, float16", {"base": True, "dtype": "float16"}, tie_word_embeddings=True),
    neox("as 5 writes it", {"rewrite": parameters_of_5("rotary_emb_base", fraction="rotary_pct")}, rotary_pct=0.5, rotary_emb_base=700),
    neox("old file", {"rewrite": dropping("rope_theta", "partial_rotary_factor", "attention_bias", "rope_scaling", "hidden_dropout", "classifier_dropout")}),
    llama("grouped"),
    llama("one key-value head", num_key_value_heads=1),
    llama("ungrouped", num_key_value_heads=6),
    llama("old file", {"rewrite": dropping("num_key_value_heads", "head_dim", "rope_theta", "attention_bias", "mlp_bias", "rope_scaling", "pretraining_tp")}, num_key_value_heads=6),
    llama("head_dim 10", HF, head_dim=10),
    llama("attention bias", HF, attention_bias=True),
    llama("MLP bias", HF, mlp_bias=True, attention_bias=True),
    llama("tied, gelu", tie_word_embeddings=True, hidden_act="gelu"),
    llama("base model, tied, float16", {"base": True, "dtype": "float16"}, tie_word_embeddings=True),
    llama("base model, untied", {"base": True, "refused": "lm_head.weight"}),
    llama("theta 500", rope_theta=500.0),
    llama("linear", HF, rope_scaling={"rope_type": "linear", "factor": 4.0}),
    llama("dynamic, short", HF, rope_scaling={"rope_type": "dynamic", "factor": 4.0}),
    llama("dynamic, long", HF | {"length": 40, "prompts": ()}, rope_scaling={"type": "dynamic", "factor": 4.0}, max_position_embeddings=16),
    llama("yarn", HF, rope_scaling=YARN),
    llama("yarn, every option", HF, rope_scaling=YARN | {"beta_fast": 8.0, "beta_slow": 2.0, "mscale": 0.7, "mscale_all_dim": 1.2, "truncate": False}, head_dim=16),
    llama("yarn, attention_factor", HF, rope_scaling=YARN | {"attention_factor": 1.3}, head_dim=16),
    llama("yarn, no original", HF | {"length": 40}, rope_scaling={"rope_type": "yarn", "factor": 4.0}, max_position_embeddings=16),
    llama("llama3", HF, rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}, head_dim=16),
    llama("longrope", HF, rope_scaling=longrope(4, factor=4.0)),
    llama("longrope, original inside", HF, rope_scaling=longrope(4, factor=4.0, original_max_position_embeddings=16)),
    llama("longrope, original outside", HF, rope_scaling=longrope(4), original_max_position_embeddings=16),
    llama("longrope, wrong length", {"refused": "short_factor", "rewrite": setting(rope_scaling=longrope(3, factor=4.0))}),
    llama("unknown rope", {"refused": "rope_scaling", "rewrite": setting(rope_scaling={"rope_type": "spiral", "factor": 2.0})}),
    llama("as 5 writes it", HF | {"rewrite": parameters_of_5()}, rope_theta=700.0, rope_scaling=YARN),
    llama("bfloat16, sharded", {"dtype": "bfloat16", "sharded": True}),
    llama("other numbers", num_hidden_layers=1, hidden_size=36, num_attention_heads=9, num_key_value_heads=3, intermediate_size=50, vocab_size=333),
    mistral("window 8"),
    mistral("no window", sliding_window=None),
    mistral("head_dim 12", head_dim=12),
    mistral("yarn", HF, rope_scaling=YARN, head_dim=8),
    mistral("layer types are not read", HF | {"rewrite": setting(layer_types=["full_attention"] * 3, attention_bias=True)}),
    mistral("window 1", sliding_window=1),
    qwen2("plain"),
    qwen2("tied, ungrouped", tie_word_embeddings=True, num_key_value_heads=6),
    qwen2("window from layer 1", HF, use_sliding_window=True, sliding_window=6, max_window_layers=1),
    qwen2("window off", use_sliding_window=False, sliding_window=6, max_window_layers=0),
    qwen2("layer types", HF, use_sliding_window=True, sliding_window=6, layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    qwen2("yarn", HF, rope_scaling=YARN),
    qwen2("head_dim 10", head_dim=10),
    qwen2("base model, tied", {"base": True}, tie_word_embeddings=True),
    qwen3("plain"),
    qwen3("tied, one key-value head", tie_word_embeddings=True, num_key_value_heads=1),
    qwen3("attention bias", HF, attention_bias=True),
    qwen3("window", HF, use_sliding_window=True, sliding_window=6, max_window_layers=2),
    qwen3("as 5 writes it", {"rewrite": parameters_of_5()}, rope_theta=900.0),
    gemma("plain"),
    gemma("ungrouped, wide heads", num_key_value_heads=6, head_dim=24),
    gemma("attention bias", HF, attention_bias=True),
    gemma("gelu", HF, hidden_act="gelu"),
    gemma("untied", tie_word_embeddings=False),
    gemma("bfloat16", {"dtype": "bfloat16"}),
    gemma2("plain"),
    gemma2("soft caps 5 and 10", attn_logit_softcapping=5.0, final_logit_softcapping=10.0),
    gemma2("no soft caps", attn_logit_softcapping=None, final_logit_softcapping=None),
    gemma2("layer types", layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"]),
    gemma2("old file", {"rewrite": dropping("layer_types")}),
    gemma2("attention bias, relu", HF, attention_bias=True, hidden_activation="relu"),
    gemma3("plain", sliding_window_pattern=3),
    gemma3("usual pattern", num_hidden_layers=7),
    gemma3("layer types", layer_types=["full_attention", "sliding_attention", "full_attention", "sliding_attention"], rope_local_base_freq=300.0, rope_theta=5000.0),
    gemma3("old file", {"rewrite": dropping("layer_types", "_sliding_window_pattern")}, sliding_window_pattern=2),
    gemma3("linear rope", HF, rope_scaling={"rope_type": "linear", "factor": 8.0}, sliding_window_pattern=2),
    gemma3("soft caps", HF, attn_logit_softcapping=5.0, final_logit_softcapping=10.0),
    gemma3("untied, attention bias", HF, tie_word_embeddings=False, attention_bias=True),
    gemma3("bidirectional", HF | {"refused": "use_bidirectional_attention"}, use_bidirectional_attention=True),
    gemma3("as 5 writes it", HF | {"rewrite": parameters_of_5(local="rope_local_base_freq")}, rope_scaling={"rope_type": "linear", "factor": 8.0}, sliding_window_pattern=2, rope_local_base_freq=300.0),
    gemma3("base model", HF | {"base": True}),
    multimodal("plain"),
    multimodal("linear rope, soft cap", rope_scaling={"rope_type": "linear", "factor": 8.0}, final_logit_softcapping=10.0),
    multimodal("base model", {"base": True}),
    multimodal("untied, sharded", {"sharded": True}, tie_word_embeddings=False),
    phi("rotary 0.5"),
    phi("rotary 0.25, gelu", partial_rotary_factor=0.25, hidden_act="gelu"),
    phi("rotary 1.0", partial_rotary_factor=1.0),
    phi("grouped", HF, num_key_value_heads=2),
    phi("norms of queries and keys", HF, qk_layernorm=True),
    phi("tied", HF, tie_word_embeddings=True),
    phi("as 5 writes it", {"rewrite": parameters_of_5(fraction="partial_rotary_factor")}),
    phi3("plain", HF),
    phi3("ungrouped", num_key_value_heads=6),
    phi3("window 8", HF, sliding_window=8),
    phi3("rotary 0.5", HF, partial_rotary_factor=0.5),
    phi3("longrope, short", HF | {"length": 16, "prompts": (3,)}, rope_scaling=phi3_longrope(4), original_max_position_embeddings=16),
    phi3("longrope, long", HF | {"length": 30, "prompts": (5, 21)}, rope_scaling=phi3_longrope(4), original_max_position_embeddings=16),
    phi3("longrope called su", HF, rope_scaling=phi3_longrope(4, "su"), original_max_position_embeddings=16),
    phi3("longrope called yarn", HF, rope_scaling=phi3_longrope(4, "yarn"), original_max_position_embeddings=16),
    phi3("longrope, rotary 0.5", HF, rope_scaling=phi3_longrope(2), original_max_position_embeddings=16, partial_rotary_factor=0.5),
    phi3("tied", HF, tie_word_embeddings=True),
    olmo2("grouped", HF),
    olmo2("one key-value head, tied", HF, num_key_value_heads=1, tie_word_embeddings=True),
    olmo2("attention bias", HF, attention_bias=True, num_key_value_heads=6),
    olmo2("linear rope", HF, rope_scaling={"type": "linear", "factor": 2.0}),
    olmo2("old file", HF | {"rewrite": dropping("rms_norm_eps", "num_key_value_heads", "rope_theta")}, num_key_value_heads=6),
    llama("unknown family", {"refused": "MambaForCausalLM", "rewrite": setting(architectures=["MambaForCausalLM"], model_type="mamba")}),
]


def random_cases(count: int, seed: int) -> list[Case]:
    """Models of random families and shapes."""
    chance = random.Random(seed)
    return [random_case(chance, number) for number in range(count)]


def random_case(chance: random.Random, number: int) -> Case:
    heads = chance.choice([1, 2, 3, 4, 6, 8])
    width = chance.choice([4, 6, 8, 10, 16])
    groups = chance.choice([n for n in (1, 2, 3, 4, 8) if heads % n == 0])
    free = chance.choice([4, 8, 12, 20])
    window = chance.choice([1, 3, 5, 9, 17, 40])
    activation = chance.choice(["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh"])
    tied, bias = chance.random() < 0.5, chance.random() < 0.5
    sizes = {"hidden_size": heads * width, "num_attention_heads": heads, "num_hidden_layers": chance.randint(1, 5),
             "intermediate_size": chance.randint(1, 90), "vocab_size": chance.randint(312, 400), "tie_word_embeddings": tied}
    grouped = sizes | {"num_key_value_heads": heads // groups}
    case = {"dtype": chance.choice(["float32", "bfloat16", "float16"]), "sharded": chance.random() < 0.3, "seed": number,
            "batch": chance.randint(1, 3), "length": chance.randint(2, 60), "prompts": (chance.randint(1, 50),)}
    hf = HF | case
    layers = [chance.choice(["full_attention", "sliding_attention"]) for _ in range(sizes["num_hidden_layers"])]
    windowed = {"use_sliding_window": True, "sliding_window": window, "layer_types": layers}
    name = f"random {number}"
    return chance.choice([
        lambda: gpt2(name, case, n_embd=heads * width, n_head=heads, n_layer=sizes["num_hidden_layers"], n_inner=chance.randint(1, 90),
                     activation_function=activation, scale_attn_by_inverse_layer_idx=bias, tie_word_embeddings=tied),
        lambda: neox(name, case, **sizes, hidden_act=activation, use_parallel_residual=bias, rotary_pct=chance.choice([0.5, 1.0])),
        lambda: neox(name, hf, **sizes, attention_bias=bias, rotary_pct=chance.uniform(0.2, 0.7)),
        lambda: llama(name, hf, **grouped, head_dim=free, hidden_act=activation, attention_bias=bias, mlp_bias=tied, rope_theta=chance.uniform(10, 1e6)),
        lambda: llama(name, case, **grouped),
        lambda: mistral(name, case, **grouped, sliding_window=window, head_dim=free),
        lambda: qwen2(name, case, **grouped, hidden_act=activation),
        lambda: qwen2(name, hf, **grouped, **windowed),
        lambda: qwen3(name, hf, **grouped, **windowed, head_dim=free, attention_bias=bias),
        lambda: gemma(name, case, **grouped, head_dim=free),
        lambda: gemma2(name, case, **grouped, head_dim=free, sliding_window=window, layer_types=layers, query_pre_attn_scalar=chance.randint(4, 40)),
        lambda: gemma3(name, case, **grouped, head_dim=free, sliding_window=window, layer_types=layers, query_pre_attn_scalar=chance.randint(4, 40)),
        lambda: phi(name, case, **sizes | {"tie_word_embeddings": False}, partial_rotary_factor=0.5 if width % 4 == 0 else 1.0),
        lambda: phi(name, hf, **grouped, qk_layernorm=bias, hidden_act=activation, partial_rotary_factor=0.5 if width % 4 == 0 else 1.0),
        lambda: phi3(name, hf, **grouped, sliding_window=window, rope_scaling=phi3_longrope(width // 2), original_max_position_embeddings=chance.randint(8, 40)),
        lambda: olmo2(name, hf, **grouped, attention_bias=bias),
    ])()
