# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks what a compiler cannot: layering, sizes, and the head of each file.

* A folder includes only folders that it may know (LAYERS).
* Files and functions keep within their budgets: a warning first, then an error.
* Each source file starts with its licence line, and a TODO names its issue.

Prints one line a finding, `file:line: error: text`; fails when there is an error.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Folder -> the first parts of the headers of ours that it may include. A folder
# may always include its own. The longest folder that matches a file counts.
COMPILER = {"Dialect", "Analysis", "CostModel", "Transforms", "Conversion", "Target"}
LAYERS: dict[str, set[str]] = {
    "Support": set(),
    "Dialect": {"Support"},
    "Analysis": {"Support", "Dialect"},
    "CostModel": set(),
    "Transforms": {"Support", "Dialect", "Analysis", "CostModel"},
    # The lowering of the host program and the binary writer share headers with
    # the runtime: what is called, planned and written has one description.
    "Conversion": {"Support", "Dialect", "Analysis", "dlc"},
    "Import": {"Support", "Dialect", "Analysis"},
    "Target": {"Support", "Dialect", "Analysis", "Conversion", "dlc"},
    "Pipelines": {"Support", "Import", "dlc"} | COMPILER,
    "CAPI": {"Support", "Import", "Pipelines", "dlc"} | COMPILER,
    "tools/dlc-opt": {"Support", "Import", "Pipelines"} | COMPILER,
    "tools/dlc-compile": {"Support", "Import", "Pipelines", "CAPI", "dlc"} | COMPILER,
    "tools/dlc-run": {"dlc"},
    "runtime": {"dlc"},
    "ptxsim": {"ptxsim"},
}
# Folders that must build without LLVM; CostModel may use LLVM's support library.
WITHOUT_LLVM = ("runtime", "ptxsim", "tools/dlc-run")
OWN = {name for name in LAYERS if "/" not in name} | {"dlc"}

# (warn, fail) in lines.
FILE_BUDGET = (500, 900)
FUNCTION_BUDGET = (60, 100)
LIT_BUDGET = (300, 600)

SPDX = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
SOURCES = {".c", ".h", ".cpp", ".td", ".py", ".sh", ".cmake", ".mlir", ".cu"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# Comments, string and character literals of C++, in the order that decides.
TOKENS = re.compile(
    r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
CONTAINER = re.compile(r"\b(namespace|class|struct|enum|union|extern)\b")

Finding = tuple[str, int, str, str]


def tracked_files() -> list[str]:
    """The files that git knows or would add, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listing.stdout.split("\n") if (ROOT / name).is_file()]


def layer_of(name: str) -> str | None:
    """The key of LAYERS that a file belongs to."""
    parts = name.split("/")
    if parts[0] in ("lib", "include") and len(parts) > 2:
        return parts[1] if parts[1] in LAYERS else None
    if parts[0] == "tools":
        return "/".join(parts[:2])
    return parts[0] if parts[0] in LAYERS else None


def check_includes(name: str, text: str) -> Iterator[Finding]:
    layer = layer_of(name)
    if layer is None or not name.endswith((".c", ".h", ".cpp")):
        if name.startswith(("lib/", "include/")) and name.endswith((".h", ".cpp")):
            yield name, 1, "error", "expected a folder that check-layers.py knows"
        return
    if layer not in LAYERS:
        yield name, 1, "error", f"expected a tool that check-layers.py knows: {layer}"
        return
    allowed = LAYERS[layer] | {layer.split("/")[-1]}
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        first = header.split("/")[0]
        if quote == '"' and first in OWN and "/" in header and first not in allowed:
            yield name, number, "error", f"'{layer}' must not include '{header}'"
        if first in ("llvm", "llvm-c", "mlir", "mlir-c", "clang", "lld"):
            support = layer == "CostModel" and header.startswith(
                ("llvm/Support/", "llvm/ADT/")
            )
            if layer in WITHOUT_LLVM or layer == "CostModel" and not support:
                yield name, number, "error", f"'{layer}' must not include '{header}'"


def blank(match: re.Match) -> str:
    """What stands for a comment or literal: its line ends, and one mark."""
    return ("" if match[0].startswith("/") else "'") + "\n" * match[0].count("\n")


def cpp_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """(name, first line, lines) of each function body that is in no other."""
    code = TOKENS.sub(blank, text)
    code = re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank_line, code, flags=re.MULTILINE
    )
    scopes: list[tuple[str, int, str]] = []
    line, start, header = 1, 1, ""
    for char in code:
        if char == "{":
            inside = any(kind == "function" for kind, _, _ in scopes)
            if inside:
                kind = "block"
            elif CONTAINER.search(header.split("(")[0]) or "(" not in header:
                kind = "container"
            else:
                kind = "function"
            scopes.append((kind, start, header))
            header = ""
        elif char == "}":
            if scopes:
                kind, first, text_of = scopes.pop()
                if kind == "function":
                    called = re.search(r"([\w:~]+)\s*\(", text_of)
                    yield called[1] if called else "?", first, line - first + 1
            header = ""
        elif char == ";":
            header = ""
        elif not header and char.isspace():
            pass
        else:
            if not header:
                start = line
            header += char
        line += char == "\n"


def blank_line(match: re.Match) -> str:
    return "\n" * match[0].count("\n")


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def over(lines: int, budget: tuple[int, int]) -> str | None:
    """ "error" or "warning" when `lines` are over a budget, else None."""
    return "error" if lines > budget[1] else "warning" if lines > budget[0] else None


def check_sizes(name: str, text: str) -> Iterator[Finding]:
    lines = text.count("\n")
    budget = LIT_BUDGET if name.endswith(".mlir") else FILE_BUDGET
    if severity := over(lines, budget):
        yield name, 1, severity, f"file has {lines} lines, expected <= {budget[0]}"
    if name.endswith((".c", ".h", ".cpp")):
        functions = cpp_functions(text)
    elif name.endswith(".py"):
        functions = python_functions(text)
    else:
        return
    for function, first, length in functions:
        if severity := over(length, FUNCTION_BUDGET):
            limit = f"expected <= {FUNCTION_BUDGET[0]}"
            yield name, first, severity, f"'{function}' has {length} lines, {limit}"


def check_head(name: str, text: str) -> Iterator[Finding]:
    # Every test case of a lit file is read by itself; the line stands on top too.
    head = text.split("\n", 3)[:3]
    if text and not any(SPDX in line for line in head):
        yield name, 1, "error", "expected the licence line in the first three lines"
    for number, line in enumerate(text.split("\n"), 1):
        # Spelled apart, so that this file passes its own check.
        if "TO" + "DO" in line and not re.search("TO" + r"DO\(#\d+\)", line):
            if name != "utils/check-layers.py":
                yield name, number, "error", "expected an issue number at a to-do"


def main() -> int:
    findings: list[Finding] = []
    for name in tracked_files():
        path = Path(name)
        is_source = path.suffix in SOURCES or path.name == "CMakeLists.txt"
        if not is_source or "Inputs" in path.parts:
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        findings += check_head(name, text)
        findings += check_includes(name, text)
        findings += check_sizes(name, text)
    for name, line, severity, text in findings:
        print(f"{name}:{line}: {severity}: {text}")
    errors = sum(severity == "error" for _, _, severity, _ in findings)
    print(f"{errors} errors, {len(findings) - errors} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
