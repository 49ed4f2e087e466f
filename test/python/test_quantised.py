# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models that ONNX Runtime's quantiser made, on the CPU and the simulator, against
ONNX Runtime without fusions: sums of 8-bit products are exact, so that results
of a few layers differ by roundings to the next step at most."""

from __future__ import annotations

import logging
import os

import onnx
import pytest
from conftest import run_in_child
from onnxruntime import quantization

import dlc
import precision
import quantised
import verify
from common import relative_error
from quantised import OneCase, open_session

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
QDQ = quantization.QuantFormat.QDQ
UINT8, INT8 = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
# A step of an output is about a hundredth of its range.
TOLERANCE = 0.03


def static(activations, per_channel: bool):
    def quantise(source, target, feeds) -> None:
        quantization.quantize_static(
            source,
            target,
            OneCase(feeds),
            quant_format=QDQ,
            per_channel=per_channel,
            activation_type=activations,
            weight_type=INT8,
        )

    return quantise


def dynamic(source, target, feeds) -> None:
    quantization.quantize_dynamic(source, target, per_channel=True)


FORMS = {
    "uint8": static(UINT8, True),
    "int8": static(INT8, True),
    "per-tensor": static(UINT8, False),
    "dynamic": dynamic,
}


@pytest.mark.parametrize("device", ["cpu", "ptxsim"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_quantised(name, form, device, tmp_path):
    os.environ["PTXSIM_RACE"] = "1"
    logging.getLogger().setLevel(logging.ERROR)  # advice on models' preparation
    model, dims, cases = precision._cases(name)
    feeds = list(cases.values())[-1]
    source, target = tmp_path / "source.onnx", tmp_path / "quantised.onnx"
    onnx.save(model, source)
    FORMS[form](source, target, feeds)
    session = open_session(target, has_fusions=False)
    (expected,) = session.run(["y"], feeds)
    result = dlc.compile(target, dims=dims, device=device).run(feeds)["y"]
    assert relative_error(result, expected) <= TOLERANCE


def check_model(name, device) -> None:
    verify.device = device
    wrong = [str(c) for c in verify.check_quantised(name) if not c.is_right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("device", ["cpu", "ptxsim"])
@pytest.mark.parametrize("name", quantised.MODELS)
def test_whole_model(name, device):
    run_in_child(check_model, name, device)
