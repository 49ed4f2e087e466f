# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the model scripts share: the cache folder, seeded values, the error.

Models are never checked in. Each is made from a seed and kept in the cache
folder, `build/models` unless DLC_MODELS says otherwise. A file is written
beside its place and then renamed, so a broken run leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

ROOT = Path(__file__).resolve().parents[2]


def find_cuda_tool(name: str) -> str | None:
    """ptxas or nvdisasm: of NVIDIA's packages beside this Python, or of PATH."""
    places = Path(sys.prefix).glob(f"lib/python*/site-packages/nvidia/cu*/bin/{name}")
    return next(map(str, places), None) or shutil.which(name)


def cache_dir() -> Path:
    """The folder that holds the made models; it is created when missing."""
    path = Path(os.environ.get("DLC_MODELS", ROOT / "build" / "models"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def rng_for(name: str, seed: int) -> np.random.Generator:
    """A generator for one tensor: its values depend on nothing but its name."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def cached(path: Path, make: Callable[[], onnx.ModelProto]) -> Path:
    """Makes a model and saves it, unless it is there already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(make().SerializeToString(deterministic=True))
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)
    return path


def relative_error(value: np.ndarray, reference: np.ndarray) -> float:
    """max|value - reference| / max|reference|, the error of one output.

    Equal infinities and NaNs at equal places count as no error; other
    non-finite values as an infinite one.
    """
    if value.shape != reference.shape:
        raise ValueError(f"expected shape {reference.shape}, got {value.shape}")
    if reference.size == 0:
        return 0.0
    value = np.asarray(value, np.float64)
    reference = np.asarray(reference, np.float64)
    finite = np.isfinite(reference)
    same = (value == reference) | (np.isnan(value) & np.isnan(reference))
    if not np.all(same[~finite]) or not np.all(np.isfinite(value[finite])):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = np.abs(reference[finite]).max()
    error = np.abs(value[finite] - reference[finite]).max()
    return float(error / scale) if scale > 0 else float(error)
