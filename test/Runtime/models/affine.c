/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* y = x * scale + 1 for x f32[batch, 3], scale f32[3] the weights; the product
   goes through buffer 0 of the arena. */
#include <dlc/exec.h>

static void multiply(void *const *buffers, const int64_t *sizes, int64_t begin,
                     int64_t end, void *scratch) {
  const float *x = buffers[0], *scale = buffers[1];
  float *product = buffers[2];
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    for (int64_t j = 0; j < sizes[0]; j++) {
      product[i * sizes[0] + j] = x[i * sizes[0] + j] * scale[j];
    }
  }
}

static void increment(void *const *buffers, const int64_t *sizes, int64_t begin,
                      int64_t end, void *scratch) {
  const float *product = buffers[0];
  float *y = buffers[1];
  (void)scratch;
  for (int64_t i = begin * sizes[0]; i < end * sizes[0]; i++) {
    y[i] = product[i] + 1.0f;
  }
}

int32_t affine_size(dlc_exec *exec) {
  exec->output_dims[0] = exec->input_dims[0];
  exec->output_dims[1] = 3;
  exec->buffer_bytes[0] = exec->input_dims[0] * 3 * 4;
  return 0;
}

int32_t affine_run(dlc_exec *exec) {
  int64_t sizes[] = {3};
  int64_t batch = exec->input_dims[0];
  void *product = exec->arena + exec->buffer_offsets[0];
  void *first[] = {exec->inputs[0], (void *)exec->params, product};
  dlc_launch launch = {multiply, first, sizes, batch, batch * 1000, 0, 0};
  int32_t status = exec->launch(exec, &launch);
  if (status) {
    return status;
  }
  void *second[] = {product, exec->outputs[0]};
  launch = (dlc_launch){increment, second, sizes, batch, batch * 1000, 0, 1};
  return exec->launch(exec, &launch);
}
