"""Unpacks the parts of PyTorch's wheels that a C++ program needs: libraries, headers and licences, no Python code.

usage: libtorch-unpack.py cpu|cuda FOLDER WHEEL...

The layout stays that of an installed wheel, because the libraries find each other along it ($ORIGIN/../../nvidia/...).
"""

import os
import shutil
import sys
import zipfile

# What a program without CUDA loads. libtorch.so is empty, but torch-sys links it by name.
CPU = {"libtorch_cpu.so", "libtorch.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}


def wanted(name, kind):
    """Is this file of a wheel needed for the kind, "cpu" or "cuda"?"""
    parts = name.split("/")
    file = parts[-1]
    if not file:
        return False  # a folder
    if parts[0].endswith(".dist-info"):
        return "license" in name.lower() or "notice" in name.lower()
    folder = parts[1:] if parts[0] == "torch" else parts[2:] if parts[0] == "nvidia" else []
    if folder[:1] == ["include"]:
        return kind == "cuda" or parts[0] == "torch"
    if folder[:1] == ["lib"] and len(folder) == 2:
        if kind == "cpu":
            return file in CPU
        unused = file.startswith(("libtorch_python", "libnvperf")) or ".alt." in file
        return ".so" in file and not unused
    return False


def main():
    kind, folder, wheels = sys.argv[1], sys.argv[2], sys.argv[3:]
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if not wanted(entry.filename, kind):
                    continue
                path = os.path.join(folder, entry.filename)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(entry) as source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                if entry.external_attr >> 16 & 0o111:
                    os.chmod(path, 0o755)


main()
