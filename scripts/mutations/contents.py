"""Ways of damaging the contents of a file, by what the file is made of: bytes, text, JSON, tensors."""

import gzip
import json
import random
import re
from collections.abc import Callable
from typing import Any

Chance = random.Random

#: Numbers that fit nowhere, as they are written in text.
EXTREMES = ["0", "-1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "1e308", "-1e308",
            "1e999", "5e-324", "NaN", "-Infinity", "0x7fffffffffffffff", "1" * 400]

#: Texts that names and keys seldom are.
ODD_TEXTS = ["", "x" * 300_000, "a\0b", "\x1b[2J\x1b]0;title\x07", "../../../..", "/", "\u202e\ufeffé🙂", "-1", "null", "{}", "%s%n", "~"]

#: How deep brackets are nested.
DEPTHS = [300, 10_000, 200_000]


def flip_bit(data: bytes, chance: Chance) -> bytes:
    """One bit is another."""
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flip_bits(data: bytes, chance: Chance) -> bytes:
    """Up to 64 bits are others."""
    for _ in range(chance.randint(2, 64)):
        data = flip_bit(data, chance)
    return data


def a_block(data: bytes, chance: Chance) -> tuple[int, int]:
    """Where a stretch of the file begins and ends; short ones are likelier."""
    start = chance.randrange(len(data))
    return start, min(len(data), start + 1 + int(len(data) ** chance.random()))


def delete_block(data: bytes, chance: Chance) -> bytes:
    """A stretch is missing."""
    start, end = a_block(data, chance)
    return data[:start] + data[end:]


def insert_bytes(data: bytes, chance: Chance) -> bytes:
    """Bytes that do not belong there."""
    at = chance.randrange(len(data) + 1)
    alien = chance.choice([chance.randbytes(chance.randint(1, 64)), b"\0" * 16, b"\xff" * 16, b"\x1b[31m", b"\r\n\r\n", b"\xef\xbb\xbf"])
    return data[:at] + alien + data[at:]


def overwrite_block(data: bytes, chance: Chance) -> bytes:
    """A stretch is noise, or all one byte."""
    start, end = a_block(data, chance)
    noise = chance.choice([chance.randbytes(end - start), b"\0" * (end - start), b"\xff" * (end - start)])
    return data[:start] + noise + data[end:]


def truncate(data: bytes, chance: Chance) -> bytes:
    """The end is missing."""
    return data[: chance.randrange(len(data))]


def empty(_data: bytes, _chance: Chance) -> bytes:
    """Everything is missing."""
    return b""


def repeat_block(data: bytes, chance: Chance) -> bytes:
    """A stretch comes twice, or a hundred times."""
    start, end = a_block(data, chance)
    end = min(end, start + 100_000)
    return data[:end] + data[start:end] * chance.choice([1, 1, 100]) + data[end:]


def swap_blocks(data: bytes, chance: Chance) -> bytes:
    """Two stretches change places."""
    a, b, c, d = sorted(chance.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def at_matches(pattern: str, replacement: Callable[[str, Chance], str]) -> Callable[[bytes, Chance], bytes]:
    """A mutation of text that replaces one of the places that match `pattern`."""

    def mutate(data: bytes, chance: Chance) -> bytes:
        text = data.decode("utf-8", "surrogateescape")
        found = list(re.finditer(pattern, text))
        if not found:
            return data
        place = chance.choice(found)
        return (text[: place.start()] + replacement(place.group(), chance) + text[place.end() :]).encode("utf-8", "surrogateescape")

    return mutate


def nested(old: str, chance: Chance) -> str:
    """`old` inside so many brackets that no recursion survives them; half of the time they are closed again."""
    opening, closing = chance.choice([("[", "]"), ("[", "]"), ("(", ")"), ("{", "}"), ("#{a:", "}"), ('{"a":', "}"), ("- ", ""), ("-", ""), ("{{", "}}"), ("?", ":")])
    depth = chance.choice(DEPTHS)
    return opening * depth + old + closing * depth * chance.randint(0, 1)


def other_name(old: str, chance: Chance) -> str:
    """A name with one letter changed, doubled or left out."""
    at = chance.randrange(len(old))
    return old[:at] + chance.choice(["", "x", old[at] * 2, "_"]) + old[at + 1 :]


def odd_text(old: str, chance: Chance) -> str:
    """The literal `old` with another text in its quotes."""
    return old[0] + chance.choice(ODD_TEXTS) + old[-1]


change_number = at_matches(r"-?\d[\d_]*(\.\d+)?(e[-+]?\d+)?", lambda _old, chance: chance.choice(EXTREMES))
change_string = at_matches(r"\"[^\"\n]*\"", odd_text)
change_name = at_matches(r"[A-Za-z_]\w+", other_name)
nest = at_matches(r"[^\s\[\](){},:;=]+", nested)
remove_line = at_matches(r"[^\n]*\n", lambda _old, _chance: "")
repeat_line = at_matches(r"[^\n]*\n", lambda old, chance: old * chance.choice([2, 2, 1000]))
change_symbol = at_matches(r"[^\w\s]", lambda _old, chance: chance.choice(["", "{", "}", "(", "]", "\"", "`", "'", "/*", "=", ":", ",", ".."]))

#: A key or text of JSON that stands for other characters in the file: `json` cannot write what it cannot read.
RAW = "@raw@"


def json_place(value: Any, chance: Chance) -> tuple[Any, Any]:
    """A container in `value` and one of its keys; those of outer containers are likelier than the many of inner ones."""
    while True:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        inner = value[key]
        if not isinstance(inner, (dict, list)) or not inner or chance.random() < 0.25:
            return value, key
        value = inner


def change_value(value: Any, chance: Chance) -> Any:
    """A value that does not belong there; what begins with `RAW` is written as it is."""
    return chance.choice([
        lambda: RAW + chance.choice(EXTREMES),
        lambda: RAW + nested("1", chance),
        lambda: chance.choice(ODD_TEXTS),
        lambda: chance.choice([None, True, [], {}, [[]], [value], {"a": value}, [0] * 10_000, str(value)]),
    ])()


def change_json(value: Any, chance: Chance) -> Any:
    """`value` with a key removed, renamed or doubled, or with another value, at one place."""
    if not isinstance(value, (dict, list)) or not value:
        return change_value(value, chance)
    container, key = json_place(value, chance)
    how = chance.choice(["value", "value", "remove", "rename", "double"])
    if how == "remove":
        del container[key]
    elif how == "rename" and isinstance(key, str):
        container[chance.choice([other_name(key, chance) if key else "x", *ODD_TEXTS])] = container.pop(key)
    elif how == "double" and isinstance(key, str):
        container[RAW + json.dumps(key)] = change_value(container[key], chance)
    elif how == "double":
        container.extend(container[:] * 50)
    else:
        container[key] = change_value(container[key], chance)
    return value


def write_json(value: Any) -> bytes:
    """JSON with what `RAW` stands for."""
    text = re.sub(f'"{RAW}((?:[^"\\\\]|\\\\.)*)"', lambda found: json.loads(f'"{found[1]}"'), json.dumps(value))
    return text.encode("utf-8", "surrogatepass")


def mutate_json(data: bytes, chance: Chance) -> bytes:
    """A key or value of a JSON file is another."""
    return write_json(change_json(json.loads(data), chance))


def mutate_json_line(data: bytes, chance: Chance) -> bytes:
    """A key or value in one line of JSON lines is another."""
    lines = data.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    lines[at] = mutate_json(lines[at], chance) + b"\n"
    return b"".join(lines)


def mutate_header(data: bytes, chance: Chance) -> bytes:
    """A key or value in the header of a safetensors file is another, or its length is."""
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    if chance.random() < 0.2:
        lengths = [0, 1, length - 1, length + 1, len(data), 2**31, 2**63 - 1, 2**64 - 1]
        return chance.choice(lengths).to_bytes(8, "little") + header + rest
    header = mutate_json(header, chance)
    return len(header).to_bytes(8, "little") + header + rest


def mutate_numbers(data: bytes, chance: Chance) -> bytes:
    """Some of the numbers in a safetensors file are NaN, infinite or huge."""
    start = 8 + int.from_bytes(data[:8], "little")
    if start + 8 > len(data):
        return data
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 100])):
        at = start + chance.randrange((len(data) - start) // 4) * 4
        changed[at : at + 4] = chance.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff", b"\xff\xff\x7f\x7f", b"\1\0\0\0"])
    return bytes(changed)


def bomb(data: bytes, _chance: Chance) -> bytes:
    """A small compressed file that is 3 GB of one line: members of a gzip file follow each other."""
    inside = gzip.decompress(data)
    at = inside.rindex(b'"')
    return gzip.compress(inside[:at]) + gzip.compress(b"a" * 10_000_000) * 300 + gzip.compress(inside[at:])


def in_tail(mutate: Callable[[bytes, Chance], bytes]) -> Callable[[bytes, Chance], bytes]:
    """`mutate` of the end of a file, where parquet and Arrow have what they say of the rest."""

    def mutated(data: bytes, chance: Chance) -> bytes:
        at = max(0, len(data) - chance.choice([16, 256, 2048]))
        return data[:at] + mutate(data[at:], chance)

    return mutated


def inside_gzip(mutate: Callable[[bytes, Chance], bytes]) -> Callable[[bytes, Chance], bytes]:
    """`mutate` of what a gzip file holds."""

    def mutated(data: bytes, chance: Chance) -> bytes:
        return gzip.compress(mutate(gzip.decompress(data), chance), 1)

    return mutated


BYTES = {
    "bit flipped": flip_bit, "bits flipped": flip_bits, "bytes deleted": delete_block, "bytes inserted": insert_bytes,
    "bytes overwritten": overwrite_block, "truncated": truncate, "emptied": empty, "block repeated": repeat_block, "blocks swapped": swap_blocks,
}
TEXT = BYTES | {
    "number changed": change_number, "string changed": change_string, "name changed": change_name, "nested": nest,
    "line removed": remove_line, "line repeated": repeat_line, "symbol changed": change_symbol,
}
JSON = TEXT | {"value changed": mutate_json, "key or value changed": mutate_json, "key changed": mutate_json}
LINES = TEXT | {"value changed": mutate_json_line, "key or value changed": mutate_json_line}
TENSORS = BYTES | {"header changed": mutate_header, "header's value changed": mutate_header, "numbers changed": mutate_numbers}
FOOTED = BYTES | {"bit of the footer flipped": in_tail(flip_bit), "byte of the footer changed": in_tail(overwrite_block),
                  "bits of the footer flipped": in_tail(flip_bits), "block of the footer deleted": in_tail(delete_block)}
GZIP = BYTES | {"line inside changed": inside_gzip(mutate_json_line), "bytes inside deleted": inside_gzip(delete_block), "bomb": bomb}

#: What a file is made of → the ways to damage it, by name.
FORMS: dict[str, dict[str, Callable[[bytes, Chance], bytes]]] = {
    "bytes": BYTES, "text": TEXT, "json": JSON, "lines": LINES, "tensors": TENSORS, "gzip": GZIP, "footed": FOOTED,
}
