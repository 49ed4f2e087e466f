# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lower precisions against PyTorch: f64 and eager execution of the same module.

PyTorch on a CPU knows no tf32: there the operands of each product are rounded
to its 10 bits of significand before it, and sums are f32, as GPUs do it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import dlc
from common import cache_dir, relative_error
from networks import build
from precision import Check

SEED = 0
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.float32}
# Options of the networks, and the sizes that they run at.
MODELS = {
    "resnet50": ({}, {"batch": 1}),
    "gpt2": ({"layers": 2}, {"batch": 1, "sequence": 32}),
    "llama": ({"layers": 2}, {"batch": 1, "sequence": 32}),
}


class RoundProducts(TorchDispatchMode):
    """Rounds what products multiply to tf32."""

    PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::convolution")

    @staticmethod
    def round(value):
        if not isinstance(value, torch.Tensor) or value.ndim < 2:
            return value
        bits = value.contiguous().view(torch.int32)
        # To the nearest; ties away from zero, as cvt.rna.
        return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._schema.name in self.PRODUCTS:
            args = [self.round(value) for value in args]
        return function(*args, **(kwargs or {}))


@cache
def make(name: str):
    """A network, inputs, the exported file, and the results in f64."""
    options, sizes = MODELS[name]
    network = build(name, SEED, **options)
    torch.manual_seed(SEED)
    inputs = network.make_inputs(sizes)
    path = cache_dir() / "precision" / f"{name}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with torch.no_grad():
            program = torch.onnx.export(
                network.module,
                inputs,
                dynamo=True,
                opset_version=20,
                input_names=network.input_names,
                output_names=network.output_names,
                verbose=False,
            )
        program.save(path)
    exact = run(network.module, inputs, torch.float64)
    return network, inputs, path, exact


def run(module, inputs, kind: torch.dtype) -> np.ndarray:
    """The first output of the module in another type."""
    changed = copy.deepcopy(module).to(kind)
    values = [x.to(kind) if x.is_floating_point() else x for x in inputs]
    with torch.no_grad():
        result = changed(*values)
    result = result[0] if isinstance(result, tuple) else result
    return result.double().numpy()


def run_eager(module, inputs, precision: str) -> np.ndarray:
    if precision != "tf32":
        return run(module, inputs, TYPES[precision])
    # Attention in parts, so that its products are seen.
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH), RoundProducts():
        return run(module, inputs, torch.float32)


def check_model(name: str, precision: str, device: str) -> Iterator[Check]:
    """Checks a network of MODELS."""
    network, inputs, path, exact = make(name)
    eager = run_eager(network.module, inputs, precision)
    model = dlc.compile(path, device=device, precision=precision)
    feeds = {
        spec.name: value.numpy()
        for spec, value in zip(model.inputs, inputs, strict=True)
    }
    output = network.output_names[0]
    case = "x".join(str(size) for size in inputs[0].shape)
    yield Check(
        name,
        precision,
        case,
        output,
        relative_error(model.run(feeds)[output], exact),
        relative_error(eager, exact),
    )
