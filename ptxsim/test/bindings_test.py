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


def run_graph(stream) -> bool:
    """Captures an allocation, a fill and a copy; then changes the fill."""
    out = (ctypes.c_uint32 * 4)()
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL
    call(driver.cuStreamBeginCapture(stream, mode))
    memory = call(driver.cuMemAllocAsync(16, stream))
    call(driver.cuMemsetD32Async(memory, 5, 4, stream))
    call(driver.cuMemcpyDtoHAsync(ctypes.addressof(out), memory, 16, stream))
    call(driver.cuMemFreeAsync(memory, stream))
    graph = call(driver.cuStreamEndCapture(stream))
    executable = call(driver.cuGraphInstantiate(graph, 0))
    call(driver.cuGraphLaunch(executable, stream))
    call(driver.cuStreamSynchronize(stream))
    first = list(out)
    nodes, count = call(driver.cuGraphGetNodes(graph, 8))
    fill = call(driver.cuGraphMemsetNodeGetParams(nodes[1]))
    fill.value = 6
    context = call(driver.cuCtxGetCurrent())
    call(driver.cuGraphExecMemsetNodeSetParams(executable, nodes[1], fill, context))
    call(driver.cuGraphLaunch(executable, stream))
    call(driver.cuStreamSynchronize(stream))
    call(driver.cuGraphExecDestroy(executable))
    call(driver.cuGraphDestroy(graph))
    return count == 4 and first == [5] * 4 and list(out) == [6] * 4


def use_pool(device, stream) -> bool:
    """Counts the bytes of an allocation from a new pool."""
    properties = driver.CUmemPoolProps()
    properties.allocType = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    properties.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    properties.location.id = int(device)
    pool = call(driver.cuMemPoolCreate(properties))
    memory = call(driver.cuMemAllocFromPoolAsync(1000, pool, stream))
    used = driver.CUmemPool_attribute.CU_MEMPOOL_ATTR_USED_MEM_CURRENT
    before = int(call(driver.cuMemPoolGetAttribute(pool, used)))
    call(driver.cuMemFreeAsync(memory, stream))
    after = int(call(driver.cuMemPoolGetAttribute(pool, used)))
    call(driver.cuMemPoolDestroy(pool))
    return before == 1000 and after == 0


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
    results = {
        "sum of a kernel": total[0] == count * (count - 1) // 2,
        "name of the device": name.startswith(b"ptxsim"),
        "graph": run_graph(stream),
        "pool": use_pool(device, stream),
    }
    failed = [what for what, ok in results.items() if not ok]
    print(*(f"FAILED: {what}" for what in failed), sep="\n", end="\n" * bool(failed))
    print(f"bindings_test: {len(results) - len(failed)} passed, {len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
