# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the driver's entry points with NVIDIA's cuda.h.

Usage: check_abi.py <cuda.h> <directory of lib/driver> <libptxsim.so>

Every function that cuda.h declares must be exported, and every implemented one
must take arguments of the same number, width and kind (pointer or integer).
The tables of versions must hold what cudaTypedefs.h, beside cuda.h, lists, and
every error code must have its name.
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
    # Types of cudaTypedefs.h have versions; addresses of the first had 32 bits.
    words = re.findall(r"\w+", re.sub(r"_v(?!1\b)\d+\b", "", argument))
    if "CUdeviceptr_v1" in words:
        return "32"
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


def per_thread(directory: Path) -> list[tuple[str, int, str, str | None]]:
    """Base name, version, exported function and parameters of the forms with a
    default stream per thread."""
    text = without_comments((directory / "PerThread.def").read_text())
    rows = [
        (base, int(version), name + suffix, parameters)
        for base, version, name, suffix, parameters in re.findall(
            r"^PER_THREAD\((\w+),\s*(\d+),\s*(\w+),\s*(\w+),\s*\(([^)]*)\)",
            text,
            re.M,
        )
    ]
    for base, version, name in re.findall(
        r"^PER_THREAD_UNSUPPORTED\((\w+), (\d+), (\w+)\)", text, re.M
    ):
        rows.append((base, int(version), name, None))
    return rows


def typedefs(path: Path) -> dict[tuple[str, int, bool], list[str]]:
    """Arguments by base name, version and whether stream 0 is the thread's."""
    return {
        (base, int(version), bool(suffix)): split_arguments(arguments)
        for base, version, suffix, arguments in re.findall(
            r"typedef\s+CUresult\s*\(CUDAAPI\s*\*PFN_(cu\w+?)_v(\d+)(_pt[ds][sz])?\)"
            r"\s*\((.*?)\);",
            without_comments(path.read_text()),
            re.S,
        )
    }


def check_versions(
    listed: dict, directory: Path, signatures: dict[str, list[str]]
) -> list[str]:
    """Each version that the toolkit lists has a row, and the row's function takes
    the arguments of that version."""
    entries = (directory / "Entries.def").read_text()
    rows = {
        (base, int(version), False): name
        for base, version, name in re.findall(
            r"^ENTRY\((\w+), (\d+), (\w+)\)", entries, re.M
        )
    }
    for base, version, name, _ in per_thread(directory):
        rows[base, version, True] = name
    problems = [f"{key} has no row" for key in listed if key not in rows]
    for key, name in rows.items():
        if key not in listed:
            if not key[0].startswith("cuProfiler"):  # in a header of its own
                problems.append(f"{key} is in no header")
        elif name in signatures and signatures[name] != listed[key]:
            problems.append(f"{key} is {name}, which takes {signatures[name]}")
    return problems


def check_errors(header: str, exported: ctypes.CDLL) -> list[str]:
    """cuGetErrorName knows each CUresult."""
    body = re.search(r"enum cudaError_enum \{(.*?)\}", without_comments(header), re.S)
    problems = []
    for name, code in re.findall(r"(CUDA_\w+)\s*=\s*(\d+)", body[1]):
        text = ctypes.c_char_p()
        exported.cuGetErrorName(int(code), ctypes.byref(text))
        if text.value != name.encode():
            problems.append(f"error {code} is {text.value}, cuda.h says {name}")
    return problems


def main() -> int:
    header, directory, library = sys.argv[1:4]
    wanted, _ = declared(Path(header).read_text())
    directory = Path(directory)
    have = implemented(directory)
    for _, _, name, parameters in per_thread(directory):
        if parameters is not None:
            have[name] = split_arguments(parameters)
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
    signatures = wanted | have
    listed = typedefs(Path(header).with_name("cudaTypedefs.h"))
    problems = check_versions(listed, directory, signatures)
    problems += check_errors(Path(header).read_text(), exported)
    problems += [
        f"{name} not exported"
        for _, _, name, _ in per_thread(directory)
        if not hasattr(exported, name)
    ]
    print(*(f"FAILED: {p}" for p in problems), sep="\n", end="\n" * bool(problems))
    failed += len(problems)
    passed += len(listed)
    print(
        f"check_abi: {passed} passed, {failed} failed "
        f"({len(set(wanted) & set(have))} signatures compared)"
    )
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
