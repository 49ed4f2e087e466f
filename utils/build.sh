#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Builds dlc in build/: tools in build/bin, libraries in build/lib.
#   utils/build.sh [TARGET...]
# Expects utils/setup.sh to have run. DLC_JOBS sets the number of jobs, DLC_BUILD
# another folder, DLC_SANITIZE sanitizers (as for -fsanitize=).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The precompiled header may be served by ccache only with these.
export CCACHE_SLOPPINESS=pch_defines,time_macros
# Without LLVM's own version of it, a compiler upgrade would go unseen.
export CCACHE_COMPILERCHECK=content
# What one clone has compiled serves the others.
export CCACHE_BASEDIR="$ROOT"

if ! [ -f "$BUILD/build.ninja" ]; then
  say "configuring in $BUILD"
  quietly "$BUILD/log/configure.log" cmake -S "$ROOT" -B "$BUILD" -G Ninja \
    -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DPython3_EXECUTABLE="$PYTHON" -DDLC_SANITIZE="${DLC_SANITIZE:-}"
fi
say "building in $BUILD"
export NINJA_STATUS='[%f/%t %es] '
ninja -C "$BUILD" ${DLC_JOBS:+-j"$DLC_JOBS"} "$@"
