"""One case: a copy of the project with one thing damaged, the command that reads it, and the verdict."""

import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .contents import FORMS, TEXT
from .kinds import FORM_OF, KINDS, Kind
from .places import PLACES
from .project import environment
from .server import DAMAGES, Server

#: Most memory that a run may hold, in bytes, and where the address space ends for the machine's sake.
MOST_MEMORY = 2_000_000_000
ADDRESS_SPACE = 8_000_000_000

#: Most bytes that a run may write into one file.
LONGEST_FILE = 1_000_000_000

#: Exit codes that the program documents; 130 is for who interrupts, which nobody does here.
CODES = (0, 1, 2)

#: Words of panics, aborts and C++ exceptions.
ALIEN = ["panicked at", "RUST_BACKTRACE", "c10::", "Exception raised from", "frame #", "terminate called", "what():", "has overflowed its stack",
         "memory allocation of"]

#: What the program says when it has turned a panic into an error.
CAUGHT = "failed by a defect of this program"

#: Part of the cases of a kind in which something else stands in the file's place.
PLACE_SHARE = 0.12


@dataclass
class Result:
    """What came of one case."""

    number: int
    kind: str
    damage: str = ""
    command: str = ""
    code: int | None = None
    seconds: float = 0.0
    memory: int = 0
    text: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """The program found nothing wrong."""
        return self.code == 0

    @property
    def caught(self) -> str:
        """The sentence of an error that was a panic, or nothing."""
        return next((line.strip() for line in self.text.splitlines() if CAUGHT in line), "")

    def line(self) -> str:
        """The case in one line."""
        return f"case {self.number}: {self.kind}: {self.damage}: {'; '.join(self.faults) or f'exit code {self.code}'}"


def kind_of(number: int) -> Kind:
    """The kind of case `number`, which is the same whichever cases are run."""
    return KINDS[number % len(KINDS)]


def copy_project(project: Path, place: Path) -> None:
    """A copy in which files that the program never writes are links to those of the project."""
    read_only = {project / name for name in ("model", "sharded", "corpus", "saved")}

    def copy(source: str, target: str) -> None:
        links = Path(source).parent in read_only
        (os.link if links else shutil.copy2)(source, target, follow_symlinks=False)

    shutil.copytree(project, place, symlinks=True, copy_function=copy)


def damage_file(kind: Kind, place: Path, chance: random.Random) -> tuple[Path, str]:
    """Damages one of the kind's files in `place`; which, and how."""
    path = chance.choice(kind.paths(place))
    if chance.random() < PLACE_SHARE:
        avoided = {"a FIFO"} if kind.named else set()
        avoided |= {"forbidden"} if os.geteuid() == 0 else set()
        how = chance.choice([name for name in PLACES if name not in avoided])
        others = sorted(other for other in place.rglob("*") if other.is_file() and other.suffix != path.suffix)
        PLACES[how](path, others, chance)
        return path, how
    form = FORMS[FORM_OF.get(path.suffix, "bytes")]
    data = path.read_bytes()
    for _ in range(20):
        how = chance.choice(list(form))
        changed = form[how](data, chance)
        if changed != data:
            break
    path.unlink()
    path.write_bytes(changed)
    return path, how


def damage_argument(argument: str, chance: random.Random) -> tuple[str, str]:
    """Damages an argument of the command line, within what the system lets pass."""
    how = chance.choice(list(TEXT))
    text = TEXT[how](argument.encode(), chance).decode("utf-8", "replace")
    return text.replace("\0", "").lstrip("-")[:30_000], how


class Trial:
    """Runs cases of one seed with one program."""

    def __init__(self, program: Path, project: Path, scratch: Path, seed: int, limit: float) -> None:
        self.program, self.project, self.scratch, self.seed, self.limit = program, project, scratch, seed, limit

    def run(self, number: int) -> Result:
        """Runs case `number` in a folder of its own below the scratch folder."""
        kind = kind_of(number)
        chance = random.Random(f"{self.seed}/{number}")
        place = self.scratch / f"case-{number}"
        copy_project(self.project, place)
        result, file, argument, server = Result(number, kind.name), "", kind.argument, None
        if kind.server:
            result.damage = chance.choice(list(DAMAGES))
            server = Server(place, result.damage, chance)
        elif kind.argument:
            argument, result.damage = damage_argument(kind.argument, chance)
        else:
            path, how = damage_file(kind, place, chance)
            file = str(path.relative_to(place))
            result.damage = f"{file} {how}"
        self.execute(result, kind, place, file, argument, server)
        judge(result, kind, self.limit)
        return result

    def check_whole(self, kind: Kind) -> None:
        """Runs the kind's command on the project as it is: a program that refuses that too would pass every case."""
        place = self.scratch / f"whole-{KINDS.index(kind)}"
        copy_project(self.project, place)
        result = Result(0, kind.name)
        server = Server(place, "", random.Random(0)) if kind.server else None
        file = str(kind.paths(place)[0].relative_to(place)) if kind.files else ""
        self.execute(result, kind, place, file, kind.argument, server)
        shutil.rmtree(place)
        if result.code != 0:
            raise SystemExit(f"`{result.command}` fails on what is whole:\n{result.text}")

    def execute(self, result: Result, kind: Kind, place: Path, file: str, argument: str, server: Server | None) -> None:
        """Runs the kind's command in `place`."""
        fill = {"file": file, "argument": argument, "server": server.address if server else ""}
        command = [str(self.program), *(word.format(**fill) for word in kind.command.split())]
        result.command = shlex.join(command)
        variables = environment(place) | (served_variables(place, server) if server else {})
        execute(result, command, place, variables, kind.typed, self.limit)
        if server:
            server.close()


def served_variables(place: Path, server: Server) -> dict[str, str]:
    """Where the program finds the server; no proxy stands between, and the cache of the hub is empty."""
    return {"HF_ENDPOINT": server.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(place / "empty"), "AWS_ENDPOINT_URL": server.address,
            "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "NO_PROXY": "*"}


def execute(result: Result, command: list[str], place: Path, variables: dict[str, str], typed: str, limit: float) -> None:
    """Runs `command` under limits and enters what it took and said."""
    (place / ".typed").write_text(typed)
    began = time.monotonic()
    with (place / ".typed").open() as stdin, (place / ".out").open("wb") as out, (place / ".err").open("wb") as err:
        process = subprocess.Popen(command, cwd=place, env=variables, stdin=stdin, stdout=out, stderr=err, start_new_session=True)
        for what, most in [(resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_FSIZE, LONGEST_FILE), (resource.RLIMIT_CORE, 0)]:
            resource.prlimit(process.pid, what, (most, most))
        watch = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
        watch.cancel()
        watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    result.code, result.seconds, result.memory = process.returncode, time.monotonic() - began, used.ru_maxrss * 1024
    said = [(place / name).open("rb").read(20_000_000) for name in (".err", ".out")]
    result.text = said[0].decode("utf-8", "replace")
    judge_text(result, said[0] + said[1])


def judge_text(result: Result, said: bytes) -> None:
    """Words that no user should read, and an error without words."""
    text = said.decode("utf-8", "replace")
    for word in ALIEN:
        if word in text:
            line = next(line for line in text.splitlines() if word in line)
            result.faults.append(f"says `{line.strip()[:160]}`")
            break
    if result.code in (1, 2) and not result.text.strip():
        result.faults.append("fails without a word")


def judge(result: Result, kind: Kind, limit: float) -> None:
    """The end, the time, the memory, and what may not be accepted."""
    code = result.code or 0
    if result.seconds >= limit:
        result.faults.append(f"runs for more than {limit:.0f} s")
    elif code < 0:
        result.faults.append(f"ends by signal {signal.Signals(-code).name}")
    elif code not in CODES:
        result.faults.append(f"ends with exit code {code}")
    if result.memory > MOST_MEMORY:
        result.faults.append(f"holds {result.memory / 1e9:.1f} GB")
    if kind.checked and result.accepted:
        result.faults.append("is accepted, though a checksum covers it")


def signature(fault: str) -> str:
    """What faults of the same cause have in common."""
    return re.sub(r"\d+(\.\d+)?", "N", fault)
