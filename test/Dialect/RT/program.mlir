// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s | dlc-opt | FileCheck %s

// CHECK-LABEL: rt.program @planned arena 192 bound 192 weights 64 {
// CHECK-NEXT: rt.symbol "batch" min 1 max 32 divisor 8
// CHECK-NEXT: rt.input "x" : tensor<?x?x3xf32> ["batch", ""]
// CHECK-NEXT: rt.output "y" : tensor<?xf32> ["batch"]
// CHECK-NEXT: rt.output "count" : tensor<?xi64> [""] late
// CHECK-NEXT: rt.buffer bytes 128 steps [0, 1] offset 0
// CHECK-NEXT: rt.buffer late steps [1, 2]
// CHECK-NEXT: rt.size {
// CHECK-NEXT: %[[N:.*]] = rt.input_dim 0[1]
// CHECK-NEXT: rt.set_output_dim 0[0], %[[N]]
// CHECK: rt.check %{{.*}}, "expected {0} in \22x\22"(%[[N]])
// CHECK: rt.run {
// CHECK: rt.input_address 0
// CHECK: rt.param_address @w at 64
// CHECK: rt.arena_address 0
// CHECK: rt.launch @k(%{{.*}}, %{{.*}}, %{{.*}}) sizes(%[[M:.*]]) items(%[[M]]) work(%[[M]]) scratch(%[[M]])
// CHECK: %[[COUNT:.*]] = rt.load %{{.*}}[%{{.*}}] : i64
// CHECK: rt.late_address 1, %{{.*}}
// CHECK: rt.late_output_address 1, %{{.*}}
// CHECK: rt.output_address 0
// CHECK: rt.copy %{{.*}} to %{{.*}}, %{{.*}}
rt.program @planned arena 192 bound 192 weights 64 {
  rt.symbol "batch" min 1 max 32 divisor 8
  rt.input "x" : tensor<?x?x3xf32> ["batch", ""]
  rt.output "y" : tensor<?xf32> ["batch"]
  rt.output "count" : tensor<?xi64> [""] late
  rt.buffer bytes 128 steps [0, 1] offset 0
  rt.buffer late steps [1, 2]
  rt.size {
    %n = rt.input_dim 0[1]
    rt.set_output_dim 0[0], %n
    %true = arith.constant true
    rt.check %true, "expected {0} in \22x\22" (%n)
  }
  rt.run {
    %n = rt.input_dim 0[1]
    %x = rt.input_address 0
    %w = rt.param_address @w at 64
    %b = rt.arena_address 0
    rt.launch @k(%x, %w, %b) sizes(%n) items(%n) work(%n) scratch(%n)
    %count = rt.load %b[%n] : i64
    %bytes = arith.index_cast %count : i64 to index
    %late = rt.late_address 1, %bytes
    rt.set_output_dim 1[0], %bytes
    %out = rt.late_output_address 1, %bytes
    %y = rt.output_address 0
    rt.copy %b to %y, %n
  }
}

// CHECK-LABEL: rt.program @sized_at_run_time weights 0
// CHECK: rt.buffer at_sizing steps [0, 0]
// CHECK: rt.set_buffer_bytes 0, %{{.*}}
rt.program @sized_at_run_time weights 0 {
  rt.input "x" : tensor<?xf32> [""]
  rt.buffer at_sizing steps [0, 0]
  rt.size {
    %n = rt.input_dim 0[0]
    rt.set_buffer_bytes 0, %n
  }
  rt.run {
  }
}
