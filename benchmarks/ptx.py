# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time to emit PTX, and to run it on the simulator.

For each model and precision: seconds of dlc-compile with all cores; with one
thread, the median of the milliseconds that a distinct kernel takes from its
dispatch to PTX; and the median of the seconds that a run on the simulator takes
on one core, on random inputs (their values do not change the work). The results
are written as JSON, with the date and the machine. Measure on an idle machine.

  ptx.py                        the models of the zoo with a goal, in fp32 and bf16
  ptx.py FILE.onnx --precision bf16
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("DLC_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "test" / "Models"))

GOALS = {"compile_s": 8.0, "kernel_ms": 60.0, "run_s": 10.0}
TARGETS = ("bert_base-opset20", "resnet50-opset20")
REPEATS = 3


@dataclass
class Row:
    model: str
    precision: str
    kernels: int  # those with PTX of their own
    compile_s: float
    kernel_ms: float
    run_s: float


def compile_command(model: Path, precision: str, target: Path) -> list:
    options = ["--target=cuda", f"--precision={precision}"]
    return [BUILD / "bin" / "dlc-compile", model, "-o", target, *options]


def time_kernels(command: list) -> list[float]:
    """Milliseconds between two reports of the code generator, one a kernel."""
    times = []
    with subprocess.Popen(
        [*command, "--threads=1", "--progress=json"],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stderr:
            report = json.loads(line)
            # The last report is the whole phase's: 1 of 1.
            if report["phase"] == "codegen" and report["done"] == len(times):
                times.append(time.perf_counter())
    if process.returncode:
        raise SystemExit(f"ptx.py: dlc-compile ended with {process.returncode}")
    return [1e3 * (y - x) for x, y in zip(times, times[1:], strict=False)]


def time_run(binary: Path) -> float:
    """Seconds of a run on one core."""
    command = [BUILD / "bin" / "dlc-run", binary, "--device=ptxsim", "--random"]
    command += ["--benchmark", "--warmup=0ms", f"--iterations={REPEATS}", "--json"]
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(
        command,
        env={**os.environ, "PTXSIM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)["benchmark"]["p50_ms"] / 1e3


def measure(model: Path, precision: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "model.dlc"
        command = compile_command(model, precision, binary)
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            subprocess.run(command, check=True)
            seconds.append(time.perf_counter() - start)
        kernels = time_kernels(command)
        return Row(
            model.parent.name if model.stem == "model" else model.stem,
            precision,
            len(kernels),
            round(statistics.median(seconds), 3),
            round(statistics.median(kernels), 2),
            round(time_run(binary), 3),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="FILE.onnx")
    parser.add_argument("--precision", action="append")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    models = options.models
    if not models:
        import zoo

        names = (name.rsplit("-", 1) for name in TARGETS)
        models = [zoo.make(*name) / "model.onnx" for name in names]
    rows = []
    for model in models:
        for precision in options.precision or ("fp32", "bf16"):
            rows.append(measure(model, precision))
            print(rows[-1], flush=True)
    now = datetime.datetime.now(datetime.UTC)
    report = {
        "schema": "dlc-ptx-1",
        "date": now.isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "goals_at_most": GOALS,
        "rows": [asdict(row) for row in rows],
    }
    name = f"ptx-{now:%Y-%m-%d}.json"
    output = options.output or ROOT / "benchmarks" / "results" / name
    output.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
