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
suite unit env GTEST_OUTPUT="xml:$RESULTS/unit/" \
  ctest --test-dir "$BUILD" --output-on-failure -j"$(nproc)"
suite lit "$VENV/bin/lit" -s --xunit-xml-output "$RESULTS/lit.xml" "$BUILD/test"
suite python "$PYTHON" -m pytest --ignore "$ROOT/test/python/long" \
  --junitxml "$RESULTS/python.xml" "$ROOT/test/python"
suite conformance "$PYTHON" "$ROOT/test/Conformance/run.py" --junitxml "$RESULTS/conformance.xml"
suite conformance-dynamic "$PYTHON" "$ROOT/test/Conformance/run.py" --dynamic \
  --junitxml "$RESULTS/conformance-dynamic.xml"
suite conformance-ptxsim "$PYTHON" "$ROOT/test/Conformance/run.py" --device=PTXSIM \
  --junitxml "$RESULTS/conformance-ptxsim.xml"
if [ $long = yes ]; then
  # The importer and the runtime over the broken models, the simulator, and the
  # runtime's threads.
  DLC_BUILD=$ROOT/build-asan DLC_SANITIZE=address,undefined "$ROOT/utils/build.sh" \
    dlc-compile dlc-run dlc-runtime-tests ptxsim-tests
  # LLVM's allocators would mark memory that Debian's LLVM, built without ASan, uses.
  suite asan env DLC_BUILD="$ROOT/build-asan" \
    ASAN_OPTIONS=detect_leaks=0:allow_user_poisoning=0 UBSAN_OPTIONS=halt_on_error=1 \
    "$PYTHON" -m pytest --junitxml "$RESULTS/asan.xml" \
    "$ROOT/test/python/test_bad_input.py" "$ROOT/test/python/test_tools.py"
  suite asan-runtime env GTEST_OUTPUT="xml:$RESULTS/asan-runtime.xml" \
    "$ROOT/build-asan/bin/dlc-runtime-tests"
  # Its own programs: Python, which runs the other tests, has no sanitizer. The
  # longest, MatrixTest, takes half a minute without and many minutes with them.
  suite asan-ptxsim env UBSAN_OPTIONS=halt_on_error=1 \
    ctest --test-dir "$ROOT/build-asan" -R '^ptxsim\.' -E 'check_|bindings' \
    -j"$(nproc)" --timeout 3600 \
    --output-on-failure --output-junit "$RESULTS/asan-ptxsim.xml"
  DLC_BUILD=$ROOT/build-tsan DLC_SANITIZE=thread "$ROOT/utils/build.sh" \
    dlc-runtime-tests ptxsim-tests
  # Those with several host threads, of the program or of the simulator.
  suite tsan-ptxsim env PTXSIM_THREADS=4 TSAN_OPTIONS=halt_on_error=1 \
    ctest --test-dir "$ROOT/build-tsan" --timeout 3600 \
    -R '^ptxsim\.(Api|Stress|Context|Capture|Entry|Kernels|CudaBasic|CudaEveryday)Test$' \
    --output-on-failure --output-junit "$RESULTS/tsan-ptxsim.xml"
  suite tsan-runtime env GTEST_OUTPUT="xml:$RESULTS/tsan-runtime.xml" \
    "$ROOT/build-tsan/bin/dlc-runtime-tests"
  suite fuzz "$ROOT/ptxsim/test/fuzz.sh" "$ROOT/build-fuzz" 60
  suite zoo "$PYTHON" -m pytest --junitxml "$RESULTS/zoo.xml" "$ROOT/test/python/long"
fi

"$PYTHON" "$ROOT/utils/sum-tests.py" "$RESULTS"
