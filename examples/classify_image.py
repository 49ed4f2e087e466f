# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles ResNet-50 to a file, loads it, and compares with ONNX Runtime.

The architecture is that of the onnx wheel's `light` model; its weights are
random, so the classes mean nothing, but every layer does its full work.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "Models"))

import dlc  # noqa: E402
import light  # noqa: E402
from common import relative_error  # noqa: E402
from timing import interleaved  # noqa: E402


def main() -> int:
    path = light.make("resnet50")
    print(f"model     {path} ({path.stat().st_size >> 20} MiB)")
    binary = path.with_suffix(".dlc")
    start = time.perf_counter()
    dlc.compile(path, output=binary)
    print(f"compiled  in {time.perf_counter() - start:.1f} s: {binary}")
    model = dlc.load(binary)
    print(
        f"loaded    {model}: {model.weights_bytes / 2**20:.1f} MiB of weights, "
        f"{(model.arena_bytes or 0) / 2**20:.2f} MiB for activations"
    )
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    image = light.model_input("resnet50")
    feeds = {session.get_inputs()[0].name: image}
    result, reference = model(image), session.run(None, feeds)[0]
    error = relative_error(result, reference)
    print(f"classes   {np.argsort(-result.ravel())[:5]} from dlc")
    print(f"          {np.argsort(-reference.ravel())[:5]} from ONNX Runtime")
    ours, theirs = interleaved([lambda: model(image), lambda: session.run(None, feeds)])
    print(f"\n{'shape':>16}{'error':>10}{'dlc':>12}{'ONNX Runtime':>16}")
    shape = "x".join(map(str, image.shape))
    print(f"{shape:>16}{error:10.1e}{ours * 1e3:9.2f} ms{theirs * 1e3:13.2f} ms")
    if error > 1e-4:
        print(f"dlc and ONNX Runtime disagree by {error:.1e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
