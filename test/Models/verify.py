# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs models through dlc and compares with ONNX Runtime or stored results.

The error of an output is max|y - reference| / max|reference|; at most 1e-4 is
right, or, of quantised models, what ONNX Runtime's fusions change. Everything runs in
this process, over dlc's Python API.

  verify.py light             the nine light models; light/NAME for one
  verify.py minilm            MiniLM, over batch sizes and sequence lengths
  verify.py quantised         the models of 8-bit integers; quantised/NAME for one
  verify.py zoo               the exported models; zoo/NAME-VARIANT for one
  verify.py FILE.onnx ...     any model, on random inputs (--dim as dlc-compile)

--device=ptxsim and --device=cuda:0 check the code for GPUs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import catalogue
import dlc
import light
import minilm
import quantised
import zoo
from common import relative_error, rng_for

TOLERANCE = 1e-4
MINILM_SIZES = ((1, 1), (1, 7), (2, 16), (4, 37), (3, 255), (8, 128), (32, 256))


@dataclass
class Check:
    """One output of one run."""

    model: str
    case: str
    output: str
    error: float
    tolerance: float = TOLERANCE

    @property
    def is_right(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.is_right else "WRONG"
        names = f"{self.model:32} {self.case:12} {self.output:24}"
        return f"{names} {self.error:.1e} {verdict}"


device = "cpu"


def compile_timed(path: Path, dims=None) -> dlc.Model:
    start = time.perf_counter()
    model = dlc.compile(path, dims=dims, device=device)
    seconds = time.perf_counter() - start
    print(f"{path.parent.name}/{path.name}: {seconds:.1f} s to compile")
    return model


def _session(path: Path):
    import onnxruntime as ort

    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _compare(name: str, case: str, results: dict, references: dict) -> Iterator[Check]:
    for output, reference in references.items():
        yield Check(name, case, output, relative_error(results[output], reference))


def _against_session(name, path, dims, cases) -> Iterator[Check]:
    """Checks feeds (case name -> feeds) against ONNX Runtime."""
    model = compile_timed(path, dims)
    session = _session(path)
    names = [value.name for value in session.get_outputs()]
    for case, feeds in cases.items():
        references = dict(zip(names, session.run(names, feeds), strict=True))
        yield from _compare(name, case, model.run(feeds), references)


def check_light(name: str) -> Iterator[Check]:
    """A light model with random weights, on the input it was calibrated on and
    on one that it never saw."""
    path = light.make(name)
    value = _session(path).get_inputs()[0].name
    cases = {f"seed {s}": {value: light.model_input(name, s)} for s in (light.SEED, 7)}
    yield from _against_session(f"light/{name}", path, None, cases)


def minilm_feeds(batch: int, length: int) -> dict[str, np.ndarray]:
    """Random tokens; every row but the first is padded somewhere."""
    rng = rng_for(f"minilm {batch} {length}", 0)
    mask = np.ones((batch, length), np.int64)
    for row in range(1, batch):
        mask[row, rng.integers(1, length + 1) :] = 0
    return {
        "input_ids": rng.integers(0, 30522, (batch, length)),
        "attention_mask": mask,
        "token_type_ids": np.zeros((batch, length), np.int64),
    }


def check_minilm(sizes=MINILM_SIZES) -> Iterator[Check]:
    cases = {f"{b}x{s}": minilm_feeds(b, s) for b, s in sizes}
    yield from _against_session("minilm", minilm.make(), minilm.DIMS, cases)


def check_quantised(name: str) -> Iterator[Check]:
    """A quantised model, against ONNX Runtime without fusions, from which it may
    be twice as far as ONNX Runtime with them, or than two steps of a byte."""
    path, dims = catalogue.make(f"quantised/{name}")
    model = compile_timed(path, dims)
    plain, fused = (quantised.open_session(path, fusions) for fusions in (False, True))
    if dims:
        cases = {"1x7": minilm_feeds(1, 7), "4x37": minilm_feeds(4, 37)}
    else:
        value = model.inputs[0].name
        image = light.model_input(name.partition("-")[0], 7)
        cases = {"seed 7": {value: image}}
    for case, feeds in cases.items():
        results = model.run(feeds)
        for output in plain.get_outputs():
            (right,) = plain.run([output.name], feeds)
            (other,) = fused.run([output.name], feeds)
            tolerance = 2 * max(relative_error(other, right), 1 / 256)
            error = relative_error(results[output.name], right)
            yield Check(f"quantised/{name}", case, output.name, error, tolerance)


def check_zoo(name: str, variant: str) -> Iterator[Check]:
    """An exported model, against PyTorch's results."""
    folder = zoo.make(name, variant)
    model = compile_timed(folder / "model.onnx", zoo.dims_of(name, variant))
    for data in sorted(folder.glob("data_*")):
        feeds = {
            spec.name: np.load(data / f"in_{k}.npy")
            for k, spec in enumerate(model.inputs)
        }
        references = {
            spec.name: np.load(data / f"out_{k}.npy")
            for k, spec in enumerate(model.outputs)
        }
        case = "x".join(str(n) for n in next(iter(feeds.values())).shape)
        yield from _compare(folder.name, case, model.run(feeds), references)


def _random_feeds(model: dlc.Model, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Random values for any model: normal floats, and integers 0 and 1."""
    feeds = {}
    for spec in model.inputs:
        shape = [
            dim if isinstance(dim, int) else sizes.get(dim, max(1, low))
            for dim, (low, _) in zip(spec.shape, spec.ranges, strict=True)
        ]
        rng = rng_for(spec.name, 0)
        value = rng.standard_normal(shape) if spec.dtype.kind == "f" else None
        if value is None:
            value = rng.integers(0, 2, shape)
        feeds[spec.name] = value.astype(spec.dtype)
    return feeds


def check_file(path: Path, dims: list[str]) -> Iterator[Check]:
    model = compile_timed(path, dims)
    sizes = {}
    for dim in dims:
        name, _, spec = dim.partition("=")
        sizes[name] = int(spec.split(":")[-1].split("..")[-1])
    feeds = _random_feeds(model, sizes)
    session = _session(path)
    names = [value.name for value in session.get_outputs()]
    references = dict(zip(names, session.run(names, feeds), strict=True))
    yield from _compare(path.name, "random", model.run(feeds), references)


def checks_of(what: str, dims: list[str]) -> Iterator[Check]:
    """The checks of one argument of the command line."""
    group, _, one = what.partition("/")
    if what == "minilm":
        yield from check_minilm()
    elif group == "light":
        for name in [one] if one else light.MODELS:
            yield from check_light(name)
    elif group == "quantised":
        for name in [one] if one else quantised.MODELS:
            yield from check_quantised(name)
    elif group == "zoo" and "-" in one:
        name, _, variant = one.partition("-")
        yield from check_zoo(name, variant)
    elif group == "zoo":
        for name, variant in zoo.variants():
            if one in ("", name):
                yield from check_zoo(name, variant)
    else:
        yield from check_file(Path(what), dims)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=A..B")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:N or ptxsim")
    options = parser.parse_args()
    global device
    device = options.device
    wrong = count = 0
    for what in options.models:
        for check in checks_of(what, options.dim):
            print(check, flush=True)
            wrong += not check.is_right
            count += 1
    print(f"{count - wrong} right, {wrong} wrong")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
