"""Ways of damaging a file without touching what is in it: something else stands in its place."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path


def remove(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """Nothing is there."""
    path.unlink()


def become_folder(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """A folder of that name."""
    path.unlink()
    path.mkdir()


def become_pipe(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """A FIFO that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def become_dangling_link(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """A link to what is not there."""
    path.unlink()
    path.symlink_to("nowhere/at/all")


def become_link_to_itself(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """A link that leads in a circle."""
    path.unlink()
    path.symlink_to(path.name)


def become_loop_of_folders(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """A link to the folder that it lies in."""
    path.unlink()
    path.symlink_to(".")


def become_other(path: Path, others: list[Path], chance: random.Random) -> None:
    """The contents of a file of another kind."""
    path.unlink()
    shutil.copyfile(chance.choice(others), path)


def forbid(path: Path, _others: list[Path], _chance: random.Random) -> None:
    """Nobody may read it. (It does nothing to root.) Its other links keep their permissions."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    path.chmod(0)


#: By name; `others` are the project's files to take contents from.
PLACES: dict[str, Callable[[Path, list[Path], random.Random], None]] = {
    "removed": remove, "a folder": become_folder, "a FIFO": become_pipe, "a dangling link": become_dangling_link,
    "a link to itself": become_link_to_itself, "a link to its folder": become_loop_of_folders, "of another kind": become_other,
    "of a third kind": become_other, "forbidden": forbid,
}
