# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models on devices other than the CPU, as far as no code for them is needed."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

import dlc
from dlc import _runtime


@pytest.fixture(scope="module")
def cpu_model(compiler, tmp_path_factory) -> str:
    """A model binary with code for the CPU only."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["y"])],
        "abs",
        [value("x", TensorProto.FLOAT, [3])],
        [value("y", TensorProto.FLOAT, [3])],
    )
    path = tmp_path_factory.mktemp("devices") / "abs.dlc"
    opset = [helper.make_opsetid("", 20)]
    dlc.compile(helper.make_model(graph, opset_imports=opset), output=path)
    return path


def test_device_names(runtime):
    def parse(name: str) -> tuple[int, int]:
        device = _runtime.parse_device(name)
        return device.device_type, device.device_id

    assert parse("cpu") == (_runtime.CPU, 0)
    assert parse("cuda") == (_runtime.CUDA, 0)
    assert parse("cuda:3") == (_runtime.CUDA, 3)
    assert parse("ptxsim:0") == (_runtime.PTXSIM, 0)
    for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cudas", "cuda:99999999999"]:
        with pytest.raises(dlc.UsageError, match="expected a device such as"):
            _runtime.parse_device(name)


def test_load_says_that_the_device_does_not_fit(cpu_model):
    assert dlc.load(cpu_model, device="cpu").inputs[0].name == "x"
    if not _runtime.is_present(_runtime.parse_device("ptxsim")):
        pytest.skip("libptxsim.so is not built")
    with pytest.raises(dlc.UnsupportedOpError, match="no code for CUDA.*--target=cuda"):
        dlc.load(cpu_model, device="ptxsim")


def test_missing_driver_names_the_remedy(cpu_model):
    if _runtime.is_present(_runtime.parse_device("cuda")):
        pytest.skip("a CUDA driver is here")
    with pytest.raises(dlc.UnsupportedOpError, match="install NVIDIA's driver"):
        dlc.load(cpu_model, device="cuda:0")


def test_onnx_backend_knows_what_is_there(runtime):
    backend = dlc.onnx_backend
    assert backend.supports_device("CPU")
    assert not backend.supports_device("TPU")
    present = _runtime.is_present(_runtime.parse_device("cuda"))
    assert backend.supports_device("CUDA:0") == present
    with pytest.raises(ValueError, match="got TPU"):
        backend.prepare(onnx.ModelProto(), "TPU")
