# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dlc-compile and dlc-run as a user calls them: flags, files and exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import corpus
import light

WEIGHT = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)
BIAS = np.linspace(-1, 1, 5, dtype=np.float32)


def linear_model():
    """y = relu(x @ WEIGHT + BIAS) over f32[batch, 8], and ids * 2."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="matmul"),
        helper.make_node("Add", ["product", "b"], ["sum"], name="add"),
        helper.make_node("Relu", ["sum"], ["y"], name="relu"),
        helper.make_node("Add", ["ids", "ids"], ["twice"], name="double"),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8]),
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5]),
            helper.make_tensor_value_info("twice", TensorProto.INT64, ["batch"]),
        ],
        [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(BIAS, "b")],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )


def expected(x: np.ndarray) -> np.ndarray:
    return np.maximum(x.astype(np.float64) @ WEIGHT + BIAS, 0)


@pytest.fixture(scope="module")
def call(tool):
    """call("dlc-run", arguments...): runs a tool, returns the finished process."""

    def run(name, *arguments, **options):
        command = [tool(name), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, **options
        )

    return run


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tools") / "linear.onnx"
    path.write_bytes(linear_model().SerializeToString())
    return path


@pytest.fixture(scope="module")
def binary(call, tool, onnx_file):
    path = onnx_file.with_suffix(".dlc")
    done = call("dlc-compile", onnx_file, "-o", path, "--dim=batch=1..32:8")
    assert done.returncode == 0, done.stderr
    tool("dlc-run")
    return path


def test_compile_says_nothing_when_all_is_well(call, onnx_file, tmp_path):
    done = call("dlc-compile", onnx_file, "-o", tmp_path / "m.dlc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == ["m.dlc"]


def test_graph_phase_prints_the_nodes(call, onnx_file):
    done = call("dlc-compile", onnx_file, "--to=graph", "--emit=nn", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert "nn." in done.stdout


@pytest.mark.parametrize(
    ("emit", "word"),
    [
        ("nn", "nn."),
        ("linalg", "scf.for"),
        ("llvm", "define "),
        ("asm", "vmovups"),
    ],
)
def test_emit_text(call, onnx_file, emit, word):
    done = call("dlc-compile", onnx_file, f"--emit={emit}", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert word in done.stdout


def test_dump_ir_numbers_the_phases(call, onnx_file, tmp_path):
    folder = tmp_path / "ir"
    done = call(
        "dlc-compile", onnx_file, "-o", tmp_path / "m.dlc", f"--dump-ir={folder}"
    )
    assert done.returncode == 0, done.stderr
    names = sorted(os.listdir(folder))
    assert len(names) >= 4
    assert [name for name in names if "import" in name] == names[:1]


def test_inspect_lists_operators(call, onnx_file):
    done = call("dlc-compile", onnx_file, "--inspect")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("MatMul", "Add", "Relu"))


def test_inspect_into_a_file(call, onnx_file, tmp_path):
    path = tmp_path / "report.json"
    done = call("dlc-compile", onnx_file, "--inspect", "-o", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(path.read_text())["supported"]


def test_zero_threads_are_all(call, onnx_file, tmp_path):
    done = call("dlc-compile", onnx_file, "-o", tmp_path / "m.dlc", "--threads=0")
    assert done.returncode == 0, done.stderr


def test_unknown_cpu_names_a_few(call, onnx_file, tmp_path):
    done = call("dlc-compile", onnx_file, "-o", tmp_path / "m.dlc", "--cpu=pdp11")
    assert done.returncode == 1
    assert "x86-64-v3" in done.stderr
    assert len(done.stderr) < 250


def test_inspect_of_an_unsupported_model(call, tmp_path):
    case = next(c for c in corpus.cases() if c.name == "unknown_operators")
    case.write(tmp_path)
    done = call("dlc-compile", tmp_path / "model.onnx", "--inspect")
    assert "Frobnicate" in done.stdout
    assert "Twiddle" in done.stdout


def test_memory_report_as_json(call, onnx_file, tmp_path):
    done = call(
        "dlc-compile", onnx_file, "-o", tmp_path / "m.dlc", "--memory-report=json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"]


def test_run_with_files(call, binary, tmp_path):
    x = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    ids = np.arange(3, dtype=np.int64)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "ids.npy", ids)
    done = call(
        "dlc-run",
        binary,
        "--input",
        f"x=@{tmp_path}/x.npy",
        "--input",
        f"ids=@{tmp_path}/ids.npy",
        "--output",
        f"y=@{tmp_path}/y.npy",
        "--output",
        f"twice=@{tmp_path}/twice.npy",
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected(x), atol=1e-5)
    np.testing.assert_array_equal(np.load(tmp_path / "twice.npy"), 2 * ids)


def test_run_with_constant_inputs(call, binary, tmp_path):
    done = call(
        "dlc-run",
        binary,
        "--input=x=2x8xf32=0.5",
        "--input=ids=2xi64=7",
        f"--output=y=@{tmp_path}/y.npy",
        f"--output=twice=@{tmp_path}/t.npy",
    )
    assert done.returncode == 0, done.stderr
    x = np.full((2, 8), 0.5, np.float32)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected(x), atol=1e-5)
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), [14, 14])


def write_data(folder, kind: str, error: float = 0.0) -> None:
    """A folder for --verify; `error` is added to one element of y."""
    folder.mkdir()
    x = np.random.default_rng(2).standard_normal((4, 8)).astype(np.float32)
    ids = np.arange(4, dtype=np.int64)
    y = expected(x).astype(np.float32)
    y[1, 2] += error
    names = {"npy": ("in_{}", "out_{}"), "pb": ("input_{}", "output_{}")}[kind]
    for stem, values in zip(names, ((x, ids), (y, 2 * ids)), strict=True):
        for index, value in enumerate(values):
            path = folder / f"{stem.format(index)}.{kind}"
            if kind == "npy":
                np.save(path, value)
            else:
                path.write_bytes(numpy_helper.from_array(value).SerializeToString())


@pytest.mark.parametrize("kind", ["npy", "pb"])
def test_verify(call, binary, kind, tmp_path):
    write_data(tmp_path / "right", kind)
    done = call("dlc-run", binary, f"--verify={tmp_path}/right", "--atol=1e-5")
    assert done.returncode == 0, done.stdout + done.stderr
    write_data(tmp_path / "wrong", kind, error=0.01)
    done = call("dlc-run", binary, f"--verify={tmp_path}/wrong", "--atol=1e-3")
    assert done.returncode == 4
    assert "y" in done.stdout + done.stderr
    # The same error is within a larger tolerance.
    done = call("dlc-run", binary, f"--verify={tmp_path}/wrong", "--atol=0.1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_random_inputs_depend_on_the_seed_only(call, binary, tmp_path):
    results = []
    for name, seed, threads in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        path = tmp_path / f"{name}.npy"
        done = call(
            "dlc-run",
            binary,
            "--random",
            f"--seed={seed}",
            f"--threads={threads}",
            f"--output=y=@{path}",
        )
        assert done.returncode == 0, done.stderr
        results.append(path.read_bytes())
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_info_as_json(call, binary):
    done = call("dlc-run", binary, "--info", "--json")
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert [value["name"] for value in info["inputs"]] == ["x", "ids"]
    assert [value["name"] for value in info["outputs"]] == ["y", "twice"]


def test_benchmark_as_json(call, binary):
    done = call(
        "dlc-run", binary, "--random", "--benchmark", "--iterations=5", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_profile_as_trace(call, binary, tmp_path):
    trace = tmp_path / "trace.json"
    done = call("dlc-run", binary, "--random", f"--profile={trace}")
    assert done.returncode == 0, done.stderr
    assert json.loads(trace.read_text())


def test_run_compiles_an_onnx_file_into_the_cache(call, binary, onnx_file, tmp_path):
    cache = tmp_path / "cache"
    environment = os.environ | {"DLC_CACHE_DIR": str(cache)}
    arguments = ("dlc-run", onnx_file, "--random")
    first = call(*arguments, env=environment)
    assert first.returncode == 0, first.stderr
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert files
    stamps = [path.stat().st_mtime_ns for path in files]
    second = call(*arguments, env=environment)
    assert second.returncode == 0, second.stderr
    assert stamps == [path.stat().st_mtime_ns for path in files]


def test_run_passes_on_how_to_compile(call, binary, simulator, onnx_file, tmp_path):
    environment = os.environ | {"DLC_CACHE_DIR": str(tmp_path)}
    for precision in ("fp32", "bf16"):
        how = ("--device=ptxsim", f"--precision={precision}", "--gpu-arch=sm_90")
        done = call("dlc-run", onnx_file, "--random", *how, env=environment)
        assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 2
    refused = call("dlc-run", binary, "--random", "--precision=bf16")
    assert refused.returncode == 1
    assert "'--precision=bf16' is for ONNX files" in refused.stderr


@pytest.mark.parametrize("kind", ["cut short", "flipped in the middle", "empty"])
def test_damaged_entry_of_the_cache_is_made_anew(
    call, binary, onnx_file, kind, tmp_path
):
    environment = os.environ | {"DLC_CACHE_DIR": str(tmp_path)}
    arguments = ("dlc-run", onnx_file, "--random")
    first = call(*arguments, env=environment)
    assert first.returncode == 0, first.stderr
    (entry,) = tmp_path.iterdir()
    good = entry.read_bytes()
    entry.write_bytes(damage(good, kind))
    again = call(*arguments, env=environment)
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    assert entry.read_bytes() == good


def test_verify_says_what_is_not_finite(call, binary, tmp_path):
    write_data(tmp_path / "nan", "npy", error=np.nan)
    done = call("dlc-run", binary, f"--verify={tmp_path}/nan")
    assert done.returncode == 4
    assert "largest error inf" in done.stdout
    assert "1 of 20 elements differ, the first at 7: expected nan" in done.stdout


def test_verify_of_broken_files(call, binary, tmp_path):
    write_data(tmp_path / "data", "npy")
    last = tmp_path / "data" / "out_1.npy"
    last.write_bytes(last.read_bytes()[:-3])
    done = call("dlc-run", binary, f"--verify={tmp_path}/data")
    assert done.returncode == 6 and "out_1.npy" in done.stderr
    last.unlink()
    done = call("dlc-run", binary, f"--verify={tmp_path}/data")
    assert done.returncode == 1
    assert "out_1.npy" in done.stderr and "output_1.pb" in done.stderr


def test_simulator_is_found_beside_a_tool_in_path(tool, tmp_path):
    """Where the shell finds the tool in PATH, its name says no folder."""
    program = tool("dlc-run")
    if not (program.parents[1] / "lib" / "libptxsim.so").exists():
        pytest.skip("the simulator is not built")
    environment = {key: os.environ[key] for key in os.environ if key != "DLC_PTXSIM"}
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    done = subprocess.run(
        "dlc-run --devices", shell=True, cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no simulator" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input=z=2x8xf32=0", "--input=ids=2xi64=0"], ["'z'"]),
        (["--input=x=2x8xf32=0"], ["'ids'"]),
        (["--input=x=2x8xf64=0", "--input=ids=2xi64=0"], ["'x'", "float64"]),
        (["--input=x=2x9xf32=0", "--input=ids=2xi64=0"], ["'x'", "8", "9"]),
        (["--input=x=8xf32=0", "--input=ids=2xi64=0"], ["'x'"]),
        (["--input=x=2x8xf32=0", "--input=ids=3xi64=0"], ["2", "3"]),
        (["--input=x=99x8xf32=0", "--input=ids=99xi64=0"], ["99", "32"]),
        (["--input=x=@nowhere.npy", "--input=ids=2xi64=0"], ["nowhere.npy"]),
        (["--verify=nowhere"], ["nowhere"]),
        (["--verify=."], ["in_0.npy", "input_0.pb"]),
        (["--threads=257"], ["threads", "'257'"]),
        (["--benchmark", "--iterations=0"], ["iterations", "'0'"]),
        (["--frobnicate"], ["frobnicate"]),
    ],
)
def test_wrong_use(call, binary, arguments, words):
    done = call("dlc-run", binary, *arguments)
    assert done.returncode == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def damage(data: bytes, kind: str) -> bytes:
    changed = bytearray(data)
    if kind == "empty":
        return b""
    if kind == "cut short":
        return data[: len(data) // 2]
    if kind == "flipped in the middle":
        changed[len(data) // 2] ^= 0x10
    return bytes(changed)


@pytest.mark.parametrize("kind", ["cut short", "flipped in the middle"])
def test_damaged_binary(call, binary, kind, tmp_path):
    path = tmp_path / "damaged.dlc"
    path.write_bytes(damage(binary.read_bytes(), kind))
    done = call("dlc-run", path, "--random")
    assert done.returncode == 6, done.stderr
    assert "damaged.dlc" in done.stderr


def test_every_flipped_byte_is_noticed_or_harmless(call, binary, tmp_path):
    """No flipped byte makes dlc-run crash or give other numbers."""
    data = binary.read_bytes()
    path = tmp_path / "flipped.dlc"
    output = tmp_path / "y.npy"
    arguments = ["dlc-run", path, "--random", f"--output=y=@{output}"]
    path.write_bytes(data)
    assert call(*arguments).returncode == 0
    good = output.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(data), 60):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        path.write_bytes(bytes(changed))
        output.unlink(missing_ok=True)
        done = call(*arguments)
        assert done.returncode in (0, 6), (position, done.returncode, done.stderr)
        if done.returncode == 0:
            assert output.read_bytes() == good, position


@pytest.mark.parametrize("delay", [0.05, 0.1, 0.3, 0.6])
def test_ctrl_c_leaves_nothing_behind(tool, tmp_path, delay):
    """An interrupted compilation ends soon, and leaves no file: wherever it was."""
    program = tool("dlc-compile")
    path = light.make("densenet121")
    # A shell that runs the tests in the background has them ignore the signal.
    process = subprocess.Popen(
        [program, path, "-o", tmp_path / "model.dlc"],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT)
    assert os.listdir(tmp_path) == []


def test_output_follows_links(call, onnx_file, tmp_path):
    (tmp_path / "model.dlc").write_bytes(b"the old file")
    (tmp_path / "link.dlc").symlink_to("model.dlc")
    done = call("dlc-compile", onnx_file, "-o", tmp_path / "link.dlc")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "link.dlc").is_symlink()
    assert (tmp_path / "model.dlc").read_bytes()[:4] == b"\x7fELF"


def test_output_follows_a_link_to_nothing_yet(call, onnx_file, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.dlc").symlink_to("folder/model.dlc")
    done = call("dlc-compile", onnx_file, "-o", tmp_path / "link.dlc")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "link.dlc").is_symlink()
    assert (tmp_path / "folder" / "model.dlc").read_bytes()[:4] == b"\x7fELF"


def test_output_into_an_open_file_that_has_no_name(tool, onnx_file, tmp_path):
    """As with "-o /dev/stdout": the link there is a link to stay."""
    link = tmp_path / "stdout"
    link.symlink_to("/proc/self/fd/1")
    with open(tmp_path / "gone", "w+b") as output:
        os.unlink(output.name)
        done = subprocess.run(
            [tool("dlc-compile"), onnx_file, "-o", link], stdout=output, timeout=120
        )
        assert done.returncode == 0
        assert link.is_symlink() and os.listdir(tmp_path) == ["stdout"]
        output.seek(0)
        assert output.read(4) == b"\x7fELF"


@pytest.mark.parametrize("arguments", [[], ["--inspect"]])
@pytest.mark.parametrize("place", ["model.onnx", "./folder/../model.onnx", "link"])
def test_output_must_not_be_the_model(call, onnx_file, place, arguments, tmp_path):
    model = tmp_path / "model.onnx"
    shutil.copy(onnx_file, model)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("model.onnx")
    done = call("dlc-compile", model, "-o", f"{tmp_path}/{place}", *arguments)
    assert done.returncode == 1
    assert "is the model itself" in done.stderr
    assert model.read_bytes() == onnx_file.read_bytes()


def test_output_into_a_pipe(call, onnx_file, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        done = call("dlc-compile", onnx_file, "-o", pipe)
        if done.returncode != 0:
            reader.kill()  # or it would wait for a writer for ever
        assert done.returncode == 0, done.stderr
        assert reader.communicate()[0][:4] == b"\x7fELF"
    assert pipe.is_fifo()


def test_remarks_show_no_ir_unless_it_is_dumped(call, tmp_path):
    """A product of three columns is too narrow for tensor cores."""
    weight = numpy_helper.from_array(np.ones((64, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "narrow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [64, 3])],
        [weight],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (tmp_path / "narrow.onnx").write_bytes(model.SerializeToString())
    arguments = ["narrow.onnx", "--target=cuda", "--precision=bf16", "-o", "n.dlc"]
    done = call("dlc-compile", *arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert "node 'product' (MatMul): computed without tensor cores" in done.stderr
    assert done.stderr.count("\n") == 1
    done = call("dlc-compile", *arguments, "--dump-ir=ir", cwd=tmp_path)
    assert "nn.contract" in done.stderr


def test_crash_writes_a_reproducer(tool, onnx_file, tmp_path):
    """A defect's signal ends in exit code 5 and the IR that leads there."""
    process = subprocess.Popen(
        [tool("dlc-compile"), onnx_file, "-o", os.devnull, "--progress=json"],
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stderr.readline()
    process.send_signal(signal.SIGSEGV)
    _, errors = process.communicate(timeout=120)
    if process.returncode == 0:
        pytest.skip("the compilation was over before the signal came")
    assert process.returncode == 5
    folder = re.search(r"the last file in '(.*)' leads", errors)[1]
    assert sorted(os.listdir(folder))[0] == "01-import.mlir"
    shutil.rmtree(folder)


def test_memory_report_beside_a_binary_on_stdout(tool, onnx_file):
    done = subprocess.run(
        [tool("dlc-compile"), onnx_file, "-o", "-", "--memory-report"],
        capture_output=True,
    )
    assert done.returncode == 0
    assert done.stdout[:4] == b"\x7fELF" and done.stdout.endswith(b"DLCMODEL")
    assert b"arena" in done.stderr


def test_phase_refuses_its_own_result(call, onnx_file, tmp_path):
    text = tmp_path / "dispatch.mlir"
    assert call("dlc-compile", onnx_file, "--to=dispatch", "-o", text).returncode == 0
    done = call("dlc-compile", text, "--from=dispatch", "-o", tmp_path / "out.dlc")
    assert done.returncode == 6 and "nn.dispatch" in done.stderr
