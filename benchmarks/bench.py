# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Latency of dlc beside ONNX Runtime, interleaved in one run.

For each model and number of threads, each engine gets a process of its own,
pinned to that many cores (the same ones), so that neither's threads disturb the
other's measurement: while one works, the other sleeps. The first thing compared
is the result. Then the engines take turns, a burst each; the figure is the
median over all calls. The results are written as JSON, with the date and the
machine.

  bench.py                          those with a target, at 1 and 2 threads
  bench.py resnet50 --threads 1     some of them
  bench.py FILE.onnx --dim batch=4  any model, on random inputs; integers are 0 or
                                    1, or below N with --tokens N
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "Models"))

TOLERANCE = 1e-4
# Those whose latency has a target, from the model zoo: exported at opset 20.
TARGETS = ("resnet50", "mobilenet_v3_large", "bert_base", "gpt2")
PAUSE = 0.05


@dataclass
class Row:
    model: str
    threads: int
    shapes: dict[str, list[int]]
    error: float
    dlc_ms: float
    onnxruntime_ms: float
    ratio: float  # dlc's time through ONNX Runtime's
    calls: int
    dlc_compile_s: float


class DlcEngine:
    def __init__(self, path: str, threads: int, dims: list[str]):
        import dlc

        start = time.perf_counter()
        self.model = dlc.compile(path, dims=dims)
        self.setup_seconds = time.perf_counter() - start
        self.model.set_threads(threads)

    def run(self, feeds):
        return list(self.model.run(feeds).values())


class OrtEngine:
    def __init__(self, path: str, threads: int, dims: list[str]):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        start = time.perf_counter()
        self.session = ort.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.setup_seconds = time.perf_counter() - start

    def run(self, feeds):
        return self.session.run(None, feeds)


def _serve(kind, connection, cores, arguments) -> None:
    """An engine's process: answers "run" with results, a number with times."""
    os.sched_setaffinity(0, cores)
    try:
        engine = kind(*arguments)
        connection.send(engine.setup_seconds)
    except Exception as error:
        connection.send(RuntimeError(str(error)))
        return
    feeds = connection.recv()
    while (request := connection.recv()) is not None:
        if request == "run":
            try:
                connection.send(engine.run(feeds))
            except Exception as error:
                connection.send(RuntimeError(str(error)))
            continue
        times = []
        end = time.perf_counter() + request
        engine.run(feeds)  # Wakes the threads up.
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            engine.run(feeds)
            times.append(time.perf_counter() - start)
        connection.send(times)


class Remote:
    """An engine in a process of its own."""

    def __init__(self, kind, cores, arguments):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(kind, theirs, cores, arguments), daemon=True
        )
        self.process.start()
        theirs.close()
        self.setup_seconds = self.connection.recv()
        if isinstance(self.setup_seconds, Exception):
            raise self.setup_seconds

    def ask(self, request):
        self.connection.send(request)
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        self.connection.send(None)
        self.process.join()


def read_sizes(dims: list[str]) -> dict[str, int]:
    """The sizes of --dim."""
    sizes = {}
    for text in dims:
        name, _, size = text.partition("=")
        if not name or not size.isdecimal():
            raise SystemExit(f"--dim: expected NAME=N, got '{text}'")
        sizes[name] = int(size)
    return sizes


def read_shape(value, sizes: dict[str, int]) -> list[int]:
    """The shape of an input, whose dims may have their sizes from --dim."""
    shape = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if dim.HasField("dim_value"):
            shape.append(dim.dim_value)
        elif dim.dim_param in sizes:
            shape.append(sizes[dim.dim_param])
        elif f"{value.name}[{axis}]" in sizes:  # as dlc-compile names it
            shape.append(sizes[f"{value.name}[{axis}]"])
        else:
            name = dim.dim_param or f"{value.name}[{axis}]"
            raise SystemExit(
                f"input '{value.name}': the size of dim {axis} is open: "
                f"give it by --dim {name}=N"
            )
    return shape


def read_graph(path: str):
    """The graph of an ONNX file, without its external data."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(path, load_external_data=False).graph
    except OSError as error:
        raise SystemExit(f"cannot read '{path}': {error.strerror}") from None
    except DecodeError:
        raise SystemExit(f"'{path}' is no ONNX model") from None


def random_feeds(path: str, dims: list[str], tokens: int) -> dict[str, np.ndarray]:
    """Values for the inputs of a model: normal floats, integers below `tokens`."""
    import onnx

    from common import rng_for

    sizes = read_sizes(dims)
    graph = read_graph(path)
    weights = {initializer.name for initializer in graph.initializer}
    feeds = {}
    for value in graph.input:
        if value.name in weights:
            continue
        shape = read_shape(value, sizes)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        rng = rng_for(value.name, 0)
        if dtype.kind == "f":
            feeds[value.name] = rng.standard_normal(shape).astype(dtype)
        else:
            high = 2 if dtype.kind == "b" or "mask" in value.name else tokens
            feeds[value.name] = rng.integers(0, high, shape).astype(dtype)
    return feeds


def resolve(
    model: str, dims: list[str], tokens: int
) -> tuple[str, str, dict[str, np.ndarray]]:
    """The name, file and inputs of what the command line names."""
    if model.endswith(".onnx"):
        return Path(model).stem, model, random_feeds(model, dims, tokens)
    import light
    import zoo

    if model.startswith("light/"):
        path = str(light.make(model.removeprefix("light/")))
        return model, path, random_feeds(path, dims, tokens)
    folder = zoo.make(model, "opset20")
    path = str(folder / "model.onnx")
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    feeds = {
        value.name: np.load(folder / "data_0" / f"in_{k}.npy")
        for k, value in enumerate(graph.input)
    }
    return model, path, feeds


def bench(model: str, threads: int, options: argparse.Namespace) -> Row:
    """Measures one model at one number of threads."""
    from common import relative_error

    dims = options.dim
    name, path, feeds = resolve(model, dims, options.tokens)
    cores = sorted(os.sched_getaffinity(0))[:threads]
    if len(cores) < threads:
        raise SystemExit(f"expected {threads} cores, got {len(cores)}")
    try:
        engines = [
            Remote(kind, cores, (path, threads, dims))
            for kind in (DlcEngine, OrtEngine)
        ]
        for engine in engines:
            engine.connection.send(feeds)
        ours, theirs = (engine.ask("run") for engine in engines)
    except RuntimeError as error:  # of an engine that cannot take model or inputs
        raise SystemExit(f"{name}: {error}") from None
    error = max(relative_error(a, b) for a, b in zip(ours, theirs, strict=True))
    if error > TOLERANCE:
        raise SystemExit(f"{name}: wrong by {error:.1e}, not worth timing")
    times: list[list[float]] = [[], []]
    for _ in range(options.rounds):
        for engine, kept in zip(engines, times, strict=True):
            time.sleep(PAUSE)
            kept += engine.ask(options.burst)
    for engine in engines:
        engine.stop()
    medians = [statistics.median(kept) * 1e3 for kept in times]
    return Row(
        name,
        threads,
        {key: list(value.shape) for key, value in feeds.items()},
        error,
        round(medians[0], 4),
        round(medians[1], 4),
        round(medians[0] / medians[1], 4),
        min(map(len, times)),
        round(engines[0].setup_seconds, 3),
    )


def machine() -> dict[str, object]:
    """What a figure depends on besides the code."""
    import onnxruntime

    import dlc

    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "dlc": dlc.compiler_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=TARGETS, metavar="MODEL")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=N")
    parser.add_argument(
        "--tokens",
        type=int,
        default=2,
        metavar="N",
        help="integer inputs of a FILE.onnx are below N (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--burst", type=float, default=0.4, help="seconds")
    parser.add_argument("--output", type=Path, help="JSON; default: by the date")
    options = parser.parse_args()
    rows = []
    print(f"{'model':24}{'threads':>8}{'dlc ms':>10}{'ORT ms':>10}{'ratio':>8}")
    for model in options.models:
        for threads in options.threads:
            row = bench(model, threads, options)
            rows.append(asdict(row))
            print(
                f"{row.model:24}{threads:8}{row.dlc_ms:10.2f}"
                f"{row.onnxruntime_ms:10.2f}{row.ratio:8.2f}",
                flush=True,
            )
    now = datetime.datetime.now(datetime.UTC)
    results = ROOT / "benchmarks" / "results"
    output = options.output or results / f"{now:%Y-%m-%d-%H%M}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "schema": "dlc-bench-1",
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": rows,
    }
    output.write_text(json.dumps(report, indent=1) + "\n")
    print(output)


if __name__ == "__main__":
    main()
