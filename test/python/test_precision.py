# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products in bf16, fp16 and tf32 on the simulator, against f64."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from conftest import run_in_child

import dlc
import minilm
import precision

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
DEVICE = "ptxsim"


def check(name: str, kind: str, *cases: str) -> None:
    checks = list(precision.check_model(name, kind, DEVICE, cases))
    wrong = [str(c) for c in checks if not c.is_right]
    assert checks
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", precision.PRECISIONS)
@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet50"])
def test_small_model(name, kind):
    run_in_child(check, name, kind)


def test_minilm_in_bf16():
    run_in_child(check, "minilm", "bf16", "3x40")


def check_sizes(folder) -> None:
    sizes = {}
    for kind in ("fp32", "bf16"):
        path = folder / f"{kind}.dlc"
        dlc.compile(
            minilm.make(),
            device=DEVICE,
            precision=kind,
            dims={"batch": 1, "sequence": 8},
            output=path,
        )
        sizes[kind] = path.stat().st_size
    assert sizes["bf16"] < 0.55 * sizes["fp32"]


def test_weights_take_half_the_space(tmp_path):
    run_in_child(check_sizes, tmp_path)


def check_both(path) -> None:
    model = precision.make_mlp()
    x = np.ones((2, 72), np.float32)
    exact = precision.run_double(model, {"x": x})["y"]
    dlc.compile(model, target="cuda,cpu", device="cpu", precision="bf16", output=path)
    for device, least, most in (("cpu", 0.0, 1e-5), (DEVICE, 1e-5, 1e-1)):
        result = dlc.load(path, device=device).run({"x": x})["y"]
        error = precision.relative_error(result, exact)
        assert least <= error <= most, f"{device}: {error:.1e}"


def test_cpu_variant_stays_in_fp32(tmp_path):
    run_in_child(check_both, tmp_path / "mlp.dlc")


def check_refused() -> None:
    with pytest.raises(dlc.UsageError, match="needs the target 'cuda'"):
        dlc.compile(precision.make_mlp(), target="cpu", precision="bf16")
    with pytest.raises(dlc.UsageError, match="expected 'fp32', 'tf32'"):
        dlc.compile(precision.make_mlp(), device=DEVICE, precision="fp8")


def test_wrong_precision_is_refused():
    run_in_child(check_refused)


def test_eager_is_worse_than_exact():
    """The yardstick itself: rounding errors of the size that a type has."""
    model = precision.make_mlp()
    assert isinstance(model, onnx.ModelProto)
    feeds = {"x": np.linspace(-1, 1, 72, dtype=np.float32).reshape(1, 72)}
    exact = precision.run_double(model, feeds)["y"]
    errors = {
        kind: precision.relative_error(
            precision.run_eager(model, kind, feeds)["y"], exact
        )
        for kind in precision.PRECISIONS
    }
    assert 1e-3 < errors["bf16"] < 3e-2
    assert 1e-4 < errors["fp16"] < 4e-3
    assert 5e-5 < errors["tf32"] < 2e-3
