# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the pytest suites share: paths of the build, and the model scripts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / folder) for folder in ("Models", "BadInput")]


@pytest.fixture(scope="session")
def tool():
    """tool("dlc-compile"): the path of a built tool."""

    def find(name: str) -> Path:
        path = ROOT / "build" / "bin" / name
        if not path.exists():
            pytest.skip(f"{name} is not built")
        return path

    return find
