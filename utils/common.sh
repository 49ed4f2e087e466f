# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What the scripts in this folder share; sourced, not run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The build folder; another one than build/ is for a build with other flags.
BUILD=${DLC_BUILD:-$ROOT/build}
VENV=$ROOT/build/venv
PYTHON=$VENV/bin/python

# say TEXT: one line about what happens next.
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# die TEXT: one line to the standard error, and the end.
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs a command into a log, which is shown when it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "failed: $* (all of it in $log)"
  fi
}
