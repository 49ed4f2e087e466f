// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A loop that is annotated so stays a loop, for ptxas too.
// RUN: dlc-opt %s --dlc-lower-to-nvvm --dlc-emit-ptx -o /dev/null | FileCheck %s

// CHECK: .entry k(
// CHECK: $L__BB0_1:
// CHECK-NEXT: .pragma "nounroll";
// CHECK: cp.async.commit_group
// CHECK-NOT: cp.async.commit_group
// CHECK: bra $L__BB0_1;
llvm.func @k(%p: !llvm.ptr<1>, %n: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 32, 1, 1>} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c16 = arith.constant 16 : i32
  %r = scf.for %i = %c0 to %c16 step %c1 iter_args(%a = %n) -> (i32) : i32 {
    nvvm.cp.async.commit.group
    %b = arith.muli %a, %a : i32
    scf.yield %b : i32
  } {llvm.loop_annotation = #llvm.loop_annotation<unroll = <disable = true>>}
  llvm.store %r, %p : i32, !llvm.ptr<1>
  llvm.return
}
