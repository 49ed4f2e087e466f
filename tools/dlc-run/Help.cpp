// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The text of --help.
#include "Options.h"

const char dlc::run::helpText[] =
    R"(usage: dlc-run MODEL [options]
Runs a compiled model (.dlc), or compiles an ONNX file (.onnx) into the cache
($DLC_CACHE_DIR, default ~/.cache/dlc) and runs that.

  --input NAME=@FILE.npy       take an input from a file
  --input NAME=2x3xf32=0.5     fill it with a value, or with values: =1,2,3
  --input NAME=2x3xf32         fill it with random numbers
  --random, --seed=0           fill all other inputs with random numbers:
                               uniform in [-1, 1), integers 0 or 1
  --output NAME=@FILE.npy      write an output to a file
  --device=cpu | cuda:N        where to run: a GPU through NVIDIA's driver, or
           | ptxsim            code for GPUs on the simulator
  --devices                    say which devices there are, and stop
  --precision=P, --gpu-arch=A, --dim=NAME=RANGE
                               how to compile an ONNX file: see dlc-compile
  --threads=N                  most threads to use
  --verify=DIR                 compare with the data sets in DIR: in_K.npy and
                               out_K.npy, or ONNX's input_K.pb and output_K.pb,
                               there or in its folders test_data_set_*
  --rtol=1e-3, --atol=1e-5     an output passes when |y - ref| <=
                               atol + rtol * |ref| everywhere
  --benchmark                  measure the time of a run
  --warmup=200ms, --duration=3s, --iterations=N
  --profile[=TRACE.json]       time per dispatch; TRACE.json is a Chrome trace
  --info                       say what the model is, and stop
  --json                       print JSON
  --version, --help

In .npy files, bfloat16 is uint16, and 8-bit floats are uint8.
exit codes: 0 ok, 1 usage or no such file, 2 unsupported, 3 resource limit,
4 results differ, 5 internal error, 6 invalid or damaged model
)";
