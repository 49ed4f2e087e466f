# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""onnx's own backend tests as plain data: model, inputs, expected outputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")


@dataclass
class Case:
    """One test. `source` is onnx's own description of it, read when it runs."""

    kind: str
    source: object

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.source.name}"

    def model(self) -> onnx.ModelProto:
        return self.source.model or onnx.load(self._path())

    def data_sets(self, model: onnx.ModelProto) -> Iterator[tuple[list, list]]:
        """Pairs of inputs and expected outputs."""
        if self.source.data_sets is not None:
            for inputs, outputs in self.source.data_sets:
                yield [_array(v) for v in inputs], [_array(v) for v in outputs]
        elif self.kind == "real":
            yield self._light_data(model)
        else:
            for folder in sorted(self._path().parent.glob("test_data_set_*")):
                yield (
                    _load_all(folder, "input", model.graph.input),
                    _load_all(folder, "output", model.graph.output),
                )

    def _path(self) -> Path:
        if self.kind == "real":
            root = Path(onnx.__file__).parent.parent
            return root / self.source.url
        return Path(self.source.model_dir) / "model.onnx"

    def _light_data(self, model: onnx.ModelProto) -> tuple[list, list]:
        """The input arange(n) / n, and the outputs stored beside the model."""
        weights = {initializer.name for initializer in model.graph.initializer}
        inputs = []
        for value in model.graph.input:
            if value.name in weights:
                continue
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            size = int(np.prod(shape))
            inputs.append((np.arange(size) / size).reshape(shape).astype(np.float32))
        stem = self._path().with_suffix("")
        outputs = [
            _load(Path(f"{stem}_output_{k}.pb"), value.type)
            for k, value in enumerate(model.graph.output)
        ]
        return inputs, outputs


def with_dynamic_dims(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which each dim of each input is a symbol of its own.

    The length of an int64 vector stays: shapes, axes and sizes are such vectors, and
    theirs is the rank of another tensor.
    """
    dynamic = onnx.ModelProto()
    dynamic.CopyFrom(model)
    weights = {initializer.name for initializer in model.graph.initializer}
    for value in dynamic.graph.input:
        if value.name in weights or not value.type.HasField("tensor_type"):
            continue
        kind = value.type.tensor_type
        if kind.elem_type == onnx.TensorProto.INT64 and len(kind.shape.dim) == 1:
            continue
        for k, dim in enumerate(kind.shape.dim):
            dim.dim_param = f"{value.name}_{k}"
    for value in dynamic.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    return dynamic


def _array(value):
    """The NumPy form of what a node test holds."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value


def _load(path: Path, kind: onnx.TypeProto):
    readers = {
        "tensor_type": (onnx.TensorProto, numpy_helper.to_array),
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
    }
    proto, convert = readers[kind.WhichOneof("value")]
    message = proto()
    message.ParseFromString(path.read_bytes())
    return convert(message)


def _load_all(folder: Path, prefix: str, values) -> list:
    count = len(list(folder.glob(f"{prefix}_*.pb")))
    return [_load(folder / f"{prefix}_{k}.pb", values[k].type) for k in range(count)]


def load_cases() -> list[Case]:
    """All tests of all kinds, in the order of their keys."""
    with warnings.catch_warnings():
        # The generators of some node tests overflow on purpose.
        warnings.simplefilter("ignore")
        cases = [
            Case(kind, source)
            for kind in KINDS
            for source in load_model_tests(kind=kind)
        ]
    return sorted(cases, key=lambda case: case.key)
