# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The scripts around the build and the models, where they can go wrong unseen."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import onnx
import pytest
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper

import minilm
from common import relative_error


def load_script(name: str, folder: str = "utils"):
    spec = importlib.util.spec_from_file_location(
        name.replace("-", "_"), ROOT / folder / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


layers = load_script("check-layers")
bench = load_script("bench", "benchmarks")


@pytest.mark.parametrize(
    ("name", "line", "is_fine"),
    [
        ("lib/Transforms/A.cpp", '#include "Dialect/NN/NNOps.h"', True),
        ("lib/Transforms/A.cpp", '#include "Conversion/Passes.h"', False),
        ("lib/Conversion/NNToRT/A.cpp", '#include "Transforms/Passes.h"', False),
        ("lib/CostModel/A.cpp", '#include "llvm/Support/JSON.h"', True),
        ("lib/CostModel/A.cpp", '#include "mlir/IR/Value.h"', False),
        ("runtime/a.c", '#include "dlc/dlc.h"', True),
        ("runtime/a.c", '#include "llvm/ADT/STLExtras.h"', False),
        ("tools/dlc-run/main.c", '#include "Pipelines/Pipelines.h"', False),
        ("lib/Target/Binary/A.cpp", '#include "dlc/format.h"', True),
        ("lib/Elsewhere/A.cpp", "", False),
    ],
)
def test_layering(name, line, is_fine):
    findings = list(layers.check_includes(name, line))
    assert is_fine == (not findings), findings


def test_function_lengths():
    text = """
namespace n {
class C {
  int get() const {
    return 1; // }
  }
};
#define M(x) {
static int f(const char *s = "{") {
  if (s) {
    return '}';
  }
  return 0;
}
} // namespace n
"""
    found = [(name, lines) for name, _, lines in layers.cpp_functions(text)]
    assert found == [("get", 3), ("f", 6)]


def junit(outcomes: str) -> str:
    inside = {"p": "", "f": "<failure/>", "e": "<error/>", "s": "<skipped/>"}
    cases = "".join(f'<testcase name="{o}">{inside[o]}</testcase>' for o in outcomes)
    return f"<testsuites><testsuite>{cases}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("suites", "last_line", "code"),
    [
        ({"a": ("0", "pps"), "b": ("0", None)}, "3 passed, 0 failed", 0),
        ({"a": ("1", "pfe"), "b": ("0", "p")}, "2 passed, 2 failed", 1),
        # Ended badly without a failed test: that is one.
        ({"a": ("139", "pp"), "b": ("1", None)}, "2 passed, 2 failed", 1),
        # Nothing ran at all.
        ({"a": ("0", "s")}, "0 passed, 0 failed", 1),
    ],
)
def test_sum_of_suites(suites, last_line, code, tmp_path):
    for name, (status, outcomes) in suites.items():
        (tmp_path / f"{name}.status").write_text(status)
        if outcomes is not None:
            (tmp_path / f"{name}.xml").write_text(junit(outcomes))
    command = [sys.executable, ROOT / "utils" / "sum-tests.py", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.rstrip().splitlines()[-1] == last_line
    assert done.returncode == code


def test_relative_error():
    reference = np.array([1.0, -4.0, np.inf, np.nan])
    value = np.array([1.0, -4.2, np.inf, np.nan])
    assert relative_error(value, reference) == pytest.approx(0.05)
    assert relative_error(reference[::-1], reference) == np.inf
    assert relative_error(np.array([np.nan]), np.array([1.0])) == np.inf
    assert relative_error(np.zeros(3), np.zeros(3)) == 0.0
    with pytest.raises(ValueError, match="shape"):
        relative_error(np.zeros((3, 1)), np.zeros(3))


def test_minilm_file_is_the_network():
    """The file that stands for MiniLM agrees with a NumPy forward pass."""
    import onnxruntime as ort

    tokenizer = minilm.load_tokenizer()
    feeds = minilm.encode(tokenizer, ["A short one.", "And one that is longer."])
    assert 0 in feeds["attention_mask"]
    session = ort.InferenceSession(str(minilm.make()))
    for name, expected in minilm.reference(feeds).items():
        assert relative_error(session.run([name], feeds)[0], expected) <= 1e-5


def write_embedding(folder) -> str:
    """y = table[ids], with ten rows and an open length."""
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [None])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])
    table = numpy_helper.from_array(np.ones((10, 2), np.float32), "table")
    node = helper.make_node("Gather", ["table", "ids"], ["y"])
    graph = helper.make_graph([node], "embedding", [ids], [y], [table])
    path = folder / "embedding.onnx"
    onnx.save(helper.make_model(graph), path)
    return str(path)


def test_bench_draws_inputs_of_any_model(tmp_path):
    path = write_embedding(tmp_path)
    ids = bench.random_feeds(path, ["ids[0]=1000"], 10)["ids"]
    assert ids.shape == (1000,) and set(ids) == set(range(10))


@pytest.mark.parametrize(
    ("name", "dims", "message"),
    [
        ("embedding.onnx", [], r"'ids': .* --dim ids\[0\]=N"),
        ("embedding.onnx", ["ids"], "expected NAME=N, got 'ids'"),
        ("nowhere.onnx", [], "cannot read '.*nowhere.onnx': No such file"),
        ("broken.onnx", [], "broken.onnx' is no ONNX model"),
    ],
)
def test_bench_says_what_is_wrong(name, dims, message, tmp_path):
    write_embedding(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 9)
    with pytest.raises(SystemExit, match=message):
        bench.random_feeds(str(tmp_path / name), dims, 2)
