# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the driver's entry points with NVIDIA's cuda.h.

Usage: check_abi.py <cuda.h> <directory of lib/driver> <libptxsim.so>

Every function that cuda.h declares must be exported, and every implemented one
must take arguments of the same number, width and kind (pointer or integer).
"""

import ctypes
import re
import sys
from pathlib import Path


def without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def kind(argument: str) -> str:
    """Register class and width of one parameter."""
    argument = argument.strip()
    if not argument or argument == "void":
        return ""
    if "*" in argument or "[" in argument or "(" in argument:
        return "pointer"
    words = re.findall(r"\w+", argument)
    handles = (
        "CUcontext",
        "CUmodule",
        "CUfunction",
        "CUstream",
        "CUevent",
        "CUlibrary",
        "CUkernel",
        "CUgraph",
        "CUgraphExec",
        "CUgraphNode",
        "CUhostFn",
        "CUstreamCallback",
        "CUarray",
        "CUmemoryPool",
        "CUexecAffinityParam",
        "CUoccupancyB2DSize",
    )
    if any(w in handles for w in words):
        return "pointer"
    wide = ("CUdeviceptr", "size_t", "cuuint64_t", "uint64_t")
    if any(w in wide for w in words) or words.count("long") == 2:
        return "64"
    if "char" in words:
        return "8"
    if "short" in words:
        return "16"
    if "float" in words:
        return "float"
    return "32"


def split_arguments(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, c in enumerate(text):
        depth += (c in "(<") - (c in ")>")
        if c == "," and not depth:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [k for k in map(kind, parts) if k]


def declared(header: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    text = without_comments(header)
    # Current prototypes are written under unversioned names.
    alias = dict(
        re.findall(
            r"#\s*define\s+(cu[A-Z]\w+)\s+(?:__CUDA_API_PT[DS]S?Z?\()?(cu\w+)", text
        )
    )
    # Prototypes of older versions follow, under their real names, in a section
    # that first takes the aliases back.
    old = re.search(r"^\s*#\s*undef\s+cu[A-Z]", text, re.M)
    split = old.start() if old else len(text)
    functions = {}
    for section, names in ((text[:split], alias), (text[split:], {})):
        for name, arguments in re.findall(
            r"CUresult\s+CUDAAPI\s+(cu\w+)\s*\(([^;]*?)\)\s*;", section, re.S
        ):
            functions.setdefault(names.get(name, name), split_arguments(arguments))
    return functions, alias


def implemented(directory: Path) -> dict[str, list[str]]:
    functions = {}
    for path in sorted(directory.glob("*.cpp")):
        text = without_comments(path.read_text())
        for name, arguments in re.findall(
            r"PTXSIM_API\s+CUresult\s+(cu\w+)\(((?:[^(){;]|\([^()]*\))*)\)"
            r"\s*\{",
            text,
        ):
            functions[name] = split_arguments(arguments)
    return functions


def main() -> int:
    header, directory, library = sys.argv[1:4]
    wanted, _ = declared(Path(header).read_text())
    have = implemented(Path(directory))
    exported = ctypes.CDLL(library)
    passed = failed = 0
    for name, arguments in sorted(wanted.items()):
        problem = ""
        if not hasattr(exported, name):
            problem = "not exported"
        elif name in have and have[name] != arguments:
            problem = f"takes {have[name]}, cuda.h says {arguments}"
        if problem:
            failed += 1
            print(f"FAILED: {name} {problem}")
        else:
            passed += 1
    print(
        f"check_abi: {passed} passed, {failed} failed "
        f"({len(set(wanted) & set(have))} signatures compared)"
    )
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
