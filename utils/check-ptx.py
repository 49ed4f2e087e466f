# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts the PTX of models through ptxas: no kernel may spill registers, and no
warning of matrix instructions that ptxas had to serialise may appear.

  check-ptx.py [--arch=sm_80] [--ptxas=PATH] MODEL.onnx ...

ptxas comes with a CUDA toolkit, or with nvidia-cuda-nvcc of PyPI. Prints a line
for each model: kernels, most registers and shared memory of one, and its faults.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("DLC_BUILD", ROOT / "build"))
ENTRY = re.compile(r"Compiling entry function '(\S+)'")
SPILL = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
# Serialised wgmma and ignored setmaxnreg.
WARNINGS = re.compile(r"C75(08|10|12|14)")


def find_ptxas() -> str | None:
    if found := shutil.which("ptxas"):
        return found
    places = [*Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin/ptxas")]
    return str(places[0]) if places else None


def faults_of(log: str) -> tuple[list[str], int, int, int]:
    """Faults, and the number of kernels, most registers, most shared memory."""
    faults, kernel = [], "?"
    registers = shared = count = 0
    for line in log.splitlines():
        if entry := ENTRY.search(line):
            kernel = entry[1]
            count += 1
        if (spill := SPILL.search(line)) and (spill[1], spill[2]) != ("0", "0"):
            faults.append(f"{kernel}: {spill[0]}")
        if used := USED.search(line):
            registers = max(registers, int(used[1]))
        if memory := SHARED.search(line):
            shared = max(shared, int(memory[1]))
        if WARNINGS.search(line):
            faults.append(f"{kernel}: {line.strip()}")
    return faults, count, registers, shared


def check(model: Path, arch: str, ptxas: str, dims: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "model.ptx"
        compiler = [BUILD / "bin" / "dlc-compile", model, "-o", text]
        options = ["--target=cuda", f"--gpu-arch={arch}", "--emit=ptx"]
        subprocess.run([*compiler, *options, *(f"--dim={d}" for d in dims)], check=True)
        command = [ptxas, f"-arch={arch}", "-v", text, "-o", os.devnull]
        run = subprocess.run(command, capture_output=True, text=True)
    faults, count, registers, shared = faults_of(run.stderr)
    if run.returncode != 0:
        faults.append(run.stderr.strip().splitlines()[0])
    name = "/".join(model.parts[-2:])
    print(f"{name}: {count} kernels, at most {registers} registers, {shared} B shared")
    for fault in faults:
        print(f"  FAILED {fault}")
    return not faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--arch", default="sm_80")
    parser.add_argument("--ptxas", default=find_ptxas())
    parser.add_argument("--dim", action="append", default=[])
    options = parser.parse_args()
    if options.ptxas is None:
        parser.error("expected ptxas in PATH, or --ptxas=PATH")
    arguments = options.arch, options.ptxas, options.dim
    return 0 if all([check(model, *arguments) for model in options.models]) else 1


if __name__ == "__main__":
    sys.exit(main())
