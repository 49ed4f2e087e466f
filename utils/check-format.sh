#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Checks that all C and C++ files are formatted by clang-format 22 and all Python
# files by ruff, and that ruff finds nothing wrong.  --fix formats them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

fix=no
[ "${1:-}" != --fix ] || fix=yes
mapfile -t sources < <(git ls-files -co --exclude-standard '*.c' '*.h' '*.cpp')
ruff=$VENV/bin/ruff
if [ $fix = yes ]; then
  clang-format-22 -i "${sources[@]}"
  "$ruff" format -q .
  exec "$ruff" check -q --fix .
fi
status=0
clang-format-22 --dry-run -Werror --ferror-limit=1 "${sources[@]}" || status=1
"$ruff" format --check -q . || { "$ruff" format --check . || true; status=1; }
"$ruff" check -q . || status=1
[ $status = 0 ] || echo "run utils/check-format.sh --fix" >&2
exit $status
