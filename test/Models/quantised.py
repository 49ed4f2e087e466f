# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models whose products are of 8-bit integers, made by ONNX Runtime's quantiser.

  resnet50-static   the light ResNet-50: scales of activations are measured on
                    the input that its weights were calibrated on, filters have
                    a scale for each output channel
  minilm-dynamic    MiniLM: scales of activations are computed in each run

Sums of 8-bit products are exact, but where a value lies between two steps, the
last bit of a float decides which one is next, and further layers see another
number. So results of two right programs differ, by how much ONNX Runtime shows:
it runs each model with and without its fusions.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

import light
import minilm
from common import cache_dir, cached

MODELS = ("resnet50-static", "minilm-dynamic")
# The first with a scale for each channel.
OPSET = 13


class OneCase(quantization.CalibrationDataReader):
    """What activations are measured on: one input."""

    def __init__(self, feeds: dict[str, np.ndarray]) -> None:
        self.cases = iter([feeds])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.cases, None)


def open_session(path: Path, has_fusions: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    if not has_fusions:
        level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _make_resnet50(folder: Path) -> onnx.ModelProto:
    source, target = folder / "source.onnx", folder / "target.onnx"
    quant_pre_process(str(light.make("resnet50")), source, skip_symbolic_shape=True)
    model = version_converter.convert_version(onnx.load(source), OPSET)
    onnx.save(model, source)
    quantization.quantize_static(
        source,
        target,
        OneCase({model.graph.input[0].name: light.model_input("resnet50")}),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return onnx.load(target)


def _make_minilm(folder: Path) -> onnx.ModelProto:
    target = folder / "target.onnx"
    quantization.quantize_dynamic(minilm.make(), target, per_channel=True)
    return onnx.load(target)


def _make(name: str) -> onnx.ModelProto:
    makers = {"resnet50-static": _make_resnet50, "minilm-dynamic": _make_minilm}
    logging.getLogger().setLevel(logging.ERROR)  # advice on models' preparation
    with tempfile.TemporaryDirectory() as folder:
        return makers[name](Path(folder))


def make(name: str) -> Path:
    """The path of a quantised model; made when missing."""
    return cached(cache_dir() / "quantised" / f"{name}.onnx", lambda: _make(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=MODELS, metavar="MODEL")
    for name in parser.parse_args().names:
        print(make(name), flush=True)


if __name__ == "__main__":
    main()
