# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs tile kernels on the simulator over a sample of problems and schedules.

    run_schedules.py --build=build [--long] [--ptxas=ptxas] [--only=TEXT]

Each point's kernel must give numpy's results in the eager, late and seeded
modes, without a race and without bank conflicts; with ptxas also without spills
and serialisation. Prints a line per fault; the exit code is their number, at
most 1.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from schedule_sample import long_points, short_points
from tile_data import load
from tile_points import BULK_SHARED_BYTES, SHARED_BYTES, Launch

MODES = ("eager", "late", "seed:1")
PASSES = """
    --dlc-test-build-tile-kernels --dlc-lower-tile-pipelines
    --dlc-assign-tile-layouts=max-shared-bytes={shared} --dlc-convert-tile-to-nvvm
    --dlc-lower-to-nvvm --dlc-emit-ptx=arch={arch} -o /dev/null
"""
# Wavefronts of shared memory over those that the accesses need at least.
MAX_WAVEFRONTS = 1.05
# Kernels of one PTX file: keeps the compiler's memory and a fault's reach small.
BATCH = 16
REFUSED = re.compile(r"C75(08|10|12|14)")


@dataclass(frozen=True)
class Target:
    """What kernels are compiled for, and the simulator's device."""

    arch: str
    device: str
    shared: int

    @staticmethod
    def of(point) -> Target:
        if getattr(point, "bulk", False):
            return Target("sm_90", "sm_90a", BULK_SHARED_BYTES)
        return Target("sm_80", "sm_80", SHARED_BYTES)


def lower(points: list, target: Target, folder: Path, build: Path) -> Path:
    """All points' kernels in one PTX file."""
    source = folder / "kernels.mlir"
    for number, point in enumerate(points):
        point.name = f"k{number}"
    requests = ",\n".join(point.request() for point in points)
    source.write_text(
        f"module attributes {{tile.test_kernels = [\n{requests}]}} {{}}\n"
    )
    ptx = folder / f"kernels_{target.arch}.ptx"
    passes = PASSES.format(**vars(target)).split()
    with ptx.open("wb") as output:
        subprocess.run(
            [build / "bin/dlc-opt", source, *passes], stdout=output, check=True
        )
    return ptx


def run(ptx: Path, point, launch: Launch, mode: str, build: Path):
    """Results and counters of one launch; a text instead where it failed."""
    command = [build / "bin/ptxsim", ptx, f"--entry={point.name}"]
    command += [f"--device={Target.of(point).device}"]
    command += [f"--grid={launch.grid}", f"--block={launch.block}"]
    command += [f"--shared={launch.shared}", "--race", f"--mode={mode}"]
    command += ["--counters=json"]
    for number, buffer in enumerate(launch.buffers):
        path = ptx.parent / f"{number}.npy"
        np.save(path, buffer)
        command += ["--arg", path]
    for size in launch.sizes:
        command += ["--arg", f"{size}:i64"]
    for text in launch.maps:
        command += ["--arg", text]
    numbers = [len(launch.buffers) - 1, *(number for number, *_ in launch.others)]
    outputs = [ptx.parent / f"out{number}.npy" for number in numbers]
    for number, out in zip(numbers, outputs, strict=True):
        command += ["--out", f"{number}:{out}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()
    return [np.load(out) for out in outputs], json.loads(done.stdout)


def compare(values: np.ndarray, expected: np.ndarray, tolerance: np.ndarray):
    """What is wrong with the values; equal infinities are right."""
    with np.errstate(invalid="ignore"):
        right = (values == expected) | (np.abs(values - expected) <= tolerance)
    if right.all():
        return []
    at = tuple(int(i) for i in np.argwhere(~right)[0])
    return [
        f"{int((~right).sum())} of {right.size} results wrong, first at {at}: "
        f"expected {expected[at]:.6g}, got {values[at]:.6g}, "
        f"allowed {tolerance[at]:.2g}"
    ]


def check(launch: Launch, results) -> list[str]:
    if isinstance(results, str):
        return [results]
    values = load(results[0][0], launch.element)
    faults = compare(values, launch.expected, launch.tolerance)
    for other, (_, *right) in zip(results[0][1:], launch.others, strict=True):
        faults += compare(load(other, "f32"), *right)
    wavefronts, ideal = (results[1][f"shared_{x}"] for x in ("wavefronts", "ideal"))
    if wavefronts > MAX_WAVEFRONTS * ideal:
        faults.append(f"{wavefronts} wavefronts of shared memory, {ideal} would do")
    return faults


def check_ptxas(ptxas: str, target: Target, ptx: Path, points: list) -> list[str]:
    command = [ptxas, f"-arch={target.arch}", "-v", ptx, "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    kernel, faults = None, []
    by_name = {point.name: point for point in points}
    for line in done.stderr.splitlines():
        if found := re.search(r"entry function '(\w+)'", line):
            kernel = by_name[found[1]]
        spills = re.search(r"(\d+) bytes spill stores", line)
        if REFUSED.search(line) or "error" in line or (spills and spills[1] != "0"):
            faults.append(f"{kernel}: {line.strip()}")
    return faults


def run_points(points: list, target: Target, options, folder: Path) -> int:
    """Of points of one target."""
    faults = []
    ptx = lower(points, target, folder, options.build)
    if options.ptxas:
        faults += check_ptxas(options.ptxas, target, ptx, points)
    for number, point in enumerate(points):
        launch = point.launch(np.random.default_rng(number))
        for mode in MODES:
            results = run(ptx, point, launch, mode, options.build)
            faults += [f"{point}: {mode}: {fault}" for fault in check(launch, results)]
    for fault in faults:
        print(fault, flush=True)
    return len(faults)


def by_target(points: list) -> dict[Target, list]:
    groups: dict[Target, list] = {}
    for point in points:
        groups.setdefault(Target.of(point), []).append(point)
    return groups


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--ptxas")
    parser.add_argument("--only", default="", help="run points with this text")
    parser.add_argument("--keep", type=Path, help="folder for files that stay")
    options = parser.parse_args()
    points = short_points() + (long_points(options.build) if options.long else [])
    points = [point for point in points if options.only in str(point)]
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        for target, group in by_target(points).items():
            for first in range(0, len(group), BATCH):
                batch = group[first : first + BATCH]
                faults += run_points(batch, target, options, options.keep or Path(name))
    print(f"{len(points)} points, {faults} faults")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
