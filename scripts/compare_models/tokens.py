"""Compares tokenizers: tokens, token strings, texts, and the ranges that tokens stand for."""

import json
import random
import unicodedata
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from .program import Program
from .tokenizers_made import KINDS, Kind

TEXTS = [
    "", " ", "a", "Hello, world!", "  two blanks in front, two behind  ", "\n", "line\n\n\tnext\r\n", "don't", "DON'T we'll",
    "naïve café", "nai\u0308ve cafe\u0301 e\u0301\u0301 \u0301alone", "Å \u212b A\u030a", "ﬁne ① ½ x² Ⅷ", "日本語 中文，漢字。", "한국어 \u1112\u1161\u11ab",
    "🙂", "👩‍👩‍👧 family", "🇩🇪🇫🇷", "a🙂b👍🏽c", "<|endoftext|>", "before<|endoftext|> after", "<s>", "x</s> y", "<bos>text<eos>",
    "<|begin_of_text|>Hi<|eot_id|>", "<|user|>   hello <|end|>  there", "a   <|mask|>   b", "fox foxes the fox.", "[Brown] brown [brown]",
    "1234567 3.14159", "a\u200bb\u00a0c\u3000d", "tabs\t\tand    blanks     ", "\u0000\u0007 control", "▁under ▁score", "def f(x):\n    return x\n",
]
ALPHABET = ["a", "B", "e", "the", " ", "  ", "\n", "\t", "é", "e\u0301", "\u0308", "日", "語", "한", "🙂", "👩‍👧", "\u200d", "1", "23", ".", "'s", "<|endoftext|>", "</s>", "<|user|>", "ß", "ﬁ", "Å", "\u0007", "fox"]


def texts() -> list[str]:
    """The texts above, and random ones of the same stuff."""
    chance = random.Random(0)
    return TEXTS + ["".join(chance.choices(ALPHABET, k=chance.randint(1, 14))) for _ in range(300)]


def save(kind: Kind, folder: Path) -> PreTrainedTokenizerFast:
    """Writes the tokenizer's folder, and reads it as transformers does."""
    kind.made().save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | kind.config
    config = {key: value for key, value in config.items() if value is not None or key not in kind.config}
    path.write_text(json.dumps(config), encoding="utf-8")
    path = folder / "tokenizer.json"
    inner = json.loads(path.read_text(encoding="utf-8"))
    inner["added_tokens"] = [token for token in inner["added_tokens"] if token["content"] not in kind.unlisted]
    path.write_text(json.dumps(inner), encoding="utf-8")
    for name in kind.without:
        (folder / name).unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "bos_token_id": 0, "eos_token_id": 0}), encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder)


def expected(tokenizer: PreTrainedTokenizerFast, text: str, prepend_bos: bool) -> list[int]:
    """Tokens by transformers, with one BOS in front or none.

    TransformerLens takes EOS for a BOS that is missing, and `<|endoftext|>` for an EOS.
    """
    ids = tokenizer(text)["input_ids"]
    eos = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.convert_tokens_to_ids("<|endoftext|>")
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else eos
    adds = tokenizer.bos_token_id is not None and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    if not prepend_bos:
        return ids[1:] if adds else ids
    return ids if adds or ids[:1] == [bos] else [bos, *ids]


def bare(text: str) -> str:
    """What normalizers leave of a text at least."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(plain.casefold().replace("▁", " ").split())


def trace_problem(text: str, answer: dict, tokenizer: PreTrainedTokenizerFast, kind: Kind) -> str | None:
    """What is wrong with the ranges of a text, if anything."""
    reached = 0
    specials = set(tokenizer.all_special_tokens)
    for token, part, string in zip(answer["ids"], answer["trace"], answer["strings"], strict=True):
        if part["token"] != token:
            return f"token {token} is traced as {part['token']}"
        if part["start"] is None:
            if string.strip() not in specials and string not in specials:
                return f"token {string!r} stands for nothing"
            continue
        start, end = part["start"], part["end"]
        partial = "\ufffd" in string or string == tokenizer.unk_token or kind.decomposes
        if not partial and bare(string) != bare(part["text"]):
            return f"{part['text']!r} is traced for the token {string!r}"
        if kind.exact and (start > reached or not partial and string != part["text"]):
            return f"{part['text']!r} from {start} is traced for the token {string!r} after {reached}"
        if part["text"] != text[start:end]:
            return f"{part['text']!r} is not {text[start:end]!r}, characters {start} to {end}"
        # A normalizer that drops accents drops one at the start with no token to give it to.
        if start > reached and bare(text[reached:start]):
            return f"{text[reached:start]!r} belongs to no token"
        if end < reached and start < reached - 1 and not unicodedata.combining(text[end]):
            return f"goes back from {reached} to {start}..{end}"
        reached = max(reached, end)
    left = text[reached:]
    return f"{left!r} at the end belongs to no token" if bare(left) else None


def check(kind: Kind, program: Program, place: Path) -> list[str]:
    """Everything that is wrong with a kind of tokenizer."""
    folder = place / kind.name.replace(" ", "_").replace(",", "")
    tokenizer = save(kind, folder)
    problems = []
    asked = texts()
    for prepend_bos in (True, False):
        if not prepend_bos:
            asked = [text for text in asked if tokenizer(text)["input_ids"]]
        answers = program.texts(folder, asked, prepend_bos)
        for text, answer in zip(asked, answers, strict=True):
            wanted = expected(tokenizer, text, prepend_bos)
            if answer["ids"] != wanted:
                problems.append(f"{text!r}, BOS {prepend_bos}: tokens {answer['ids']} instead of {wanted}")
                continue
            strings = [tokenizer.decode([token], clean_up_tokenization_spaces=False) for token in wanted]
            if answer["strings"] != strings:
                problems.append(f"{text!r}: token strings {answer['strings']} instead of {strings}")
            whole = tokenizer.decode(wanted, clean_up_tokenization_spaces=False)
            if answer["text"] != whole:
                problems.append(f"{text!r}: text {answer['text']!r} instead of {whole!r}")
            if problem := trace_problem(text, answer, tokenizer, kind):
                problems.append(f"{text!r}: trace: {problem}")
    return problems


def compare(only: str, program: Program, place: Path) -> int:
    """Compares every kind, prints a table, and returns how many are wrong."""
    print(f"{'tokenizer':<44}{'wrong texts':>12}  of {len(texts())}, twice")
    wrong = 0
    for kind in KINDS:
        if only in kind.name:
            try:
                problems = check(kind, program, place)
            except Exception as error:  # one kind that fails does not stop the others
                problems = [f"{type(error).__name__}: {error}"]
            print(f"{kind.name:<44}{len(problems):>12}", flush=True)
            for problem in problems[:8]:
                print(f"    {problem}")
            wrong += bool(problems)
    return wrong
