// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: dlc-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expected one 'rt.run'}}
rt.program @program_c1_no_run weights 0 {
}

// -----

rt.program @program_c2_input_index weights 0 {
  rt.input "x" : tensor<4xf32> []
  rt.run {
    // expected-error @below {{expected one of 1 inputs, got 1}}
    %x = rt.input_address 1
  }
}

// -----

rt.program @program_c2_input_dim weights 0 {
  rt.input "x" : tensor<4xf32> []
  rt.run {
    // expected-error @below {{expected a dim of 'tensor<4xf32>', got 1}}
    %n = rt.input_dim 0[1]
  }
}

// -----

rt.program @program_c2_buffer_index weights 0 {
  rt.run {
    // expected-error @below {{expected one of 0 buffers, got 0}}
    %x = rt.arena_address 0
  }
}

// -----

rt.program @program_c3_no_offset arena 64 bound 64 weights 0 {
  // expected-error @below {{expected an offset under a plan}}
  rt.buffer bytes 64 steps [0, 0]
  rt.run {
  }
}

// -----

rt.program @program_c4_output_dims weights 0 {
  // expected-error @below {{expected an 'rt.size' for the dynamic dims}}
  rt.output "y" : tensor<?xf32> [""]
  rt.run {
  }
}

// -----

rt.program @program_c5_symbol weights 0 {
  // expected-error @below {{expected a symbol named 'batch'}}
  rt.input "x" : tensor<?xf32> ["batch"]
  rt.run {
  }
}

// -----

rt.program @input_c1_dim_count weights 0 {
  // expected-error @below {{expected 1 dims, got 0}}
  rt.input "x" : tensor<?xf32> []
  rt.run {
  }
}

// -----

rt.program @symbol_range weights 0 {
  // expected-error @below {{expected 0 <= min <= max, got 4 and 2}}
  rt.symbol "n" min 4 max 2 divisor 1
  rt.run {
  }
}

// -----

rt.program @buffer_c1_bytes weights 0 {
  // expected-error @below {{expected one of 'bytes', 'at_sizing' and 'late'}}
  rt.buffer bytes 4 late steps [0, 0]
  rt.run {
  }
}

// -----

rt.program @buffer_c2_steps weights 0 {
  // expected-error @below {{expected steps 0 <= first <= last, got 1 and 0}}
  rt.buffer bytes 4 steps [1, 0]
  rt.run {
  }
}

// -----

rt.program @buffer_c3_late_offset weights 0 {
  // expected-error @below {{expected no offset of a late buffer}}
  rt.buffer late steps [0, 0] offset 0
  rt.run {
  }
}

// -----

rt.program @check_c1_status weights 0 {
  rt.run {
    %true = arith.constant true
    // expected-error @below {{expected a 'status' other than 0}}
    rt.check %true, "never" {status = 0 : i32}
  }
}
