"""The folder that gpu-check carries: made here, unpacked there."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from gpu_curves import Problem

# NVIDIA's compute-sanitizer, 18 MB. Wheels of 13.4 and before come without a program that it starts others by.
SANITIZER = "nvidia-cuda-sanitizer-api==13.5.25"
SANITIZER_HASH = "5df2efbdf605a812c6bac07600dd3d801cb9d334a30376113a6f1e2bc0679f54"
SANITIZER_FOLDER = "nvidia/cu13/compute-sanitizer/"
# The program and the sanitizer are 18 MB each, examples/ is 3.
MOST_BYTES = 45 << 20


# ---- here ----


def pack(folder):
    root = Path(__file__).resolve().parent.parent
    subprocess.run([root / "scripts/saescript", "--version"], check=True, stdout=subprocess.DEVNULL)
    if folder.exists() and any(folder.iterdir()) and not (folder / "gpu-check").exists():
        raise Problem(f"{folder} holds something else: name a new folder.")
    wheel = sanitizer_wheel()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    target = root / os.environ.get("CARGO_TARGET_DIR", "target")
    pack_program(target / "release/saescript", folder)
    shutil.copy(wheel, folder)
    shutil.copytree(root / "examples", folder / "examples", ignore=shutil.ignore_patterns("results", "out"))
    for script in ["gpu-check", *names_of_scripts(root / "scripts")]:
        shutil.copy(root / "scripts" / script, folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"packed {size / 2**20:.1f} MiB into {folder}")
    if size > MOST_BYTES:
        raise Problem(f"that is more than {MOST_BYTES >> 20} MiB: look for what does not belong in examples/.")


def names_of_scripts(scripts):
    return sorted(file.name for file in [*scripts.glob("gpu-*.rhai"), *scripts.glob("gpu_*.py")])


def pack_program(program, folder):
    """The program without its symbols, a third as large as it is."""
    with tempfile.TemporaryDirectory() as made:
        stripped = Path(made) / "saescript"
        shutil.copy(program, stripped)
        subprocess.run(["strip", stripped], check=True)
        with open(stripped, "rb") as source, gzip.open(folder / "saescript.gz", "wb", compresslevel=6) as packed:
            shutil.copyfileobj(source, packed)


def sanitizer_wheel():
    """The wheel of compute-sanitizer, which is downloaded once per user."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saescript/compute-sanitizer"
    for wheel in cache.glob("*.whl"):
        if is_sanitizer(wheel):
            return wheel
    cache.mkdir(parents=True, exist_ok=True)
    print(f"downloading NVIDIA's compute-sanitizer (18 MB) into {cache}, once", flush=True)
    with tempfile.TemporaryDirectory(dir=cache) as made:
        pins = Path(made) / "pins.txt"
        pins.write_text(f"{SANITIZER} --hash=sha256:{SANITIZER_HASH}\n")
        command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        command += ["--no-deps", "--only-binary=:all:", "--platform", "manylinux_2_25_x86_64", "--require-hashes"]
        command += ["--requirement", pins, "--dest", made]
        done = subprocess.run(command, env=dict(os.environ, PIP_REQUIRE_VIRTUALENV="0"), capture_output=True, text=True)
        if done.returncode != 0:
            raise Problem(f"pip could not get {SANITIZER}, mend that and pack again:\n{done.stderr.strip()}")
        wheel = next(Path(made).glob("*.whl"))
        return wheel.rename(cache / wheel.name)


def is_sanitizer(wheel):
    return hashlib.sha256(wheel.read_bytes()).hexdigest() == SANITIZER_HASH


# ---- there ----


def unpack_program(folder):
    packed, program = folder / "saescript.gz", folder / "saescript"
    if not packed.exists() or (program.exists() and program.stat().st_mtime > packed.stat().st_mtime):
        return
    # Under its name when it is whole.
    partial = folder / "saescript.partial"
    with gzip.open(packed, "rb") as source, open(partial, "wb") as unpacked:
        shutil.copyfileobj(source, unpacked)
    partial.chmod(0o755)
    partial.rename(program)


def sanitizer(folder):
    """The machine's own compute-sanitizer, or else the one that was carried; nothing where there is neither."""
    own = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if own:
        return Path(own)
    wheel = next((wheel for wheel in folder.glob("*.whl") if is_sanitizer(wheel)), None)
    if wheel is None:
        return None
    into = folder / "sanitizer"
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            # Programs and libraries alone, not the documentation and what is for other processors.
            if name.startswith(SANITIZER_FOLDER) and "/" not in name[len(SANITIZER_FOLDER) :]:
                Path(archive.extract(name, into)).chmod(0o755)
    return into / SANITIZER_FOLDER / "compute-sanitizer"
