# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Broken ONNX files, with the exit code and the words that each must bring.

A case writes one model (and what lies beside it) into a folder of its own. The
words are what a user needs to find the fault, such as a node's or a file's name
and the numbers that disagree, not whole messages.

  corpus.py FOLDER      writes all cases, FOLDER/NAME/model.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bad_files
import bad_graphs
from registry import CASES, BadCase, good_model

__all__ = ["BadCase", "bad_files", "bad_graphs", "cases", "good_model"]


def cases() -> list[BadCase]:
    """All cases; importing the two modules above has registered them."""
    return list(CASES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for case in cases():
        case.write(options.folder / case.name)
    print(f"{len(cases())} cases")


if __name__ == "__main__":
    main()
