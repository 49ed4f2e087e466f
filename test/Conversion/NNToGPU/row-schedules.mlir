// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What of long rows is kept, and by how many blocks.
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels -verify-diagnostics | FileCheck %s --check-prefix=ONE
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels=cluster-blocks=8 | FileCheck %s --check-prefix=CLUSTER
// RUN: dlc-opt %s -split-input-file -dlc-schedule-gpu-kernels=cluster-blocks=8 -dlc-outline-gpu-kernels | FileCheck %s --check-prefix=CODE

// A block can keep it; but 64 rows leave half of a large GPU idle, and can be
// cut in two.
// ONE-LABEL: func.func @few
// ONE: result_sizes() : (tensor<64x16384xf32>)
// CLUSTER-LABEL: func.func @few
// CLUSTER: schedule(#nn.row_schedule<blocks = 2, kept_bytes = 32768>)
func.func @few(%x: tensor<64x16384xf32>) -> tensor<64x16384xf32> {
  %0 = nn.dispatch(%x) sizes() result_sizes() : (tensor<64x16384xf32>) -> tensor<64x16384xf32> {
  ^bb0(%a: tensor<64x16384xf32>):
    %1 = nn.softmax %a axes [1] {nn.root} : tensor<64x16384xf32> -> tensor<64x16384xf32>
    nn.yield %1 : tensor<64x16384xf32>
  }
  return %0 : tensor<64x16384xf32>
}

// -----

// Rows enough, that are kept.
// CLUSTER-LABEL: func.func @many
// CLUSTER-NOT: schedule
func.func @many(%x: tensor<128x16384xf32>) -> tensor<128x16384xf32> {
  %0 = nn.dispatch(%x) sizes() result_sizes() : (tensor<128x16384xf32>) -> tensor<128x16384xf32> {
  ^bb0(%a: tensor<128x16384xf32>):
    %1 = nn.softmax %a axes [1] {nn.root} : tensor<128x16384xf32> -> tensor<128x16384xf32>
    nn.yield %1 : tensor<128x16384xf32>
  }
  return %0 : tensor<128x16384xf32>
}

// -----

// More than a block keeps. Each has its part of the maximum and of the sum
// written into the shared memory of all.
// ONE-LABEL: func.func @long
// ONE: schedule(#nn.row_schedule<blocks = 1, kept_bytes = 84992>)
// CLUSTER-LABEL: func.func @long
// CLUSTER: schedule(#nn.row_schedule<blocks = 2, kept_bytes = 84992>)
// CODE-LABEL: func.func @long
// CODE: rt.dispatch @softmax_0
// CODE-SAME: cluster = 2 {{.*}}shared_bytes = 81920
// CODE: memref.global @dlc_kept : memref<0xi8, 3>
// CODE: func.func @softmax_0
// CODE-SAME: dlc.cluster_blocks = 2
// CODE: memref.get_global @dlc_kept
// CODE: nvvm.cluster.arrive
// CODE: nvvm.cluster.wait
// CODE-COUNT-2: nvvm.mapa
// CODE: nvvm.cluster.wait
// CODE-COUNT-2: nvvm.mapa
// CODE: nvvm.cluster.wait
// CODE-NOT: nvvm.cluster
// CODE: return
func.func @long(%x: tensor<200x60000xf32>) -> tensor<200x60000xf32> {
  %0 = nn.dispatch(%x) sizes() result_sizes() : (tensor<200x60000xf32>) -> tensor<200x60000xf32> {
  ^bb0(%a: tensor<200x60000xf32>):
    %1 = nn.softmax %a axes [1] {nn.root} : tensor<200x60000xf32> -> tensor<200x60000xf32>
    nn.yield %1 : tensor<200x60000xf32>
  }
  return %0 : tensor<200x60000xf32>
}

// -----

// A schedule that the dispatch brings stays where the GPUs can follow it.
// ONE-LABEL: func.func @given
// ONE-NOT: schedule
// CLUSTER-LABEL: func.func @given
// CLUSTER: schedule(#nn.row_schedule<blocks = 4, kept_bytes = 4096>)
func.func @given(%x: tensor<9x3000xf32>) -> tensor<9x3000xf32> {
  // expected-warning @below {{expected at most 1 blocks and 84992 bytes, got #nn.row_schedule<blocks = 4, kept_bytes = 4096>}}
  %0 = nn.dispatch(%x) sizes() result_sizes() schedule(#nn.row_schedule<blocks = 4, kept_bytes = 4096>) : (tensor<9x3000xf32>) -> tensor<9x3000xf32> {
  ^bb0(%a: tensor<9x3000xf32>):
    %1 = nn.softmax %a axes [1] {nn.root} : tensor<9x3000xf32> -> tensor<9x3000xf32>
    nn.yield %1 : tensor<9x3000xf32>
  }
  return %0 : tensor<9x3000xf32>
}

// -----

// ONE-LABEL: func.func @no_rows
// ONE-NOT: schedule
func.func @no_rows(%x: tensor<9xf32>) -> tensor<9xf32> {
  // expected-warning @below {{expected no schedule, got #nn.row_schedule<blocks = 1, kept_bytes = 4096>, which only kernels that pass over rows several times follow}}
  %0 = nn.dispatch(%x) sizes() result_sizes() schedule(#nn.row_schedule<blocks = 1, kept_bytes = 4096>) : (tensor<9xf32>) -> tensor<9xf32> {
  ^bb0(%a: tensor<9xf32>):
    %1 = nn.elementwise exp(%a) {nn.root} : (tensor<9xf32>) -> tensor<9xf32>
    nn.yield %1 : tensor<9xf32>
  }
  return %0 : tensor<9xf32>
}
