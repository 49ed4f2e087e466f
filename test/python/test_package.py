# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dlc.compile, dlc.Model and their errors, on small models."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import corpus
import dlc
import light

pytestmark = pytest.mark.usefixtures("compiler")


def small_model(batch: int | str = "batch"):
    """sum = a + b, product = a * b over f32[batch, 4]."""

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 4])

    graph = helper.make_graph(
        [
            helper.make_node("Add", ["a", "b"], ["sum"], name="add"),
            helper.make_node("Mul", ["a", "b"], ["product"], name="mul"),
        ],
        "small",
        [value("a"), value("b")],
        [value("sum"), value("product")],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )


@pytest.fixture(scope="module")
def model(compiler):
    return dlc.compile(small_model(), dims={"batch": (1, 16)})


def arrays(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(batch)
    return tuple(rng.standard_normal((2, batch, 4)).astype(np.float32))


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_call_by_position(model, batch):
    a, b = arrays(batch)
    total, product = model(a, b)
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(product, a * b)


def test_call_by_name(model):
    a, b = arrays(2)
    results = model.run({"b": b, "a": a})
    assert list(results) == ["sum", "product"]
    np.testing.assert_array_equal(results["sum"], a + b)
    np.testing.assert_array_equal(model(a, b=b)[0], a + b)


def test_compile_from_path_bytes_and_proto(tmp_path):
    a, b = arrays(2)
    path = tmp_path / "small.onnx"
    path.write_bytes(small_model(2).SerializeToString())
    for source in (path, str(path), path.read_bytes(), small_model(2)):
        np.testing.assert_array_equal(dlc.compile(source)(a, b)[0], a + b)


def test_specs(model):
    assert [spec.name for spec in model.inputs] == ["a", "b"]
    assert model.inputs[0].shape == ("batch", 4)
    assert model.inputs[0].ranges == ((1, 16), (4, 4))
    assert model.inputs[0].dtype == np.float32
    assert [spec.name for spec in model.outputs] == ["sum", "product"]


def test_save_and_load(model, tmp_path):
    a, b = arrays(4)
    path = tmp_path / "small.dlc"
    model.save(path)
    loaded = dlc.load(path, verify_weights=True)
    path.unlink()
    np.testing.assert_array_equal(loaded(a, b)[1], a * b)


def test_save_takes_external_weights_along(tool, tmp_path):
    weight = np.arange(300, dtype=np.float32).reshape(3, 100)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 100])],
        [numpy_helper.from_array(weight, "w")],
    )
    made, elsewhere = tmp_path / "made", tmp_path / "elsewhere"
    made.mkdir()
    elsewhere.mkdir()
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    (made / "m.onnx").write_bytes(model.SerializeToString())
    arguments = ["-o", made / "m.dlc", "--weights-file=external"]
    subprocess.run(
        [tool("dlc-compile"), made / "m.onnx", *arguments], check=True, timeout=60
    )
    dlc.load(made / "m.dlc").save(elsewhere / "copy.dlc")
    shutil.rmtree(made)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(dlc.load(elsewhere / "copy.dlc")(x), x @ weight)


def test_equal_input_gives_an_equal_binary(tmp_path):
    for name in ("one.dlc", "two.dlc"):
        dlc.compile(small_model(), output=tmp_path / name)
    assert (tmp_path / "one.dlc").read_bytes() == (tmp_path / "two.dlc").read_bytes()


def test_strided_and_swapped_inputs(model):
    a, b = arrays(6)
    wide = np.zeros((6, 8), np.float32)
    wide[:, ::2] = a
    backwards = np.ascontiguousarray(b[::-1])[::-1]
    np.testing.assert_array_equal(model(wide[:, ::2], backwards)[0], a + b)
    fortran, swapped = np.asfortranarray(a), b.astype(">f4")
    np.testing.assert_array_equal(model(fortran, swapped)[0], a + b)


def test_lists_become_the_inputs_type(model):
    total, _ = model([[1, 2, 3, 4]], [[1, 1, 1, 1]])
    np.testing.assert_array_equal(total, np.array([[2, 3, 4, 5]], np.float32))


class Dlpack:
    """Shares an array by DLPack only."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_in_and_out(model):
    a, b = arrays(5)
    total, _ = model(Dlpack(a), Dlpack(b))
    np.testing.assert_array_equal(np.from_dlpack(Dlpack(total)), a + b)


def test_torch_in_and_out(model):
    torch = pytest.importorskip("torch")
    a, b = (torch.from_numpy(array) for array in arrays(5))
    total, _ = model(a, b.T.contiguous().T)
    assert torch.equal(total, a + b)


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({"a": np.zeros((2, 4), "f")}, ["'b'"]),
        ({"a": np.zeros((2, 4), "f"), "c": np.zeros((2, 4), "f")}, ["'c'", "'a'"]),
        ({"a": np.zeros((2, 4), "f"), "b": np.zeros((2, 5), "f")}, ["'b'", "4", "5"]),
        ({"a": np.zeros((2, 4), "f"), "b": np.zeros((3, 4), "f")}, ["'b'", "2", "3"]),
        ({"a": np.zeros((2, 4), "f"), "b": np.zeros((2, 4), "d")}, ["'b'", "64"]),
        ({"a": np.zeros((2, 4), "f"), "b": np.zeros(4, "f")}, ["'b'", "1", "2"]),
        ({"a": np.zeros((17, 4), "f"), "b": np.zeros((17, 4), "f")}, ["'a'", "17"]),
    ],
)
def test_wrong_input_of_a_run(model, feeds, words):
    with pytest.raises(dlc.ShapeError) as caught:
        model.run(feeds)
    assert all(word in str(caught.value) for word in words), caught.value
    # The model still works.
    a, b = arrays(2)
    np.testing.assert_array_equal(model(a, b)[0], a + b)


def test_threads_share_a_model(model):
    failures = []

    def work(batch):
        for _ in range(20):
            a, b = arrays(batch)
            if not np.array_equal(model(a, b)[0], a + b):
                failures.append(batch)

    threads = [threading.Thread(target=work, args=(1 + k % 16,)) for k in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_threads_compile_at_the_same_time():
    results = []

    def work(batch):
        a, b = arrays(batch)
        compiled = dlc.compile(small_model(batch))
        results.append(np.array_equal(compiled(a, b)[1], a * b))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_set_threads(model):
    a, b = arrays(8)
    for count in (1, 2, 0):
        model.set_threads(count)
        np.testing.assert_array_equal(model(a, b)[0], a + b)
    with pytest.raises(ValueError):
        model.set_threads(-1)
    with pytest.raises(TypeError, match="integer"):
        model.set_threads(1.5)
    np.testing.assert_array_equal(model(a, b)[0], a + b)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, pickle.dumps])
def test_model_refuses_to_be_copied(model, copier):
    with pytest.raises(TypeError, match="dlc.Model cannot be copied"):
        copier(model)


def test_run_expects_a_mapping(model):
    with pytest.raises(TypeError, match="expected a mapping .*, got list"):
        model.run(list(arrays(2)))


CASES = {case.name: case for case in corpus.cases()}


def load_case(name, folder) -> str:
    CASES[name].write(folder)
    return str(folder / "model.onnx")


def test_unsupported_operators_are_listed(tmp_path):
    with pytest.raises(dlc.UnsupportedOpError) as caught:
        dlc.compile(load_case("unknown_operators", tmp_path))
    assert [node.node for node in caught.value.nodes] == ["first_bad", "second_bad"]
    assert [node.op_type for node in caught.value.nodes] == ["Frobnicate", "Twiddle"]


def test_invalid_model(tmp_path):
    with pytest.raises(dlc.InvalidModelError, match="'w'"):
        dlc.compile(load_case("raw_data_too_short", tmp_path))


def test_unknown_dim():
    with pytest.raises(dlc.UsageError, match="frames"):
        dlc.compile(small_model(), dims={"frames": 3})


def test_external_data_of_a_model_in_memory(tmp_path):
    path = load_case("external_file_missing", tmp_path)
    data = open(path, "rb").read()
    with pytest.raises(dlc.InvalidModelError, match="'w'"):
        dlc.compile(data)
    (tmp_path / "weights.bin").write_bytes(np.ones(6, np.float32).tobytes())
    compiled = dlc.compile(data, model_dir=tmp_path)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(compiled(x), x + 1)


def test_inspect(tmp_path):
    report = dlc.inspect(load_case("unknown_operators", tmp_path))
    assert not report.supported
    assert [op.name for op in report.unsupported] == ["Frobnicate", "Twiddle"]
    assert [op.node for op in report.unsupported] == ["first_bad", "second_bad"]
    assert dlc.inspect(small_model()).supported


def test_progress_names_the_phases():
    phases = []
    dlc.compile(small_model(), progress=lambda phase, done, total: phases.append(phase))
    assert list(dict.fromkeys(phases))[0] == "import"
    assert "codegen" in phases


def test_progress_that_raises_ends_the_compilation():
    calls = []

    def progress(phase, done, total):
        calls.append(phase)
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        dlc.compile(small_model(), progress=progress)
    assert len(calls) == 1


def test_interrupt_stops_a_compilation(tmp_path):
    """Ctrl-C raises KeyboardInterrupt soon, and leaves no file."""
    code = (
        "import sys, dlc\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    dlc.compile(sys.argv[1], output=sys.argv[2])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, light.make("densenet121"), tmp_path / "m.dlc"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
        # A test run in the background ignores the signal, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert output == "interrupted\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_damaged_binary(model, damage, tmp_path):
    path = tmp_path / "m.dlc"
    model.save(path)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    data = {"cut": data[:-100], "flipped": data, "empty": b"", "text": b"text" * 999}
    path.write_bytes(data[damage])
    with pytest.raises(dlc.InvalidModelError):
        dlc.load(path, verify_weights=True)


def test_missing_binary(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.dlc"):
        dlc.load(tmp_path / "nowhere.dlc")


ORDERS = [
    ["dlc", "torch", "onnxruntime"],
    ["torch", "dlc", "onnxruntime"],
    ["onnxruntime", "torch", "dlc"],
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_import_beside_others(order):
    """Any order of imports works, and all of them do their work after it."""
    pytest.importorskip("onnxruntime")
    names = [name for name in order if name != "torch" or _has_torch()]
    code = (
        f"import {', '.join(names)}, sys\n"
        "sys.path[:0] = sys.argv[1:]\n"
        "import numpy as np, onnxruntime\n"
        "from test_package import arrays, small_model\n"
        "import dlc\n"
        "a, b = arrays(3)\n"
        "data = small_model().SerializeToString()\n"
        "y = onnxruntime.InferenceSession(data).run(None, {'a': a, 'b': b})[0]\n"
        "assert np.array_equal(dlc.compile(data)(a, b)[0], y)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *sys.path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


def _has_torch() -> bool:
    import importlib.util

    return importlib.util.find_spec("torch") is not None
