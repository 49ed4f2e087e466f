# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Shows NVIDIA's ptxas every module the tests use: what the simulator takes must
be PTX. These are the modules that test programs generate and the simulator
accepts, one per scalar opcode of the table, and the committed ones.

  check_ptxas.py <ptxas> <directory of the test programs> <this directory>

Needs PTXSIM_LIBRARY, as the test programs do. Generated modules are assembled
many at a time, as ptxas is quick and starts slowly.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Programs that generate PTX, with their arguments.
PROGRAMS = {
    "PropertyTest": [],
    "MemoryTest": [],
    "QuadTest": [],
    "VideoTest": [],
    "SyntaxTest": [],
    "MatrixTest": [],
    "MatrixPlainTest": [],
    "CollectiveTest": [],
    "AsyncTest": [],
    "AsyncStoreTest": [],
    "BulkRaceTest": [],
    "PipelineRaceTest": [],
    "WgmmaTest": [],
    "DivergenceTest": [],
    "ApiTest": [],
    "FaultTest": [],
    "OrderTest": [],
    "StallTest": [],
    "PoolTest": [],
    "RaceTest": ["{tests}"],
}
BATCH = 400
HEADER = ".version 9.5\n.target {target}\n.address_size 64\n"
ADDRESS_SIZE = re.compile(r"\.address_size\s+64\s*\n")
MODULE_SCOPE = re.compile(r"^\.(?:extern|global|const)\b[^;]*;\n", re.MULTILINE)
ENTRY = re.compile(r"\.entry\s+(\w+)")
ERROR = re.compile(r"line (\d+);\s*(?:error|fatal)\s*:\s*(.*)")


def assemble(ptxas: str, target: str, text: str, folder: Path) -> list[tuple[int, str]]:
    """Errors of a module, with their lines."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx", dir=folder) as file:
        file.write(text)
        file.flush()
        command = [ptxas, "-O0", f"-arch={target}", "-o", "/dev/null", file.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    errors = [(int(at), what) for at, what in ERROR.findall(done.stderr)]
    return errors or [(0, done.stderr.strip().split("\n")[0])]


def merge(target: str, modules: list[str]) -> tuple[str, list[int]]:
    """One module of many, and the lines at which each begins."""
    text, starts, declared = HEADER.format(target=target), [], set()
    for number, module in enumerate(modules):
        body = module[ADDRESS_SIZE.search(module).end() :]
        for declaration in MODULE_SCOPE.findall(body):
            if declaration in declared:
                body = body.replace(declaration, "")
            declared.add(declaration)
        starts.append(text.count("\n") + 1)
        text += ENTRY.sub(rf".entry \g<1>_{number}", body)
    return text, starts


def check_batch(ptxas: str, target: str, modules: list[str], folder: Path) -> list[str]:
    """What is wrong with modules; ptxas looks further once errors are gone."""
    faults = []
    while modules:
        text, starts = merge(target, modules)
        errors = assemble(ptxas, target, text, folder)
        if not errors:
            break
        bad, lines = {}, text.split("\n")
        for line, what in errors:
            index = sum(start <= line for start in starts) - 1
            bad.setdefault(max(index, 0), f"{lines[line - 1].strip()[:200]}: {what}")
        faults += [f"{target}: {fault}" for fault in bad.values()]
        modules = [m for k, m in enumerate(modules) if k not in bad]
    return faults


def generate(programs: Path, tests: Path, folder: Path) -> None:
    """Lets the test programs write their modules into a folder."""
    environment = dict(os.environ, PTXSIM_KEEP=str(folder), PTXSIM_LOG="/dev/null")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [[name, *arguments] for name, arguments in PROGRAMS.items()]
        runs.append(["PropertyTest", "--list", str(folder)])
        for done in pool.map(
            lambda run: subprocess.run(
                [programs / run[0], *(a.format(tests=tests) for a in run[1:])],
                env=environment,
                capture_output=True,
                text=True,
            ),
            runs,
        ):
            if done.returncode:
                raise SystemExit(f"check_ptxas: {done.args[0]} failed\n{done.stdout}")


def main() -> int:
    ptxas, programs, tests = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    jobs, count = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(programs, tests, folder)
        groups: dict[str, list[str]] = {}
        for file in sorted(folder.glob("*.ptx")):
            groups.setdefault(file.name.split(".")[1], []).append(file.read_text())
        for target, modules in groups.items():
            for at in range(0, len(modules), BATCH):
                jobs.append((target, modules[at : at + BATCH]))
        for file in sorted(
            [*tests.glob("cuda/ptx/*.ptx"), *tests.glob("kernels/*.ptx")]
        ):
            text = file.read_text()
            jobs.append((re.search(r"\.target (\w+)", text)[1], [text]))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda job: check_batch(ptxas, *job, folder), jobs)
            faults = [fault for result in results for fault in result]
        count = sum(len(modules) for _, modules in jobs)
    for fault in faults:
        print(f"FAILED: {fault}")
    print(f"check_ptxas: {count - len(faults)} passed, {len(faults)} failed")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
