# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts every kernel of models through ptxas, and compares with what is recorded.

  check-ptx.py [--ptxas=PATH] [--record [--because=REASON]] MODEL...

MODEL is light/NAME, minilm, quantised/NAME, zoo/NAME-VARIANT, or `all` for every
one of these.

A name that ends with @bf16, @fp16 or @tf32 is the model in that precision.

No kernel may spill registers, and no warning of matrix instructions that ptxas
had to serialise may appear. test/Models/ptx-sm_80.tsv has a line for each model:
its kernels, the most registers of one, the sum of their static shared memory in
bytes, and their machine instructions by kind. A figure above the recorded one
fails, if it comes from the same version of ptxas, which the table's first line
names; --record writes the figures of these models there. Figures that got worse
are only recorded with a reason, which becomes the line's last column.

ptxas and nvdisasm come with nvidia-cuda-nvcc and nvidia-cuda-nvdisasm of PyPI or
with a CUDA toolkit. What they said of a kernel is kept in build/ptxas.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("DLC_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "test" / "Models"))

import catalogue  # noqa: E402
from common import find_cuda_tool  # noqa: E402

ARCH = "sm_80"
TABLE = ROOT / "test" / "Models" / f"ptx-{ARCH}.tsv"
ENTRY = re.compile(r"^\.visible \.entry (\w+)\(.*?^\}\n", re.DOTALL | re.MULTILINE)
SPILL = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
# wgmma that was serialised, and setmaxnreg that was ignored.
WARNING = re.compile(r"^.*C75(?:08|10|12|14).*$", re.MULTILINE)
# The models whose low precisions have lines, too.
LOW_MODELS = ("minilm", "zoo/gpt2-opset20", "zoo/llama-opset20", "zoo/resnet50-opset20")
LOW = ("bf16", "fp16", "tf32")
# An instruction of nvdisasm: its address, a predicate, its opcode.
OPCODE = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?\s*([A-Z][A-Z0-9_]*)")
KINDS = {
    "fma": ("FFMA", "DFMA", "HFMA2", "HMMA", "IMMA"),
    "special": ("MUFU",),
    "global": ("LDG", "STG", "LDGSTS", "ATOMG", "RED"),
    "shared": ("LDS", "STS", "LDSM", "SHFL"),
}
COLUMNS = ("kernels", "registers", "smem", *KINDS, "other")


def kernels_of(name: str) -> list[str]:
    """The PTX of each of a model's kernels, as a text of its own."""
    model, _, precision = name.partition("@")
    path, dims = catalogue.make(model)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "model.ptx"
        compiler = [BUILD / "bin" / "dlc-compile", path, "-o", text, "--emit=ptx"]
        options = ["--target=cuda", f"--gpu-arch={ARCH}"]
        options.append(f"--precision={precision or 'fp32'}")
        options += [f"--dim={dim}={low}..{high}" for dim, (low, high) in dims.items()]
        subprocess.run([*compiler, *options], check=True)
        ptx = text.read_text()
    head = re.match(r".*?\.address_size 64\n", ptx, re.DOTALL)[0]
    # Dynamic shared memory, which kernels have in common.
    head += "".join(re.findall(r"^\.extern \.shared .*\n", ptx, re.MULTILINE))
    # Without names, equal kernels of two models are equal texts.
    return [
        head + re.sub(rf"\b{entry[1]}", "kernel", entry[0])
        for entry in ENTRY.finditer(ptx)
    ]


class Assembler:
    """ptxas and nvdisasm, with a memory."""

    def __init__(self, ptxas: str, nvdisasm: str):
        self.ptxas, self.nvdisasm = ptxas, nvdisasm
        done = subprocess.run([ptxas, "--version"], capture_output=True, check=True)
        self.version = re.search(rb"V[\d.]+", done.stdout)[0].decode()
        self.cache = BUILD / "ptxas"
        self.cache.mkdir(parents=True, exist_ok=True)

    def examine(self, ptx: str) -> dict:
        key = hashlib.sha256(Path(__file__).read_bytes())
        key.update(f"{self.version}\n{ptx}".encode())
        place = self.cache / f"{key.hexdigest()}.json"
        if not place.exists():
            beside = place.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(self._assemble(ptx)))
            beside.rename(place)
        return json.loads(place.read_text())

    def _assemble(self, ptx: str) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            text, cubin = Path(folder) / "k.ptx", Path(folder) / "k.cubin"
            text.write_text(ptx)
            run = subprocess.run(
                [self.ptxas, f"-arch={ARCH}", "-v", text, "-o", cubin],
                capture_output=True,
                text=True,
            )
            if run.returncode != 0:
                return {"faults": run.stderr.strip().splitlines()[:1]}
            listing = subprocess.run(
                [self.nvdisasm, "-c", cubin], capture_output=True, text=True, check=True
            ).stdout
        faults = WARNING.findall(run.stderr)
        faults += [
            m[0] for m in SPILL.finditer(run.stderr) if m[1] != "0" or m[2] != "0"
        ]
        figures = Counter()
        for line in listing.splitlines():
            if opcode := OPCODE.match(line):
                kinds = (kind for kind, names in KINDS.items() if opcode[1] in names)
                figures[next(kinds, "other")] += 1
        shared = SHARED.search(run.stderr)
        return {
            "faults": faults,
            "registers": int(USED.search(run.stderr)[1]),
            "smem": int(shared[1]) if shared else 0,
            **figures,
        }


def all_models() -> list[str]:
    """The models that have a line, some in every precision."""
    return catalogue.names() + [f"{name}@{low}" for name in LOW_MODELS for low in LOW]


def read_table() -> tuple[str, dict[str, dict]]:
    """The version of ptxas, and the figures of each model, with `why` they are worse
    than they were."""
    head, _, *lines = TABLE.read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return head.removeprefix("# ptxas "), {
        name: {**dict(zip(COLUMNS, map(int, figures), strict=True)), "why": why}
        for name, *figures, why in rows
    }


def write_table(version: str, table: dict[str, dict]) -> None:
    columns = (*COLUMNS, "why")
    lines = [f"# ptxas {version}", "\t".join(("model", *columns))]
    for name in sorted(table):
        lines.append("\t".join([name, *(str(table[name][c]) for c in columns)]))
    TABLE.write_text("\n".join(lines) + "\n")


def examine(name: str, assembler: Assembler) -> tuple[dict, list[str]]:
    """A model's figures, and its faults whatever is recorded."""
    texts = kernels_of(name)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(assembler.examine, texts))
    figures, faults = Counter({column: 0 for column in COLUMNS}), []
    for text, result in zip(texts, results, strict=True):
        faults += [f"{fault} in\n{text}" for fault in result.pop("faults")]
        registers = result.pop("registers", 0)
        figures["kernels"] += 1
        figures["registers"] = max(figures["registers"], registers)
        figures.update(result)
    return dict(figures), faults


def compare(figures: dict, known: dict) -> list[str]:
    """What is worse than recorded."""
    return [
        f"worse than recorded in {TABLE.name}: {c}: {figures[c]}, recorded {known[c]}"
        for c in COLUMNS
        if figures[c] > known[c]
    ]


def update(table: dict, name: str, figures: dict, options, version: str) -> list[str]:
    """Compares with the table, and records there if asked to; gives the faults."""
    known = table.get(name)
    if known is None and not options.record:
        return [f"expected a line in {TABLE.name}, run with --record"]
    worse = compare(figures, known) if known else []
    if not options.record:
        return worse
    if worse and not options.because:
        return [f"{fault}; --because=REASON records it" for fault in worse]
    why = options.because if worse else known["why"] if known else ""
    table[name] = {**figures, "why": why}
    write_table(version, table)
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--ptxas", default=find_cuda_tool("ptxas"))
    parser.add_argument("--nvdisasm", default=find_cuda_tool("nvdisasm"))
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--because", default="", metavar="REASON")
    options = parser.parse_args()
    if not options.ptxas or not options.nvdisasm:
        parser.error("expected ptxas and nvdisasm in PATH, or --ptxas and --nvdisasm")
    assembler = Assembler(options.ptxas, options.nvdisasm)
    version, table = read_table()
    is_same = version == assembler.version
    if not is_same and options.record:
        parser.error(f"expected ptxas {version} to record, got {assembler.version}")
    if not is_same:
        print(f"ptxas is {assembler.version}, recorded with {version}: only faults")
    failed = False
    names = all_models() if options.models == ["all"] else options.models
    for name in names:
        figures, faults = examine(name, assembler)
        if not faults and is_same:
            faults = update(table, name, figures, options, version)
        print(name, *(f"{c} {figures[c]}" for c in COLUMNS), flush=True)
        for fault in faults:
            print(f"  FAILED {fault}", flush=True)
        failed |= bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
