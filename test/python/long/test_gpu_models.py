# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""All models on the simulator, and those of the table through ptxas. Run by
test.sh --long."""

from __future__ import annotations

import pytest
from conftest import ROOT, check_ptx, run_in_child

import catalogue
import light
import verify
import zoo

pytestmark = pytest.mark.usefixtures("compiler")
TABLE = ROOT / "test" / "Models" / "ptx-sm_80.tsv"
RECORDED = [line.split("\t")[0] for line in TABLE.read_text().splitlines()[2:]]


def check_model(checks, *arguments) -> None:
    verify.device = "ptxsim"
    wrong = [str(check) for check in checks(*arguments) if not check.is_right]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", light.MODELS)
def test_light_model(simulator, name):
    run_in_child(check_model, verify.check_light, name)


@pytest.mark.parametrize(("name", "variant"), zoo.variants())
def test_exported_model(simulator, name, variant):
    # Made here: exporting starts threads that a forked process would miss.
    zoo.make(name, variant)
    run_in_child(check_model, verify.check_zoo, name, variant)


@pytest.mark.parametrize("name", RECORDED)
def test_ptxas(name):
    check_ptx(name)


def test_every_model_is_recorded():
    assert not set(catalogue.names()) - set(RECORDED)
