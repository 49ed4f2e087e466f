# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Broken models bring one clear error, its exit code, and leave nothing behind."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from onnx import numpy_helper

import corpus

CASES = {case.name: case for case in corpus.cases()}


@pytest.fixture(scope="module")
def compile_bad(tool):
    """Runs dlc-compile on the model in a folder, into an output that exists."""
    program = tool("dlc-compile")

    def run(folder, arguments=()):
        output = folder / "out.dlc"
        output.write_bytes(b"the old file")
        done = subprocess.run(
            [program, folder / "model.onnx", "-o", output, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done, output

    return run


@pytest.mark.parametrize("name", CASES)
def test_is_refused(name, compile_bad, tmp_path):
    case = CASES[name]
    folder = tmp_path / "case"
    case.write(folder)
    done, output = compile_bad(folder, case.arguments)
    assert done.returncode == case.exit_code, done.stderr
    missing = [word for word in case.words if word not in done.stderr]
    assert not missing, done.stderr
    assert done.stderr.startswith("dlc-compile: ")
    assert "Stack dump" not in done.stderr
    assert output.read_bytes() == b"the old file"
    made = {path.name for path in folder.iterdir() if path.name.startswith("out.dlc")}
    assert made == {"out.dlc"}


def test_good_model_is_no_bad_input(compile_bad, tmp_path):
    """The model that the cases break would compile: each case has but its fault."""
    (tmp_path / "model.onnx").write_bytes(corpus.good_model().SerializeToString())
    done, output = compile_bad(tmp_path)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes()[:4] == b"\x7fELF"


def test_full_disk_keeps_the_old_file(tmp_path, tool):
    """A write that fails (here by a limit on file sizes) is a resource error."""
    model = corpus.good_model()
    weight = np.ones((1 << 18, 2, 3), np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    output = tmp_path / "out.dlc"
    output.write_bytes(b"the old file")
    # 1 MiB: the code fits, the 6 MiB of weights do not.
    limited = 'trap "" XFSZ; ulimit -f 1024; exec "$@"'
    program = tool("dlc-compile")
    done = subprocess.run(
        ["bash", "-c", limited, "bash", program, tmp_path / "model.onnx", "-o", output],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    assert "out.dlc" in done.stderr
    assert output.read_bytes() == b"the old file"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "out.dlc"]
