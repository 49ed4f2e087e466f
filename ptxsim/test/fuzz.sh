#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Builds the fuzzer of parser and decoder with sanitizers and runs it for a
# while on the PTX files of the tests.
#   ptxsim/test/fuzz.sh <build folder> [seconds, 60]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:?expected a build folder}
seconds=${2:-60}
cmake -S "$here/.." -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
  -DPTXSIM_FUZZER=ON >/dev/null
ninja -C "$build" ${DLC_JOBS:+-j"$DLC_JOBS"} DecodeFuzzer
mkdir -p "$build/corpus" "$build/found"
"$(find "$build" -name DecodeFuzzer -type f)" -max_total_time="$seconds" \
  -timeout=20 -rss_limit_mb=4096 -max_len=65536 -print_final_stats=1 \
  -artifact_prefix="$build/found/" \
  "$build/corpus" "$here/cuda/ptx" "$here/kernels"
