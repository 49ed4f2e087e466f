# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The long sample of tile kernels on the simulator, and ptxas where there is one."""

import os
import subprocess
import sys
from pathlib import Path

from common import find_cuda_tool

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("DLC_BUILD", ROOT / "build"))


def test_schedule_sample():
    command = [sys.executable, ROOT / "test/Tile/run_schedules.py", "--long"]
    command.append(f"--build={BUILD}")
    if ptxas := find_cuda_tool("ptxas"):
        command.append(f"--ptxas={ptxas}")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
