# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The nine `light` models of the onnx wheel, with random weights.

The wheel's files hold real architectures whose weights are made by
ConstantOfShape nodes, all of one value, so that any two channels are equal and
most mistakes cancel out. Here every such weight and every tensor of a
BatchNormalization becomes a seeded random initializer.

Drawn blindly, activations vanish or explode after some 20 layers, and what is
left hardly depends on the input: each ReLU adds a mean that soon outweighs all
else. So the model is walked node by node on a random input. Each filter is
scaled for an output deviation near 1 (as in Mishkin & Matas, "All you need is a
good init", 2015), and each bias or running mean is drawn around the mean that
its channel has. What comes from the data is rounded coarsely (to powers of two
and to 64ths), so that two machines make the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from common import cache_dir, cached, rng_for

MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
SEED = 0
# The standard deviation of what goes into the last Softmax.
LOGIT_STD = 2.0


def wheel_path(name: str) -> Path:
    """The wheel's own file of a light model."""
    data = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return data / f"light_{name}.onnx"


def model_input(name: str, seed: int = SEED) -> np.ndarray:
    """An input of 1x3x224x224, patches and noise; `seed` was calibrated on."""
    rng = rng_for(f"{name}.input", seed)
    patches = np.kron(rng.standard_normal((1, 3, 14, 14)), np.ones((16, 16)))
    noise = rng.standard_normal((1, 3, 224, 224))
    return (patches + 0.5 * noise).astype(np.float32)


def _run_node(
    node: onnx.NodeProto, values: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Evaluates one node in ONNX Runtime."""
    feeds = {name: values[name] for name in node.input if name}
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in feeds.items()
    ]
    names = [name for name in node.output if name][:1]
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    model = helper.make_model(
        helper.make_graph([node], "node", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 9)],
        ir_version=8,
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return dict(zip(names, session.run(names, feeds), strict=True))


def _random_tensor(node: onnx.NodeProto, index: int, name: str, shape, seed: int):
    """A value for operand `index` of `node`, not yet scaled to the data."""
    rng = rng_for(name, seed)
    if node.op_type == "BatchNormalization":
        scale, offset, mean, variance = 1, 2, 3, 4
        values = {
            scale: rng.uniform(0.5, 1.5, shape),
            offset: rng.normal(0.0, 0.3, shape),
            mean: rng.normal(0.0, 0.3, shape),
            variance: rng.uniform(0.5, 1.5, shape),
        }[index]
    elif node.op_type in ("Conv", "Gemm") and index == 2:
        values = rng.normal(0.0, 0.1, shape)
    elif node.op_type in ("Conv", "Gemm"):
        fan_in = np.prod(shape[1:])
        values = rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
    else:
        # Per-channel scales and offsets spelled as Mul and Add.
        middle = 1.0 if node.op_type == "Mul" else 0.0
        values = middle + rng.uniform(-0.5, 0.5, shape)
    return values.astype(np.float32)


def _channel_means(value: np.ndarray) -> np.ndarray:
    """The mean of each channel of an NCHW value, rounded to 64ths."""
    means = value.mean(axis=(0, 2, 3), dtype=np.float64)
    return (np.round(means * 64) / 64).astype(np.float32)


class _Randomizer:
    """Walks one model in order, giving each weight a value when it is met."""

    def __init__(self, name: str, seed: int):
        self.model = onnx.load(wheel_path(name))
        self.seed = seed
        graph = self.model.graph
        self.values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.weight_shapes = {
            node.output[0]: tuple(self.values[node.input[0]])
            for node in graph.node
            if node.op_type == "ConstantOfShape"
        }
        data = [i.name for i in graph.input if i.name not in self.values]
        assert len(data) == 1, data
        self.values[data[0]] = model_input(name, seed)
        self.data_name = data[0]
        self.last_use = {
            name: index for index, node in enumerate(graph.node) for name in node.input
        }
        # A weight that goes through Unsqueeze belongs to the reader behind it.
        self.unsqueezes = {
            node.output[0]: node
            for node in graph.node
            if node.op_type == "Unsqueeze" and node.input[0] in self.weight_shapes
        }
        self.weights: dict[str, np.ndarray] = {}

    def _assign(self, node: onnx.NodeProto) -> None:
        for index, operand in enumerate(node.input):
            unsqueeze = self.unsqueezes.get(operand)
            weight = unsqueeze.input[0] if unsqueeze else operand
            is_norm = node.op_type == "BatchNormalization" and index > 0
            if weight in self.weights or not (weight in self.weight_shapes or is_norm):
                continue
            shape = self.weight_shapes.get(weight)
            if shape is None:
                shape = self.values[weight].shape
            value = _random_tensor(node, index, weight, shape, self.seed)
            self.weights[weight] = self.values[weight] = value
            if unsqueeze:
                self.values |= _run_node(unsqueeze, self.values)

    def _calibrate(self, node: onnx.NodeProto, is_last: bool) -> None:
        """Scales a contraction's filter and centres its output with its bias."""
        filter_name, output_name = node.input[1], node.output[0]
        if filter_name not in self.weights:
            return
        output = self.values[output_name]
        target = LOGIT_STD if is_last else 1.0
        factor = np.float32(2.0 ** np.round(np.log2(target / np.std(output))))
        self.weights[filter_name] *= factor
        bias_name = node.input[2] if len(node.input) > 2 else ""
        if bias_name in self.weights and output.ndim == 4 and not is_last:
            self.weights[bias_name] -= _channel_means(output) * factor
        self.values |= _run_node(node, self.values)

    def _center(self, node: onnx.NodeProto) -> None:
        """Moves the running mean of a BatchNormalization to its data."""
        mean, variance = node.input[3], node.input[4]
        data = self.values[node.input[0]]
        self.weights[mean] += _channel_means(data)
        spread = np.round(np.log2(np.var(data, axis=(0, 2, 3)) + 1e-3))
        self.weights[variance] *= np.float32(2.0) ** spread.astype(np.float32)
        self.values |= _run_node(node, self.values)

    def run(self) -> onnx.ModelProto:
        graph = self.model.graph
        contractions = [n for n in graph.node if n.op_type in ("Conv", "Gemm")]
        for index, node in enumerate(graph.node):
            if node.op_type == "ConstantOfShape" or node.output[0] in self.unsqueezes:
                continue
            self._assign(node)
            self.values |= _run_node(node, self.values)
            if node.op_type in ("Conv", "Gemm"):
                self._calibrate(node, is_last=node is contractions[-1])
            elif node.op_type == "BatchNormalization":
                self._center(node)
            for name in node.input:
                if self.last_use[name] == index and name not in self.weights:
                    self.values.pop(name, None)
        self._write_back()
        return self.model

    def _write_back(self) -> None:
        graph = self.model.graph
        nodes = [n for n in graph.node if n.op_type != "ConstantOfShape"]
        used = {name for node in nodes for name in node.input}
        kept = [
            i
            for i in graph.initializer
            if i.name in used and i.name not in self.weights
        ]
        made = [numpy_helper.from_array(v, n) for n, v in self.weights.items()]
        data = [i for i in graph.input if i.name == self.data_name]
        for field, items in (
            ("node", nodes),
            ("initializer", kept + made),
            ("input", data),
        ):
            graph.ClearField(field)
            getattr(graph, field).extend(items)
        # From IR 4 on an initializer need not be an input that a caller may
        # override, which is what lets a compiler fold it.
        self.model.ir_version = 8


def make(name: str, seed: int = SEED) -> Path:
    """The path of a light model with random weights; made when missing."""
    path = cache_dir() / "light" / f"{name}-seed{seed}.onnx"
    return cached(path, lambda: _Randomizer(name, seed).run())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    for name in options.names:
        print(make(name, options.seed), flush=True)


if __name__ == "__main__":
    main()
