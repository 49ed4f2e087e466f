# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the pytest suites share: paths of the build, and the model scripts."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DLC_BUILD", ROOT / "build"))
sys.path[:0] = [str(ROOT / "test" / folder) for folder in ("Models", "BadInput")]
# The package of this tree, in whatever environment the tests run.
sys.path.insert(0, str(ROOT / "python"))


def _built(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


@pytest.fixture(scope="session")
def tool():
    """tool("dlc-compile"): the path of a built tool."""
    return lambda name: _built(BUILD / "bin" / name)


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The runtime's library; for tests that need it built."""
    return _built(BUILD / "lib" / "libdlc.so")


@pytest.fixture(scope="session")
def compiler(runtime) -> Path:
    """The compiler's library; for tests that need both built."""
    return _built(BUILD / "lib" / "libdlc-compiler.so")


@pytest.fixture(scope="session")
def simulator(runtime) -> Path:
    """The simulator's library; for tests that run code for GPUs on it."""
    return _built(BUILD / "lib" / "libptxsim.so")


def _report(connection, function: Callable, arguments: tuple) -> None:
    try:
        function(*arguments)
        connection.send(None)
    except BaseException as error:
        connection.send(f"{type(error).__name__}: {error}")


def run_in_child(function: Callable, *arguments, start: str = "fork") -> None:
    """Calls a test's body in a process of its own, so that a crash fails one test;
    with start="spawn" nothing is loaded there before."""
    context = multiprocessing.get_context(start)
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(theirs, function, arguments))
    child.start()
    theirs.close()
    try:
        failure = ours.recv()
    except EOFError:
        child.join()
        failure = f"the process ended with exit code {child.exitcode}"
    child.join()
    assert failure is None, failure


def check_ptx(name: str) -> None:
    """Puts a model's kernels through ptxas, where there is one."""
    script = ROOT / "utils" / "check-ptx.py"
    done = subprocess.run(
        [sys.executable, script, name], capture_output=True, text=True
    )
    if done.returncode == 2 and "expected ptxas" in done.stderr:
        pytest.skip("ptxas is not installed")
    assert done.returncode == 0, done.stdout + done.stderr
