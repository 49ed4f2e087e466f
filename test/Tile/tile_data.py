# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Elements of tile kernels: arrays of them in memory, and their values."""

from __future__ import annotations

import numpy as np

BYTES = {"bf16": 2, "f16": 2, "f32": 4, "i8": 1, "ui8": 1}
INTEGERS = {"i8": np.int8, "ui8": np.uint8, "i32": np.int32}
# Relative distance of a rounded value: half a unit in the last place.
ROUNDING = {"bf16": 2.0**-8, "f16": 2.0**-11, "f32": 2.0**-24}


def round_bf16(x: np.ndarray) -> np.ndarray:
    """float32 rounded to bf16, to nearest even, as float32."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))
    rounded = np.where(np.isnan(x), bits, rounded)
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def round_tf32(x: np.ndarray) -> np.ndarray:
    """float32 rounded to tf32, ties away from zero, as float32."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32) + np.uint32(0x1000)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


def store(x: np.ndarray, element: str) -> np.ndarray:
    """The array that holds `x` in memory; bf16 as 16-bit integers."""
    if element == "bf16":
        return (round_bf16(x).view(np.uint32) >> 16).astype(np.uint16)
    if element in INTEGERS:
        return x.astype(INTEGERS[element])
    return x.astype(np.float16 if element == "f16" else np.float32)


def load(x: np.ndarray, element: str) -> np.ndarray:
    """float64 of a stored array."""
    if element == "bf16":
        x = (x.astype(np.uint32) << 16).view(np.float32)
    return x.astype(np.float64)


def operand(x: np.ndarray, element: str) -> np.ndarray:
    """float64 of a stored array, as the tensor cores see it."""
    x = load(x, element)
    return round_tf32(x).astype(np.float64) if element == "f32" else x


def random(rng: np.random.Generator, shape, element: str) -> np.ndarray:
    if element == "i32":
        return rng.integers(-(10**6), 10**6, shape, np.int32)
    if element in INTEGERS:
        limits = np.iinfo(INTEGERS[element])
        return rng.integers(limits.min, limits.max, shape, limits.dtype, endpoint=True)
    return store(rng.standard_normal(shape), element)


def unwritten(shape, element: str) -> np.ndarray:
    """Memory with values that no one should see."""
    if element in INTEGERS:
        return np.full(shape, 0x55, INTEGERS[element])
    return store(np.full(shape, np.nan), element)
