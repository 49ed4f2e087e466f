# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The model zoo: networks exported from PyTorch, with PyTorch's own results.

Each model is a folder `zoo/NAME-VARIANT` in the cache:
  model.onnx (and model.onnx.data where weights are external)
  data_0/ in_0.npy ... out_0.npy ...   inputs and PyTorch's outputs

Variants: `opset20`, `opset23`; `opset20-bn` keeps BatchNormalization, which the
exporter folds otherwise; `dynamic` has named dims batch and sequence and five
data folders; `anonymous` is BERT with Dim.DYNAMIC, whose dims get a different
name on each input. A model that ONNX Runtime and PyTorch disagree on is no
test of dlc, so that is checked here, at 1e-4.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx

from common import cache_dir, relative_error

SEED = 0
TOLERANCE = 1e-4
IMAGE_MODELS = ("resnet50", "mobilenet_v3_large", "efficientnet_b0")
TOKEN_SIZES = ((1, 1), (1, 13), (2, 64), (3, 37), (5, 128))
DYNAMIC_SIZES = {
    "bert_base": [{"batch": b, "sequence": s} for b, s in TOKEN_SIZES],
    "gpt2": [{"batch": b, "sequence": s} for b, s in TOKEN_SIZES],
    "resnet50": [{"batch": b} for b in (1, 2, 3, 5, 8)],
}
# A dynamic model's fixed sizes are those of its first data folder.
STATIC_SIZES = {"batch": 1}


def variants() -> list[tuple[str, str]]:
    """All (network, variant) pairs of the zoo."""
    from networks import NETWORKS

    pairs = [(name, f"opset{opset}") for name in NETWORKS for opset in (20, 23)]
    pairs += [(name, "opset20-bn") for name in IMAGE_MODELS]
    pairs += [(name, "dynamic") for name in DYNAMIC_SIZES]
    return [*pairs, ("bert_base", "anonymous")]


def dims_of(name: str, variant: str) -> dict[str, tuple[int, int]]:
    """The ranges of a model's named dims, which hold all of its inputs."""
    if variant != "dynamic":
        return {}
    sizes = DYNAMIC_SIZES[name]
    return {dim: (1, max(case[dim] for case in sizes)) for dim in sizes[0]}


def folder_of(name: str, variant: str) -> Path:
    return cache_dir() / "zoo" / f"{name}-{variant}"


def _dynamic_shapes(network, variant: str):
    """What torch.onnx.export takes as dynamic_shapes, for First's *inputs."""
    import torch

    if variant not in ("dynamic", "anonymous"):
        return None
    symbols = {}
    shapes = []
    for dims in network.dims:
        if variant == "anonymous":
            shapes.append({axis: torch.export.Dim.DYNAMIC for axis in dims})
            continue
        shapes.append(
            {
                axis: symbols.setdefault(name, torch.export.Dim(name, max=512))
                for axis, name in dims.items()
            }
        )
    is_varargs = hasattr(network.module, "names")
    return (tuple(shapes),) if is_varargs else tuple(shapes)


def _export(name: str, variant: str, folder: Path) -> None:
    import torch

    from networks import build

    network = build(name, SEED)
    is_dynamic = variant in ("dynamic", "anonymous")
    opset = int(variant[5:7]) if variant.startswith("opset") else 20
    sizes = network.sizes if is_dynamic else network.sizes | STATIC_SIZES
    example = network.make_inputs(sizes)
    with torch.no_grad():
        program = torch.onnx.export(
            network.module,
            example,
            dynamo=True,
            opset_version=opset,
            input_names=network.input_names,
            output_names=network.output_names,
            dynamic_shapes=_dynamic_shapes(network, variant),
            optimize=not variant.endswith("-bn"),
            verbose=False,
        )
        # One with external data, so that such files are seen too.
        program.save(folder / "model.onnx", external_data=name == "gpt2")
        for index, case in enumerate(DYNAMIC_SIZES[name] if is_dynamic else [sizes]):
            inputs = network.make_inputs(case)
            results = network.module(*inputs)
            results = results if isinstance(results, tuple) else (results,)
            data = folder / f"data_{index}"
            data.mkdir()
            for kind, tensors in (("in", inputs), ("out", results)):
                for k, tensor in enumerate(tensors):
                    np.save(data / f"{kind}_{k}.npy", tensor.numpy())
    _check(folder, opset, variant)


def _check(folder: Path, opset: int, variant: str) -> None:
    """Checks the file: its opset, its operators, and ONNX Runtime's results."""
    import onnxruntime as ort

    path = folder / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    found = {entry.domain: entry.version for entry in model.opset_import}
    assert found.get("") == opset, f"{path}: expected opset {opset}, got {found}"
    if variant.endswith("-bn"):
        kept = any(node.op_type == "BatchNormalization" for node in model.graph.node)
        assert kept, f"{path}: expected BatchNormalization nodes"
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for data in sorted(folder.glob("data_*")):
        feeds = {
            value.name: np.load(data / f"in_{k}.npy")
            for k, value in enumerate(session.get_inputs())
        }
        for k, result in enumerate(session.run(None, feeds)):
            error = relative_error(result, np.load(data / f"out_{k}.npy"))
            assert error <= TOLERANCE, f"{data}: ONNX Runtime's error is {error:.1e}"


def make(name: str, variant: str) -> Path:
    """The folder of one exported model; made when missing."""
    folder = folder_of(name, variant)
    if folder.exists():
        return folder
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        _export(name, variant, beside)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        gc.collect()
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="NAME[-VARIANT]")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    wanted = [
        (name, variant)
        for name, variant in variants()
        if not options.models or {name, f"{name}-{variant}"} & set(options.models)
    ]
    if not wanted:
        parser.error(f"expected a model of the zoo, got {options.models}")
    for name, variant in wanted:
        print(make(name, variant), flush=True)


if __name__ == "__main__":
    main()
