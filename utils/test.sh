#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sets up, builds, and runs every test. Ends with the line `N passed, N failed`;
# the exit status is 0 when none failed.
#   utils/test.sh          everything that needs no PyTorch
#   utils/test.sh --long   also the model zoo exported from PyTorch, and sanitizers
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

long=no
for argument in "$@"; do
  case $argument in
    --long) long=yes ;;
    *) die "unknown argument '$argument', expected --long" ;;
  esac
done

RESULTS=$BUILD/test-results
rm -rf "$RESULTS"
mkdir -p "$RESULTS"

# suite NAME COMMAND...: runs a suite that writes JUnit XML to $RESULTS/NAME.xml.
# One that ends badly without a failed test in it is itself a failed test.
suite() {
  local name=$1 status=0
  shift
  say "$name"
  "$@" || status=$?
  echo "$status" >"$RESULTS/$name.status"
}

if [ $long = yes ]; then
  "$ROOT/utils/setup.sh" --models
else
  "$ROOT/utils/setup.sh"
fi
"$ROOT/utils/build.sh"

suite format "$ROOT/utils/check-format.sh"
suite layers "$PYTHON" "$ROOT/utils/check-layers.py"
suite unit ctest --test-dir "$BUILD" --output-on-failure --output-junit "$RESULTS/unit.xml" \
  -j"$(nproc)"
suite lit "$BUILD/venv/bin/lit" -s --xunit-xml-output "$RESULTS/lit.xml" "$BUILD/test"
suite python "$PYTHON" -m pytest --junitxml "$RESULTS/python.xml" "$ROOT/test/python"
suite conformance "$PYTHON" "$ROOT/test/Conformance/run.py" --junitxml "$RESULTS/conformance.xml"
if [ $long = yes ]; then
  suite zoo "$PYTHON" -m pytest --junitxml "$RESULTS/zoo.xml" "$ROOT/test/python/long"
fi

"$PYTHON" "$ROOT/utils/sum-tests.py" "$RESULTS"
