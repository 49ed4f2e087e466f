# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a kernel through PyPI's cuda-bindings.

The directory with a link libcuda.so.1 -> libptxsim.so must be on
LD_LIBRARY_PATH. Usage: bindings_test.py <test/cuda/ptx>
"""

import ctypes
import sys
from pathlib import Path

from cuda.bindings import driver


def call(result):
    error, *values = result
    assert error == driver.CUresult.CUDA_SUCCESS, error
    return values[0] if len(values) == 1 else values


def main() -> int:
    call(driver.cuInit(0))
    device = call(driver.cuDeviceGet(0))
    name = call(driver.cuDeviceGetName(64, device)).split(b"\0")[0]
    context = call(driver.cuDevicePrimaryCtxRetain(device))
    call(driver.cuCtxSetCurrent(context))
    text = (Path(sys.argv[1]) / "basic.sm_80.ptx").read_bytes()
    module = call(driver.cuModuleLoadData(text))
    kernel = call(driver.cuModuleGetFunction(module, b"reduce"))
    count = 1000
    values = (ctypes.c_int * count)(*range(count))
    total = (ctypes.c_int * 1)(0)
    source = call(driver.cuMemAlloc(4 * count))
    target = call(driver.cuMemAlloc(4))
    call(driver.cuMemcpyHtoD(source, ctypes.addressof(values), 4 * count))
    call(driver.cuMemcpyHtoD(target, ctypes.addressof(total), 4))
    stream = call(driver.cuStreamCreate(0))
    arguments = (
        (int(source), int(target), count),
        (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int),
    )
    call(driver.cuLaunchKernel(kernel, 2, 1, 1, 128, 1, 1, 0, stream, arguments, 0))
    call(driver.cuStreamSynchronize(stream))
    call(driver.cuMemcpyDtoH(ctypes.addressof(total), target, 4))
    ok = total[0] == count * (count - 1) // 2 and name.startswith(b"ptxsim")
    print(f"bindings_test: {int(ok)} passed, {int(not ok)} failed")
    return not ok


if __name__ == "__main__":
    sys.exit(main())
