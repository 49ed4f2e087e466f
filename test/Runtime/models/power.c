/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* y = pow(2 + x, x) for x f32[batch, 3], by the C library's function, without
   naming the library: so is the code that the compiler emits. */
#include <dlc/exec.h>

double pow(double base, double exponent);

int32_t power_size(dlc_exec *exec) {
  exec->output_dims[0] = exec->input_dims[0];
  exec->output_dims[1] = 3;
  exec->buffer_bytes[0] = 0;
  return 0;
}

int32_t power_run(dlc_exec *exec) {
  const float *x = exec->inputs[0];
  float *y = exec->outputs[0];
  for (int64_t i = 0; i < exec->input_dims[0] * 3; i++) {
    y[i] = (float)pow(2 + (double)x[i], (double)x[i]);
  }
  return 0;
}
