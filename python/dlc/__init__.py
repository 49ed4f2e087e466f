# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dlc: compiles ONNX models ahead of time and runs them.

    import dlc

    model = dlc.compile("model.onnx", dims={"batch": (1, 32)})
    y = model(x)                            # arrays in, array out
    results = model.run({"x": x})           # by name
    model.save("model.dlc")

    model = dlc.load("model.dlc")           # needs the runtime only

Arrays are NumPy arrays or anything that speaks DLPack, such as PyTorch tensors.
`dlc.onnx_backend` is an `onnx.backend.base.Backend`.
"""

from ._compiler import Inspection, Operator, compile, compiler_version, inspect
from ._model import Model, TensorSpec, load, version
from .errors import (
    Diagnostic,
    Error,
    InternalError,
    InvalidModelError,
    ResourceError,
    ShapeError,
    UnsupportedOpError,
    UsageError,
)

__all__ = [
    "Diagnostic",
    "Error",
    "Inspection",
    "InternalError",
    "InvalidModelError",
    "Model",
    "Operator",
    "ResourceError",
    "ShapeError",
    "TensorSpec",
    "UnsupportedOpError",
    "UsageError",
    "compile",
    "compiler_version",
    "inspect",
    "load",
    "onnx_backend",
    "version",
]


def __getattr__(name: str):
    # Imports onnx, which a user of dlc.load need not have.
    if name == "onnx_backend":
        from ._onnx_backend import DlcBackend

        return DlcBackend
    raise AttributeError(f"module 'dlc' has no attribute {name!r}")
