/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* y = x * 0.5 for x f32[n] in one launch of n items; with flush-to-zero, the
   half of the smallest normal number is zero. */
#include <dlc/exec.h>

static void halve(void *const *buffers, const int64_t *sizes, int64_t begin,
                  int64_t end, void *scratch) {
  const float *x = buffers[0];
  float *y = buffers[1];
  (void)sizes;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    y[i] = x[i] * 0.5f;
  }
}

int32_t subnormal_size(dlc_exec *exec) {
  exec->output_dims[0] = exec->input_dims[0];
  return 0;
}

int32_t subnormal_run(dlc_exec *exec) {
  void *buffers[] = {exec->inputs[0], exec->outputs[0]};
  int64_t items = exec->input_dims[0];
  dlc_launch launch = {halve, buffers, 0, items, items * 10000, 0, 0};
  return exec->launch(exec, &launch);
}
