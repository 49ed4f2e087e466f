/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs a model with one float32 input of ones and prints its first output. */
#include <dlc/dlc.h>

#include <stdio.h>
#include <stdlib.h>

static void check(dlc_status status) {
  if (status != DLC_OK) {
    fprintf(stderr, "error: %s\n", dlc_message());
    exit(status);
  }
}

int main(int argc, char **argv) {
  dlc_model *model;
  dlc_context *context;
  check(dlc_model_load(argc > 1 ? argv[1] : "model.dlc", NULL, &model));
  check(dlc_context_create(model, NULL, &context));

  int64_t shape[] = {2, 3};
  float ones[] = {1, 1, 1, 1, 1, 1};
  dlc_tensor input = {
      ones, {DLC_DEVICE_CPU, 0}, 2, {DLC_FLOAT, 32, 1}, shape, NULL, 0};
  dlc_tensor output = {0}; /* no data: the context allocates it */
  check(dlc_context_run(context, &input, 1, &output, 1));

  const float *values = output.data;
  int64_t count = 1;
  for (int i = 0; i < output.ndim; i++) {
    count *= output.shape[i];
  }
  for (int64_t i = 0; i < count; i++) {
    printf("%g\n", values[i]);
  }
  dlc_context_free(context);
  dlc_model_free(model);
  return 0;
}
