/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Host code of models for GPUs whose launches have tensor maps, for the kernel
   of maps.ptx, which takes a corner of a matrix:
   maps   y f32[4, 8] = the corner of the corner of x f32[h, w]; the first one
          goes through buffer 0 of the arena
   wrong  a launch that the runtime must refuse; h of x f32[h, w] says which
 */
#include <dlc/exec.h>

/* Buffers and sizes are to be set. */
static dlc_device_launch make_launch(void *const *buffers,
                                     const int64_t *sizes) {
  return (dlc_device_launch){.kernel = DLC_LAUNCH_MAPS,
                             .buffers = buffers,
                             .sizes = sizes,
                             .num_buffers = 2,
                             .num_sizes = 2,
                             .grid = {1, 1, 1},
                             .block = {32, 1, 1},
                             .num_maps = 1};
}

static dlc_tensor_map make_map(int64_t h, int64_t w) {
  return (dlc_tensor_map){.element_bytes = 4,
                          .rank = 2,
                          .sizes = {w, h},
                          .strides = {0, w * 4},
                          .box = {8, 4}};
}

static int32_t launch_box(dlc_exec *exec, uint32_t dispatch, void *x, void *y,
                          int64_t h, int64_t w) {
  void *buffers[] = {x, y};
  int64_t sizes[] = {h, w};
  dlc_tensor_map map = make_map(h, w);
  dlc_device_launch launch = make_launch(buffers, sizes);
  launch.dispatch = dispatch;
  launch.maps = &map;
  return exec->device_launch(exec, &launch);
}

int32_t maps_size(dlc_exec *exec) {
  exec->output_dims[0] = 4;
  exec->output_dims[1] = 8;
  exec->buffer_bytes[0] = 128;
  return 0;
}

int32_t maps_run(dlc_exec *exec) {
  void *corner = exec->arena + exec->buffer_offsets[0];
  int32_t status = launch_box(exec, 0, exec->inputs[0], corner,
                              exec->input_dims[0], exec->input_dims[1]);
  return status ? status : launch_box(exec, 1, corner, exec->outputs[0], 4, 8);
}

int32_t wrong_size(dlc_exec *exec) { return maps_size(exec); }

int32_t wrong_run(dlc_exec *exec) {
  void *buffers[] = {exec->inputs[0], exec->outputs[0]};
  dlc_tensor_map map = make_map(exec->input_dims[0], exec->input_dims[1]);
  dlc_device_launch launch = make_launch(buffers, exec->input_dims);
  launch.maps = &map;
  switch (exec->input_dims[0]) {
  case 1:
    map.rank = 6;
    break;
  case 2:
    map.rank = 1;
    break;
  case 3:
    map.buffer = 2;
    break;
  case 4:
    map.element_bytes = 8;
    break;
  case 5:
    map.swizzle_bytes = 16;
    break;
  case 6:
    launch.num_maps = 32;
    break;
  case 7:
    launch.kernel = DLC_LAUNCH_MAPS | 1;
    break;
  }
  return exec->device_launch(exec, &launch);
}
