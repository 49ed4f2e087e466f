/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Host code of models for GPUs, for the kernels of device.ptx:
   device   y = 2 * (x + w) for x f32[n], w f32[] the weights; the sum goes
            through buffer 0 of the arena
   compact  the positive elements of x f32[?], a late output by way of late
            buffer 1; their count goes through buffer 0
   crash    an illegal access for x f32[n] whose n is 13, else y = 2 * (x + w)
 */
#include <dlc/exec.h>

enum { ADD, TWICE, COMPACT, CRASH };

static uint32_t blocks(int64_t n) { return (uint32_t)((n + 127) / 128); }

int32_t device_size(dlc_exec *exec) {
  exec->output_dims[0] = exec->input_dims[0];
  exec->buffer_bytes[0] = exec->input_dims[0] * 4;
  return 0;
}

int32_t device_run(dlc_exec *exec) {
  int64_t n = exec->input_dims[0];
  void *sum = exec->arena + exec->buffer_offsets[0];
  void *first[] = {exec->inputs[0], (void *)(uintptr_t)exec->params, sum};
  dlc_device_launch launch = {.kernel = ADD,
                              .dispatch = 0,
                              .buffers = first,
                              .sizes = &n,
                              .num_buffers = 3,
                              .num_sizes = 1,
                              .grid = {blocks(n), 1, 1},
                              .block = {128, 1, 1}};
  int32_t status = exec->device_launch(exec, &launch);
  if (status) {
    return status;
  }
  void *second[] = {sum, exec->outputs[0]};
  launch.kernel = TWICE;
  launch.dispatch = 1;
  launch.buffers = second;
  launch.num_buffers = 2;
  launch.shared_bytes = 512;
  launch.scratch_bytes = blocks(n) * 512;
  return exec->device_launch(exec, &launch);
}

int32_t compact_size(dlc_exec *exec) {
  exec->output_dims[0] = -1;
  exec->buffer_bytes[0] = 8;
  return 0;
}

int32_t compact_run(dlc_exec *exec) {
  int64_t n = exec->input_dims[0], count;
  void *found = exec->late(exec, 1, n * 4);
  if (!found) {
    return DLC_EXEC_STOP;
  }
  void *counter = exec->arena + exec->buffer_offsets[0];
  void *buffers[] = {exec->inputs[0], found, counter};
  dlc_device_launch launch = {.kernel = COMPACT,
                              .dispatch = 0,
                              .buffers = buffers,
                              .sizes = &n,
                              .num_buffers = 3,
                              .num_sizes = 1,
                              .grid = {1, 1, 1},
                              .block = {1, 1, 1}};
  int32_t status;
  if ((status = exec->device_launch(exec, &launch)) ||
      (status = exec->device_read(exec, &count, counter, 8))) {
    return status;
  }
  exec->output_dims[0] = count;
  void *y = exec->late_output(exec, 0, count * 4);
  if (!y) {
    return DLC_EXEC_STOP;
  }
  return exec->device_copy(exec, y, found, count * 4);
}

int32_t crash_size(dlc_exec *exec) { return device_size(exec); }

int32_t crash_run(dlc_exec *exec) {
  dlc_device_launch launch = {.kernel = CRASH,
                              .dispatch = 1,
                              .grid = {exec->input_dims[0] == 13, 1, 1},
                              .block = {32, 1, 1}};
  int32_t status = exec->device_launch(exec, &launch);
  return status ? status : device_run(exec);
}

/* y = 2 * (x + w) on the CPU, without buffers. */
static void both(void *const *buffers, const int64_t *sizes, int64_t begin,
                 int64_t end, void *scratch) {
  const float *x = buffers[0], *w = buffers[1];
  float *y = buffers[2];
  (void)sizes;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    y[i] = 2 * (x[i] + *w);
  }
}

int32_t host_size(dlc_exec *exec) {
  exec->output_dims[0] = exec->input_dims[0];
  return 0;
}

int32_t host_run(dlc_exec *exec) {
  void *buffers[] = {exec->inputs[0], (void *)(uintptr_t)exec->params,
                     exec->outputs[0]};
  dlc_launch launch = {both, buffers, 0, exec->input_dims[0], 1000, 0, 0};
  return exec->launch(exec, &launch);
}
