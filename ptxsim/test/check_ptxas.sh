#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Assembles one module per scalar opcode string of the table, and the committed
# PTX, with NVIDIA's ptxas: what the simulator accepts must be PTX.
# usage: check_ptxas.sh <ptxas> <PropertyTest binary> <test directory>
ptxas=$1 generator=$2 tests=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$generator" --list "$dir" >/dev/null || exit 1
for file in "$tests"/cuda/ptx/*.ptx; do
  cp "$file" "$dir/$(basename "$file" | sed 's/\.\(sm_[0-9a]*\)\.ptx/-corpus.\1.ptx/')"
done
for file in "$dir"/*.ptx; do echo "$file"; done |
  PTXAS=$ptxas xargs -P 2 -I{} sh -c \
    'arch=$(basename {} | cut -d. -f2)
     if $PTXAS -arch=$arch -o /dev/null {} >{}.log 2>&1; then echo ok
     else echo "FAILED: $(grep -h "@%p10" {}) $(head -1 {}.log)"; fi' >"$dir/result"
grep FAILED "$dir/result"
failed=$(grep -c FAILED "$dir/result")
echo "check_ptxas: $(grep -c '^ok' "$dir/result") passed, $failed failed"
[ "$failed" = 0 ]
