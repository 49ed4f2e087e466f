# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dlc.onnx_backend: dlc behind the interface of onnx's backend tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from ._compiler import compile
from ._model import Model
from ._runtime import is_present, parse_device
from .errors import UsageError


class DlcBackendRep(BackendRep):
    """A compiled model as onnx's tests run it."""

    def __init__(self, model: Model):
        self.model = model

    def run(self, inputs, **kwargs) -> tuple[np.ndarray, ...]:
        if isinstance(inputs, dict):
            results = self.model.run(inputs)
        else:
            arrays = inputs if isinstance(inputs, list | tuple) else [inputs]
            results = self.model.run(self.model.named(arrays))
        names = [spec.name for spec in self.model.outputs]
        return namedtupledict("Outputs", names)(*(results[name] for name in names))


class DlcBackend(Backend):
    """dlc as an onnx.backend.base.Backend."""

    @classmethod
    def is_compatible(cls, model, device: str = "CPU", **kwargs) -> bool:
        from ._compiler import inspect

        return cls.supports_device(device) and inspect(model).supported

    @classmethod
    def prepare(cls, model, device: str = "CPU", **kwargs) -> DlcBackendRep:
        if not cls.supports_device(device):
            raise ValueError(f"expected CPU, CUDA:N or PTXSIM, got {device}")
        return DlcBackendRep(compile(model, device=device.lower(), **kwargs))

    @classmethod
    def run_model(cls, model, inputs, device: str = "CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Sequence[np.ndarray],
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None,
        **kwargs,
    ):
        """Runs one node. Output types come from `outputs_info`, else inference."""
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())

        def info(name, dtype, shape):
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, kind, shape)

        arrays = {
            name: np.asarray(array)
            for name, array in zip(
                [name for name in node.input if name], inputs, strict=True
            )
        }
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        if outputs_info is not None:
            outputs = [
                info(o.name, *i) for o, i in zip(outputs, outputs_info, strict=True)
            ]
        graph = helper.make_graph(
            [node],
            "node",
            [info(name, a.dtype, a.shape) for name, a in arrays.items()],
            outputs,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid(node.domain, opset)]
        )
        if outputs_info is None:
            model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        return cls.run_model(model, arrays, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        try:
            return is_present(parse_device(device.lower()))
        except UsageError:
            return False
