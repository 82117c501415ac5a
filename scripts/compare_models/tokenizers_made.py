"""Small tokenizers of each kind that the supported families use, trained on a few texts."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CodeGenTokenizerFast,
    GemmaTokenizerFast,
    GPT2TokenizerFast,
    GPTNeoXTokenizerFast,
    LlamaTokenizerFast,
    PreTrainedTokenizerFast,
    Qwen2TokenizerFast,
)

CORPUS = [
    "The quick brown fox jumps over the lazy dog. The dog sleeps; the fox doesn't.",
    "  Spaces at   the start\tand tabs\n\nnew lines, then   more.  ",
    "naïve café, résumé; Ångström 25 µm – “quotes” … 1234567 and 3.14159",
    "日本語のテキストと漢字、中文字符 and 한국어 문장.",
    "def f(x):\n    return x ** 2  # code\n\n\n    if x:\n        pass",
    "Привет, мир! Ελληνικά too. emoji 🙂 and 👩‍👩‍👧 and 🇩🇪",
] * 3

#: The pattern by which Llama 3 and Qwen cut texts into words.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@dataclass
class Kind:
    """A tokenizer as people have it."""

    name: str
    made: Callable[[], PreTrainedTokenizerFast]
    #: Overrides in tokenizer_config.json after it is saved.
    config: dict = field(default_factory=dict)
    #: Files to take away after it is saved.
    without: tuple[str, ...] = ()
    #: Its tokens are the text itself, byte for byte.
    exact: bool = False
    #: Several tokens may stand for parts of one letter.
    decomposes: bool = False
    #: Leaves out of tokenizer.json that these are added tokens.
    unlisted: tuple[str, ...] = ()


def trained(model, trainer, normalizer=None, pre_tokenizer=None, decoder=None) -> Tokenizer:
    inner = Tokenizer(model)
    if normalizer is not None:
        inner.normalizer = normalizer
    if pre_tokenizer is not None:
        inner.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        inner.decoder = decoder
    inner.train_from_iterator(CORPUS, trainer)
    return inner


def byte_level(specials: Iterable[str], split: str | None = None, normalizer=None, prefix: bool = False) -> Tokenizer:
    """BPE over bytes: GPT-2, NeoX, Llama 3, Qwen."""
    if split is None:
        cut = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    else:
        cut = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=list(specials), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    inner = trained(models.BPE(), trainer, normalizer, cut, decoders.ByteLevel())
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    return inner


def sentence_pieces(specials: list[str], kind: str) -> Tokenizer:
    """BPE over characters with bytes for the rare ones: Llama 2 (old and new), Mistral, Gemma."""
    unknown = next(name for name in specials if "unk" in name)
    before = {"llama": [normalizers.Prepend("▁")], "gemma": [], "metaspace": []}[kind]
    normalizer = None if kind == "metaspace" else normalizers.Sequence([*before, normalizers.Replace(" ", "▁")])
    cut = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False) if kind == "metaspace" else None
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    decoder = decoders.Sequence(steps + ([] if kind == "gemma" else [decoders.Strip(" ", 1, 0)]))
    trainer = trainers.BpeTrainer(vocab_size=460, special_tokens=specials + BYTES, show_progress=False)
    # Merges across words are not wanted while it is trained.
    learnt = trained(models.BPE(), trainer, normalizers.Replace(" ", "▁"), pre_tokenizers.Split("▁", "merged_with_next"))
    parts = json.loads(learnt.to_str())["model"]
    # Rare characters have to go by their bytes, as they do in the real ones.
    known = {token: n for token, n in parts["vocab"].items() if len(token) > 1 or ord(token) < 0x250 or token == "▁"}
    vocabulary = {token: n for n, token in enumerate(sorted(known, key=known.get))}
    merges = [tuple(merge) if not isinstance(merge, str) else tuple(merge.split(" ")) for merge in parts["merges"]]
    merges = [merge for merge in merges if all(part in vocabulary for part in (*merge, "".join(merge)))]
    inner = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token=unknown))
    if normalizer is not None:
        inner.normalizer = normalizer
    if cut is not None:
        inner.pre_tokenizer = cut
    inner.decoder = decoder
    inner.add_special_tokens(specials)
    return inner


def unigram(normalizer) -> Tokenizer:
    """A unigram model as SentencePiece makes them."""
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>", "<s>"], unk_token="<unk>", show_progress=False)
    cut = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    return trained(models.Unigram(), trainer, normalizer, cut, decoders.Metaspace("▁", prepend_scheme="always"))


def template(inner: Tokenizer, single: str, *specials: str) -> Tokenizer:
    """Adds what stands around each text to what there is."""
    around = processors.TemplateProcessing(single=single, special_tokens=[(name, inner.token_to_id(name)) for name in specials])
    inner.post_processor = processors.Sequence([inner.post_processor, around]) if inner.post_processor else around
    return inner


END = "<|endoftext|>"
BLANKS_AROUND = {"content": END, "lstrip": True, "rstrip": True, "single_word": False, "normalized": False, "special": True}
LLAMA3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
PIECES = ["<unk>", "<s>", "</s>"]
GEMMA = ["<pad>", "<eos>", "<bos>", "<unk>"]


def wrapped(inner: Tokenizer, kind: type = PreTrainedTokenizerFast, **settings) -> PreTrainedTokenizerFast:
    return kind(tokenizer_object=inner, **settings)


def neox() -> PreTrainedTokenizerFast:
    """Like Pythia's: runs of blanks are added tokens, with NFC before."""
    inner = byte_level([END, "<|padding|>"], normalizer=normalizers.NFC())
    inner.add_tokens([AddedToken(" " * n, normalized=True) for n in range(5, 1, -1)])
    return wrapped(inner, GPTNeoXTokenizerFast, bos_token=END, eos_token=END, unk_token=END)


def with_added() -> PreTrainedTokenizerFast:
    """Added tokens that swallow blanks, that stand as words only, and that are normalized."""
    inner = byte_level([END])
    inner.add_special_tokens([AddedToken("<|user|>", rstrip=True, special=True), AddedToken("<|mask|>", lstrip=True, special=True)])
    inner.add_tokens([AddedToken("fox", single_word=True), AddedToken("[Brown]", normalized=True)])
    return wrapped(inner, GPT2TokenizerFast, bos_token=END, eos_token=END, unk_token=END)


def phi3() -> PreTrainedTokenizerFast:
    """Llama's with tokens that take the blanks behind them."""
    inner = sentence_pieces(PIECES, "llama")
    inner.add_special_tokens([AddedToken(name, rstrip=True, special=True, normalized=False) for name in ("<|user|>", "<|end|>", END)])
    return wrapped(inner, LlamaTokenizerFast, bos_token="<s>", eos_token=END, pad_token=END, unk_token="<unk>", add_bos_token=False, legacy=False)


def gpt2(**settings) -> PreTrainedTokenizerFast:
    return wrapped(byte_level([END]), GPT2TokenizerFast, bos_token=END, eos_token=END, unk_token=END, **settings)


def llama2(kind: str = "llama", **settings) -> PreTrainedTokenizerFast:
    return wrapped(sentence_pieces(PIECES, kind), LlamaTokenizerFast, bos_token="<s>", eos_token="</s>", unk_token="<unk>", **settings)


def llama3() -> PreTrainedTokenizerFast:
    inner = template(byte_level(LLAMA3, WORDS), "<|begin_of_text|> $A", "<|begin_of_text|>")
    return wrapped(inner, bos_token=LLAMA3[0], eos_token=LLAMA3[1], clean_up_tokenization_spaces=True)


def qwen() -> PreTrainedTokenizerFast:
    inner = byte_level([END, "<|im_start|>", "<|im_end|>"], WORDS, normalizers.NFC())
    return wrapped(inner, Qwen2TokenizerFast, eos_token="<|im_end|>", pad_token=END, unk_token=None)


def gemma(**settings) -> PreTrainedTokenizerFast:
    inner = sentence_pieces(GEMMA, "gemma")
    inner.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return wrapped(inner, GemmaTokenizerFast, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>", **settings)


def phi() -> PreTrainedTokenizerFast:
    inner = byte_level([END])
    inner.add_tokens([AddedToken(" " * n, normalized=True) for n in range(4, 1, -1)] + [AddedToken("\t\t", normalized=True)])
    return wrapped(inner, CodeGenTokenizerFast, bos_token=END, eos_token=END, unk_token=END)


def pieces_by_unigram(normalizer, **settings) -> PreTrainedTokenizerFast:
    return wrapped(template(unigram(normalizer), "$A </s>", "</s>"), eos_token="</s>", pad_token="<pad>", unk_token="<unk>", **settings)


KINDS = [
    Kind("GPT-2", gpt2, exact=True),
    Kind("GPT-2, blank in front", lambda: wrapped(byte_level([END], prefix=True), GPT2TokenizerFast, bos_token=END, eos_token=END, unk_token=END, add_prefix_space=True)),
    Kind("GPT-2, only tokenizer.json", gpt2, without=("tokenizer_config.json", "special_tokens_map.json")),
    Kind("GPT-2, add_bos_token", gpt2, config={"add_bos_token": True}),
    Kind("GPT-2, old configuration", gpt2, config={"added_tokens_decoder": None}),
    Kind("GPT-2, end not in tokenizer.json", gpt2, unlisted=(END,)),
    Kind("GPT-2, end takes blanks", gpt2, config={"added_tokens_decoder": {"0": BLANKS_AROUND}}),
    Kind("GPT-NeoX", neox),
    Kind("added tokens", with_added),
    Kind("Llama 3", llama3, exact=True),
    Kind("Qwen", qwen),
    Kind("Llama 2", llama2),
    Kind("Llama 2, not legacy", lambda: llama2("metaspace", legacy=False)),
    Kind("Llama 2, add_eos_token", lambda: llama2(add_eos_token=True)),
    Kind("Llama 2, no add_bos_token", lambda: llama2(add_bos_token=False)),
    Kind("Llama 2, class in old words", llama2, config={"tokenizer_class": "LlamaTokenizer"}),
    Kind("Phi 3", phi3),
    Kind("Gemma", gemma),
    Kind("Gemma, no add_bos_token", lambda: gemma(add_bos_token=False)),
    Kind("Phi", phi, exact=True),
    Kind("unigram, NFKC", lambda: pieces_by_unigram(normalizers.NFKC(), bos_token="<s>"), decomposes=True),
    Kind("unigram, NFC, no BOS", lambda: pieces_by_unigram(normalizers.NFC())),
    Kind("unigram, NFD, lower case", lambda: pieces_by_unigram(normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]), bos_token="<s>"), decomposes=True),
]
