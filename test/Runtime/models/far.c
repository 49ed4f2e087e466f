/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* y i64[1] = the eight bytes of the weights at offset i64[1]. */
#include <dlc/exec.h>

int32_t far_run(dlc_exec *exec) {
  const int64_t *offset = exec->inputs[0];
  int64_t *y = exec->outputs[0];
  y[0] = *(const int64_t *)(exec->params + offset[0]);
  return 0;
}
