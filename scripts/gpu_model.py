"""A language model of Pythia-160m's shape, random numbers in bfloat16, for gpu-check to measure with."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path


@contextlib.contextmanager
def pythia_160m(tokenizer):
    """The folder of such a model, which goes again, with the tokenizer of another folder."""
    d, d_mlp, layers, vocabulary = 768, 3072, 12, 50_304
    shapes = {"gpt_neox.embed_in.weight": [vocabulary, d], "embed_out.weight": [vocabulary, d]}
    norms = ["gpt_neox.final_layer_norm"]
    for layer in range(layers):
        under = f"gpt_neox.layers.{layer}."
        norms += [under + "input_layernorm", under + "post_attention_layernorm"]
        for name, rows, columns in [
            ("attention.query_key_value", 3 * d, d),
            ("attention.dense", d, d),
            ("mlp.dense_h_to_4h", d_mlp, d),
            ("mlp.dense_4h_to_h", d, d_mlp),
        ]:
            shapes |= {f"{under}{name}.weight": [rows, columns], f"{under}{name}.bias": [rows]}
    for norm in norms:
        shapes |= {f"{norm}.weight": [d], f"{norm}.bias": [d]}
    with tempfile.TemporaryDirectory() as made:
        made = Path(made)
        for file in tokenizer.glob("*token*"):
            shutil.copy(file, made)
        config = {
            **{"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_size": d, "vocab_size": vocabulary},
            **{"intermediate_size": d_mlp, "num_attention_heads": 12, "num_hidden_layers": layers, "rotary_pct": 0.25},
            **{"max_position_embeddings": 2048, "rotary_emb_base": 10000, "layer_norm_eps": 1e-5, "hidden_act": "gelu"},
            **{"use_parallel_residual": True, "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 0},
        }
        (made / "config.json").write_text(json.dumps(config))
        header, at = {}, 0
        for name, shape in shapes.items():
            size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(made / "model.safetensors", "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name, shape in shapes.items():
                count = shape[0] * (shape[1] if len(shape) > 1 else 1)
                is_norm = "norm" in name and name.endswith("weight")
                file.write(b"\x80\x3f" * count if is_norm else random_bfloat16(count))
        yield made


def random_bfloat16(count):
    """Numbers of both signs between 1/64 and 1/32."""
    low = os.urandom(count).translate(bytes(byte | 0x80 for byte in range(256)))
    high = os.urandom(count).translate(bytes(0x3C if byte < 128 else 0xBC for byte in range(256)))
    numbers = bytearray(2 * count)
    numbers[0::2], numbers[1::2] = low, high
    return numbers


@contextlib.contextmanager
def corpora(corpus, count):
    """The folder of a corpus that is as long as so many of another one, which goes again."""
    with tempfile.TemporaryDirectory() as made:
        made = Path(made)
        (made / "data").mkdir()
        for file in (corpus / "data").glob("train-*.parquet"):
            for number in range(count):
                shutil.copy(file, made / f"data/train-{number:05}-of-{count:05}.parquet")
        yield made
