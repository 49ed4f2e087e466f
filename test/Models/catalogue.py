# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""All models of the tests by name: light/NAME, minilm, quantised/NAME, and
zoo/NETWORK-VARIANT, which only PyTorch can make."""

from __future__ import annotations

from pathlib import Path

import light
import minilm
import quantised
import zoo


def names() -> list[str]:
    found = [f"light/{name}" for name in light.MODELS] + ["minilm"]
    found += [f"quantised/{name}" for name in quantised.MODELS]
    return found + [f"zoo/{network}-{variant}" for network, variant in zoo.variants()]


def make(name: str) -> tuple[Path, dict[str, tuple[int, int]]]:
    """A model's file, made when missing, and the ranges of its dims."""
    group, _, one = name.partition("/")
    if group == "light":
        return light.make(one), {}
    if group == "minilm":
        return minilm.make(), minilm.DIMS
    if group == "quantised":
        return quantised.make(one), minilm.DIMS if one.startswith("minilm") else {}
    network, _, variant = one.partition("-")
    return zoo.make(network, variant) / "model.onnx", zoo.dims_of(network, variant)
