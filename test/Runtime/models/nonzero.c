/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The positions of the elements of x i64[?] that are not zero, by way of late
   buffer 1; buffer 0 keeps what the arena holds apart from it. A negative
   element fails check 0. */
#include <dlc/exec.h>

int32_t nonzero_size(dlc_exec *exec) {
  exec->output_dims[0] = -1;
  exec->buffer_bytes[0] = 8;
  return 0;
}

int32_t nonzero_run(dlc_exec *exec) {
  const int64_t *x = exec->inputs[0];
  int64_t count = exec->input_dims[0], found = 0;
  for (int64_t i = 0; i < count; i++) {
    if (x[i] < 0) {
      int64_t values[] = {i, x[i]};
      return exec->fail(exec, 0, values, 2);
    }
    found += x[i] != 0;
  }
  int64_t *positions = exec->late(exec, 1, found * 8);
  if (!positions) {
    return DLC_EXEC_STOP;
  }
  for (int64_t i = 0, at = 0; i < count; i++) {
    if (x[i] != 0) {
      positions[at++] = i;
    }
  }
  exec->output_dims[0] = found;
  int64_t *y = exec->late_output(exec, 0, found * 8);
  if (!y) {
    return DLC_EXEC_STOP;
  }
  for (int64_t i = 0; i < found; i++) {
    y[i] = positions[i];
  }
  return 0;
}
