# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The C headers are clean C11 and C++, and the ctypes structs match them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import pytest
from conftest import ROOT

from dlc import _compiler, _runtime

RUNTIME = "dlc/dlc.h"
COMPILER = "CAPI/dlc-compiler.h"
INCLUDES = [f"-I{ROOT / 'include'}", f"-I{ROOT / 'runtime' / 'include'}"]
STRUCTS = {
    "dlc_device": (RUNTIME, _runtime.Device),
    "dlc_data_type": (RUNTIME, _runtime.DataType),
    "dlc_tensor": (RUNTIME, _runtime.Tensor),
    "dlc_load_options": (RUNTIME, _runtime.LoadOptions),
    "dlc_model_info": (RUNTIME, _runtime.ModelInfo),
    "dlc_dim_info": (RUNTIME, _runtime.DimInfo),
    "dlc_value_info": (RUNTIME, _runtime.ValueInfo),
    "dlc_context_options": (RUNTIME, _runtime.ContextOptions),
    "dlc_diagnostic": (COMPILER, _compiler._Diagnostic),
    "dlc_compiler_options": (COMPILER, _compiler._Options),
    "dlc_compiler_result": (COMPILER, _compiler._Result),
}


@pytest.fixture(scope="module")
def clang() -> str:
    path = shutil.which("clang-22")
    if path is None:
        pytest.skip("clang-22 is not installed")
    return path


@pytest.mark.parametrize("header", [RUNTIME, COMPILER])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_header_is_clean(clang, header, language, tmp_path):
    standard = {"c": "-std=c11", "c++": "-std=c++20"}[language]
    source = tmp_path / "source"
    # Twice, for the guard.
    source.write_text(f'#include "{header}"\n' * 2 + "int used;\n")
    flags = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    command = [clang, "-x", language, standard, *flags, *INCLUDES, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_matches(clang, name, tmp_path):
    header, struct = STRUCTS[name]
    checks = [f"sizeof({name}) == {ctypes.sizeof(struct)}"]
    for field, *_ in struct._fields_:
        offset = getattr(struct, field).offset
        checks.append(f"offsetof({name}, {field}) == {offset}")
        size = getattr(struct, field).size
        checks.append(f"sizeof((({name} *)0)->{field}) == {size}")
    source = tmp_path / "source.c"
    asserts = "".join(f'_Static_assert({c}, "{c}");\n' for c in checks)
    source.write_text(f'#include <stddef.h>\n#include "{header}"\n{asserts}')
    command = [clang, "-std=c11", "-fsyntax-only", *INCLUDES, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
