#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a documentation page's commands, and looks for its excerpts in their output.

Blocks fenced as `sh` run one after the other in one folder, with the tools and
this Python in the path. Any other block until the next heading is an excerpt of what
the last `sh` block printed: each of its lines must be a line of the output, in their
order, with anything in place of `...`. Names of values (`%12`, `%arg0`, `$L__BB1_3`),
white space and comments (`// ...`, ` ; ...`) do not count.

usage: check_page.py PAGE.md FOLDER
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys


def read_blocks(page: str) -> list[tuple[int, str, list[str]]]:
    """Line number, kind and lines of each heading ('#') and fenced block."""
    blocks, kind = [], None
    for number, line in enumerate(page.splitlines(), start=1):
        fence = re.match(r"```(\S*)$", line)
        if kind is not None:
            if fence:
                kind = None
            else:
                blocks[-1][2].append(line)
        elif fence:
            kind = fence[1] or "text"
            blocks.append((number, kind, []))
        elif line.startswith("#"):
            blocks.append((number, "#", []))
    return blocks


def normalise(line: str) -> str:
    line = re.sub(r"//.*|\s;\s.*", "", line)
    line = re.sub(r"%\w+(#\d+)?(:\d+)?", "%", line)
    line = re.sub(r"\$L\w+", "$L", line)
    return " ".join(line.split())


def run(commands: list[str], folder: pathlib.Path) -> list[str]:
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)],
        env={**os.environ, "PATH": path},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode != 0:
        failed = "\n".join(commands)
        sys.exit(f"{result.stdout[-4000:]}\nexit {result.returncode} of\n{failed}")
    return [normalise(line) for line in result.stdout.splitlines()]


def find_missing(excerpt: list[str], output: list[str]) -> int | None:
    """The index of the first line that is not in the rest of the output."""
    rest = iter(output)
    for index, line in enumerate(excerpt):
        wanted = normalise(line)
        if wanted in ("", "..."):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("...")))
        if not any(pattern.fullmatch(found) for found in rest):
            return index
    return None


def main() -> None:
    page, folder = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    output, num_excerpts = None, 0
    for number, kind, lines in read_blocks(page.read_text()):
        if kind == "#":
            output = None
        elif kind == "sh":
            output = run(lines, folder)
        elif output is not None:
            num_excerpts += 1
            missing = find_missing(lines, output)
            if missing is not None:
                place = f"{page}:{number + 1 + missing}"
                sys.exit(f"{place}: not printed, or not here:\n{lines[missing]}")
    if not num_excerpts:
        sys.exit(f"{page}: expected excerpts of what commands print")


if __name__ == "__main__":
    main()
