# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds and loads the two shared libraries.

They are looked for in the folder DLC_LIBRARY_DIR, then beside this package, then
in the build folder of the source tree that this package lies in. They are loaded
with local symbols: nothing of theirs meets what torch or onnxruntime bring.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def library_path(name: str) -> Path:
    """The file of a library, such as "libdlc.so"."""
    folders = [_HERE / "lib", _HERE.parents[1] / "build" / "lib"]
    if override := os.environ.get("DLC_LIBRARY_DIR"):
        folders = [Path(override)]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    places = ", ".join(str(folder) for folder in folders)
    raise ImportError(f"cannot find {name} in {places}; was dlc built?")


def load_library(
    name: str, signatures: dict[str, tuple[type | None, tuple[type, ...]]]
) -> ctypes.CDLL:
    """Loads a library and declares its functions: name -> (result, arguments)."""
    library = ctypes.CDLL(str(library_path(name)), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    for function, (result, arguments) in signatures.items():
        entry = getattr(library, function)
        entry.restype = result
        entry.argtypes = arguments
    return library


class SizedStructure(ctypes.Structure):
    """A struct whose first field, struct_size, is its own size."""

    def __init__(self, **fields):
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


def text(value: bytes | None) -> str | None:
    """A C string as Python text; NULL as None."""
    return None if value is None else value.decode("utf-8", "replace")
