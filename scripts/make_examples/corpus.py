"""The corpus: texts drawn from the genres, packed into records, split, and written to files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from .genres import GENRES
from .world import World


OPEN_RECORDS = 4  # of each genre, that still take a text which fits


@dataclass(frozen=True)
class Record:
    """One row of the corpus: a text (several short ones of the same genre) and its genre."""

    text: str
    genre: str


def draw_texts(world: World, rng: Random) -> Iterator[Record]:
    """Endless texts, no two the same, every function of `GENRES` equally often."""
    makers = [(genre, make) for genre, functions in GENRES.items() for make in functions]
    seen: set[str] = set()
    while True:
        for genre, make in makers:
            text = make(rng, world)
            if text not in seen:
                seen.add(text)
                yield Record(text, genre)


def pack(texts: Iterator[Record], tokenizer: Tokenizer, records: int, longest: int) -> list[Record]:
    """Joins texts of one genre while they fit into `longest` tokens, until there are `records`.

    First fit into a few open records of the genre. A record then fills most of a context without
    being cut, and little padding is computed for nothing.
    """

    def fits(text: str) -> bool:
        return len(tokenizer.encode(text).ids) <= longest

    open_records: dict[str, list[str]] = {genre: [] for genre in GENRES}
    packed: list[Record] = []
    while len(packed) < records:
        new = next(texts)
        waiting = open_records[new.genre]
        joined = ((place, f"{before}\n\n{new.text}") for place, before in enumerate(waiting))
        place, text = next(((place, text) for place, text in joined if fits(text)), (None, new.text))
        if place is not None:
            waiting[place] = text
        elif fits(text):
            waiting.append(text)
            if len(waiting) > OPEN_RECORDS:
                packed.append(Record(waiting.pop(0), new.genre))
    return packed


def write_parquet(records: list[Record], path: Path) -> None:
    """Writes the records as one parquet file with the columns `text` and `genre`."""
    table = pa.table({
        "text": pa.array([record.text for record in records], pa.string()),
        "genre": pa.array([record.genre for record in records], pa.string()),
    })
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=["genre"], row_group_size=len(records))
