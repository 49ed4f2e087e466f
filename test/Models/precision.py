# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks models whose products read a lower precision, on a GPU or the simulator.

The error of an output is max|y - r| / max|r|, where r comes from arithmetic in
f64. Right is at most twice the error of eager execution in that precision: for
bf16 and fp16 every tensor is rounded to it, whatever computes it; for tf32 the
operands of products are. That needs no PyTorch: ONNX Runtime runs the model
with roundings put between its nodes. `--torch` asks PyTorch instead, for models
that are made by it.

  precision.py mlp cnn minilm resnet50 [--precision=bf16] [--device=ptxsim]
  precision.py --torch resnet50 gpt2 llama
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import dlc
import light
import minilm
from common import relative_error, rng_for

PRECISIONS = ("bf16", "fp16", "tf32")
# Of eager execution's error.
MAX_RATIO = 2.0
PRODUCTS = ("MatMul", "Gemm", "Conv")
MINILM_SIZES = ((1, 7), (3, 40))
# Pixels on a side of ResNet-50's input; the last convolutions see 2 x 2.
RESNET_PIXELS = 64


@dataclass
class Check:
    """One output of one run."""

    model: str
    precision: str
    case: str
    output: str
    error: float
    eager: float

    @property
    def is_right(self) -> bool:
        return self.error <= MAX_RATIO * self.eager

    def __str__(self) -> str:
        verdict = "ok" if self.is_right else "WRONG"
        names = f"{self.model:10} {self.precision} {self.case:10} {self.output:20}"
        return f"{names} {self.error:.2e} eager {self.eager:.2e} {verdict}"


def to_double(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with f64 in place of f32."""
    double = onnx.ModelProto()
    double.CopyFrom(model)
    single, wide = TensorProto.FLOAT, TensorProto.DOUBLE

    def widen(tensor: TensorProto) -> None:
        if tensor.data_type == single:
            value = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))

    graph = double.graph
    for tensor in graph.initializer:
        widen(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == single:
            value.type.tensor_type.elem_type = wide
    for node in graph.node:
        for attribute in node.attribute:
            widen(attribute.t)
            if node.op_type == "Cast" and attribute.i == single:
                attribute.i = wide
    return double


def run_double(model: onnx.ModelProto, feeds: dict) -> dict[str, np.ndarray]:
    """The results in f64."""
    wide = {
        name: value.astype(np.float64) if value.dtype == np.float32 else value
        for name, value in feeds.items()
    }
    names = [output.name for output in model.graph.output]
    results = ReferenceEvaluator(to_double(model)).run(names, wide)
    return dict(zip(names, results, strict=True))


class _Rounder:
    """Puts roundings into a graph."""

    def __init__(self, model: onnx.ModelProto, precision: str):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.precision = precision
        self.nodes: list[onnx.NodeProto] = []
        self.count = 0
        inferred = onnx.shape_inference.infer_shapes(model).graph
        values = (*inferred.input, *inferred.output, *inferred.value_info)
        self.floats = {
            value.name
            for value in values
            if value.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        self.floats |= {
            tensor.name
            for tensor in inferred.initializer
            if tensor.data_type == TensorProto.FLOAT
        }

    def op(self, kind: str, *inputs: str, out: str = "", **attributes) -> str:
        self.count += 1
        out = out or f"rounded_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def round(self, name: str, out: str = "") -> str:
        if self.precision == "tf32":
            # Veltkamp's splitting: the upper 11 bits of the significand.
            scaled = self.op("Mul", name, "splitter")
            return self.op("Sub", scaled, self.op("Sub", scaled, name), out=out)
        kind = TensorProto.BFLOAT16 if self.precision == "bf16" else TensorProto.FLOAT16
        # Eager code uses the type's own lowest number in masks, not infinity.
        finite = self.op("Clip", name, "lowest", "highest")
        low = self.op("Cast", finite, to=kind)
        return self.op("Cast", low, to=TensorProto.FLOAT, out=out)

    def add(self, node: onnx.NodeProto) -> None:
        node = onnx.NodeProto.FromString(node.SerializeToString())
        if self.precision == "tf32":
            if node.op_type in PRODUCTS:
                for i in (0, 1):
                    node.input[i] = self.round(node.input[i])
            self.nodes.append(node)
            return
        outputs = [name for name in node.output if name in self.floats]
        for i, name in enumerate(node.output):
            if name in outputs:
                node.output[i] = name + "/exact"
        self.nodes.append(node)
        for name in outputs:
            self.round(name + "/exact", out=name)

    def run(self) -> onnx.ModelProto:
        graph = self.model.graph
        highest = {"tf32": 0.0, "fp16": 65504.0, "bf16": 2.0**128 - 2.0**120}
        weights = list(graph.initializer) if self.precision != "tf32" else []
        constants = {
            "splitter": 2.0**13 + 1,
            "lowest": -highest[self.precision],
            "highest": highest[self.precision],
        }
        for name, value in constants.items():
            tensor = numpy_helper.from_array(np.array(value, np.float32), name)
            graph.initializer.append(tensor)
        for tensor in weights:
            if tensor.data_type == TensorProto.FLOAT:
                name, tensor.name = tensor.name, tensor.name + "/exact"
                self.round(tensor.name, out=name)
        for node in graph.node:
            self.add(node)
        del graph.node[:]
        graph.node.extend(self.nodes)
        return self.model


def run_eager(model: onnx.ModelProto, precision: str, feeds: dict) -> dict:
    """The results of eager execution in `precision`."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    # Else casts there and back would go.
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    rounded = _Rounder(model, precision).run()
    session = ort.InferenceSession(
        rounded.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(names, feeds), strict=True))


def _tensor(name: str, shape: tuple[int, ...], scale: float = 1.0) -> TensorProto:
    value = rng_for(name, 0).standard_normal(shape) * scale
    return numpy_helper.from_array(value.astype(np.float32), name)


def make_mlp() -> onnx.ModelProto:
    """Three layers with odd sizes, a norm and a gate."""
    sizes = (72, 200, 96, 33)
    tensors = [
        _tensor(f"{kind}{i}", (a, b) if kind == "w" else (b,), a**-0.5)
        for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False))
        for kind in "wb"
    ]
    tensors += [_tensor("scale", (200,)), _tensor("shift", (200,))]
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h0"]),
        helper.make_node("LayerNormalization", ["h0", "scale", "shift"], ["n0"]),
        helper.make_node("Gemm", ["n0", "w1", "b1"], ["h1"]),
        helper.make_node("Sigmoid", ["h1"], ["s1"]),
        helper.make_node("Mul", ["h1", "s1"], ["g1"]),
        helper.make_node("Gemm", ["g1", "w2", "b2"], ["y"]),
    ]
    return _model(nodes, tensors, ("rows", 72), ("rows", 33))


def make_cnn() -> onnx.ModelProto:
    """Convolutions with strides, groups, dilation and a residual sum; a pool."""
    shapes = {
        "w0": (24, 3, 3, 3),
        "w1": (32, 24, 3, 3),
        "w2": (32, 16, 3, 3),
        "w3": (48, 32, 1, 1),
    }
    tensors = []
    for name, shape in shapes.items():
        tensors.append(_tensor(name, shape, float(np.prod(shape[1:])) ** -0.5))
        tensors.append(_tensor(name.replace("w", "b"), shape[:1], 0.1))
    tensors.append(_tensor("head", (48, 10), 48**-0.5))

    def conv(x: str, i: int, out: str, **attributes) -> onnx.NodeProto:
        return helper.make_node("Conv", [x, f"w{i}", f"b{i}"], [out], **attributes)

    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        conv("x", 0, "c0", **pads),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node(
            "MaxPool", ["r0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]
        ),
        conv("p0", 1, "c1", strides=[2, 2], **pads),
        helper.make_node("Relu", ["c1"], ["r1"]),
        conv("r1", 2, "c2", group=2, dilations=[2, 2], pads=[2, 2, 2, 2]),
        helper.make_node("Add", ["c2", "r1"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        conv("r2", 3, "c3"),
        helper.make_node("GlobalAveragePool", ["c3"], ["p3"]),
        helper.make_node("Flatten", ["p3"], ["f3"]),
        helper.make_node("MatMul", ["f3", "head"], ["y"]),
    ]
    return _model(nodes, tensors, (2, 3, 30, 26), (2, 10))


def make_resnet() -> onnx.ModelProto:
    """The light ResNet-50 on smaller images, up to its logits."""
    model = onnx.load(light.make("resnet50"))
    graph = model.graph
    dims = graph.input[0].type.tensor_type.shape.dim
    for dim in dims[2:]:
        dim.dim_value = RESNET_PIXELS
    for node in graph.node:
        if node.op_type == "AveragePool":
            node.op_type = "GlobalAveragePool"
            del node.attribute[:]
    softmax = graph.node.pop()
    graph.output[0].name = softmax.input[0]
    del graph.value_info[:]
    # Nothing in it changed its meaning since; the roundings need newer forms.
    model.opset_import[0].version = 17
    model.ir_version = 8
    return model


def _model(nodes, tensors, x_shape, y_shape) -> onnx.ModelProto:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", x_shape), ("y", y_shape))
    ]
    graph = helper.make_graph(nodes, "main", values[:1], values[1:], tensors)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _cases(name: str):
    """A model, its dims, and feeds by the name of a case."""
    if name == "minilm":
        import verify

        cases = {f"{b}x{s}": verify.minilm_feeds(b, s) for b, s in MINILM_SIZES}
        return onnx.load(minilm.make()), minilm.DIMS, cases
    if name == "resnet50":
        crop = light.model_input(name, 7)[:, :, :RESNET_PIXELS, :RESNET_PIXELS]
        model = make_resnet()
        feeds = {model.graph.input[0].name: np.ascontiguousarray(crop)}
        return model, None, {"64x64": feeds}
    if name == "cnn":
        x = rng_for("x", 1).standard_normal((2, 3, 30, 26)).astype(np.float32)
        return make_cnn(), None, {"2x3x30x26": {"x": x}}
    rows = {
        f"{n}x72": {"x": rng_for("x", n).standard_normal((n, 72)).astype(np.float32)}
        for n in (1, 50)
    }
    return make_mlp(), {"rows": (1, 64)}, rows


def check_model(
    name: str, precision: str, device: str, cases: tuple[str, ...] = ()
) -> Iterator[Check]:
    """Checks one of mlp, cnn, minilm and resnet50; `cases`: only those."""
    model, dims, feeds_of = _cases(name)
    compiled = dlc.compile(model, dims=dims, device=device, precision=precision)
    for case, feeds in feeds_of.items():
        if cases and case not in cases:
            continue
        exact = run_double(model, feeds)
        eager = run_eager(model, precision, feeds)
        for output, value in compiled.run(feeds).items():
            yield Check(
                name,
                precision,
                case,
                output,
                relative_error(value, exact[output]),
                relative_error(eager[output], exact[output]),
            )


def checks_of(options) -> Iterator[Check]:
    for name in options.models:
        for precision in options.precision or PRECISIONS:
            if options.torch:
                import torch_precision

                yield from torch_precision.check_model(name, precision, options.device)
            else:
                yield from check_model(name, precision, options.device)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--precision", action="append", choices=PRECISIONS)
    parser.add_argument("--device", default="ptxsim", help="ptxsim or cuda:N")
    parser.add_argument("--torch", action="store_true")
    start = time.perf_counter()
    wrong = count = 0
    for check in checks_of(parser.parse_args()):
        print(f"{time.perf_counter() - start:6.1f} s {check}", flush=True)
        wrong += not check.is_right
        count += 1
    print(f"{count - wrong} right, {wrong} wrong")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
