# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention whose rows' sums are asked for, on tensor cores of the simulator."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from conftest import run_in_child

import dlc

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
# No ONNX operator has the logarithms as a result.
LOOPS = "(b, h, g, m, n, d, e)"
MODEL = f"""
func.func @main(%q: tensor<2x2x2x50x64xf32> {{nn.name = "q"}},
                %k: tensor<2x2x70x64xf32> {{nn.name = "k"}},
                %v: tensor<2x2x70x64xf32> {{nn.name = "v"}})
    -> (tensor<2x2x2x50x64xf32> {{nn.name = "y"}},
        tensor<2x2x2x50xf32> {{nn.name = "logs"}}) {{
  %y, %logs = nn.attention %q, %k, %v scale 1.25e-01 maps [
    affine_map<{LOOPS} -> (b, h, g, m, d)>, affine_map<{LOOPS} -> (b, h, n, d)>,
    affine_map<{LOOPS} -> (b, h, n, e)>, affine_map<{LOOPS} -> (b, h, g, m, e)>
  ] score {{
  }} mask {{
  }} : tensor<2x2x2x50x64xf32>, tensor<2x2x70x64xf32>, tensor<2x2x70x64xf32>
    -> tensor<2x2x2x50x64xf32>, tensor<2x2x2x50xf32>
  return %y, %logs : tensor<2x2x2x50x64xf32>, tensor<2x2x2x50xf32>
}}
"""


def check(path, error: float) -> None:
    os.environ["PTXSIM_RACE"] = "1"
    rng = np.random.default_rng(5)
    shapes = {"q": (2, 2, 2, 50, 64), "k": (2, 2, 70, 64), "v": (2, 2, 70, 64)}
    feeds = {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    results = dlc.load(path, device="ptxsim").run(feeds)
    q, k, v = (feeds[name].astype(np.float64) for name in "qkv")
    scores = np.einsum("bhgmd,bhnd->bhgmn", q, k) / 8
    logs = np.log(np.exp(scores).sum(-1))
    values = np.einsum("bhgmn,bhne->bhgme", np.exp(scores - logs[..., None]), v)
    np.testing.assert_allclose(results["logs"], logs, rtol=0, atol=error)
    np.testing.assert_allclose(results["y"], values, rtol=0, atol=2 * error)


# A score is the sum of 64 products over 8 of numbers around 1, each rounded: about
# as far off as one such number.
@pytest.mark.parametrize(
    ("precision", "error"),
    [("fp32", 2e-6), ("tf32", 1e-3), ("fp16", 1e-3), ("bf16", 8e-3)],
)
def test_logarithms_of_sums(tool, tmp_path, precision, error):
    source, binary = tmp_path / "attention.mlir", tmp_path / "attention.dlc"
    source.write_text(MODEL)
    command = [tool("dlc-compile"), source, "--from=graph", "--target=cuda"]
    command += [f"--precision={precision}", "-o", binary]
    subprocess.run(command, check=True)
    ptx = subprocess.run(
        [*command[:-2], "--emit=ptx", "-o", "-"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert ("mma.sync" in ptx) == (precision != "fp32")
    run_in_child(check, binary, error)
