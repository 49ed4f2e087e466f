# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Between arrays of Python and the runtime's tensors.

NumPy arrays and DLPack objects go in without a copy, whatever their strides.
Types that NumPy lacks come from ml_dtypes. Those of less than 8 bits take a byte
an element there, and are packed, low bits first, in a tensor.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import numpy as np

from ._runtime import CPU, DataType, Device, Tensor

_KINDS = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
# ml_dtypes' name -> DLPack's code and bits.
_EXTENSIONS = {
    "bfloat16": (4, 16),
    "float8_e3m4": (7, 8),
    "float8_e4m3": (8, 8),
    "float8_e4m3b11fnuz": (9, 8),
    "float8_e4m3fn": (10, 8),
    "float8_e4m3fnuz": (11, 8),
    "float8_e5m2": (12, 8),
    "float8_e5m2fnuz": (13, 8),
    "float8_e8m0fnu": (14, 8),
    "float4_e2m1fn": (17, 4),
    "int4": (0, 4),
    "uint4": (1, 4),
    "int2": (0, 2),
    "uint2": (1, 2),
}

_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype = ctypes.c_char_p
_capsule_name.argtypes = (ctypes.py_object,)
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


@cache
def to_data_type(dtype: np.dtype) -> tuple[int, int]:
    """DLPack's code and bits of a NumPy dtype."""
    if dtype.name in _EXTENSIONS:
        return _EXTENSIONS[dtype.name]
    if dtype.kind not in _KINDS:
        raise TypeError(f"expected numbers, got an array of {dtype}")
    return _KINDS[dtype.kind], dtype.itemsize * 8


@cache
def to_dtype(code: int, bits: int) -> np.dtype:
    """The NumPy dtype of DLPack's code and bits."""
    for name, pair in _EXTENSIONS.items():
        if pair == (code, bits):
            import ml_dtypes

            return np.dtype(getattr(ml_dtypes, name))
    if code == _KINDS["b"]:
        return np.dtype(np.bool_)
    for kind, number in _KINDS.items():
        if number == code:
            return np.dtype(f"{kind}{bits // 8}")
    raise TypeError(f"no NumPy type for DLPack code {code}, {bits} bits")


def pack(array: np.ndarray, bits: int) -> np.ndarray:
    """Elements of less than 8 bits, a byte each, into bytes, low bits first."""
    values = np.ascontiguousarray(array).view(np.uint8).ravel() & ((1 << bits) - 1)
    per_byte = 8 // bits
    padded = np.zeros(-(-values.size // per_byte) * per_byte, np.uint8)
    padded[: values.size] = values
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    return np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1)


def unpack(
    data: np.ndarray, bits: int, dtype: np.dtype, shape: tuple[int, ...]
) -> np.ndarray:
    """The reverse of pack."""
    per_byte = 8 // bits
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    mask = np.uint8((1 << bits) - 1)
    values = ((data[:, None] >> shifts) & mask).ravel()
    values = values[: int(np.prod(shape, dtype=np.int64))]
    if dtype.name.startswith("int"):
        # ml_dtypes keeps signed elements sign-extended in their byte.
        sign = np.uint8(1 << (bits - 1))
        values = (values ^ sign) - sign
    return values.view(dtype).reshape(shape)


def _fill(tensor: Tensor, data: int, code: int, bits: int, shape, strides) -> list:
    """Sets a tensor's fields; returns what has to outlive it."""
    rank = len(shape)
    tensor.data = data
    tensor.device = Device(CPU, 0)
    tensor.ndim = rank
    tensor.dtype = DataType(code, bits, 1)
    dims = (ctypes.c_int64 * rank)(*shape)
    tensor.shape = dims
    tensor.byte_offset = 0
    if strides is None:
        tensor.strides = None
        return [dims]
    steps = (ctypes.c_int64 * rank)(*strides)
    tensor.strides = steps
    return [dims, steps]


# What an empty array points to, whose own address may be 0.
_NOWHERE = ctypes.create_string_buffer(64)


def fill_from_numpy(tensor: Tensor, array: np.ndarray) -> list:
    """Makes a tensor of a NumPy array; returns what has to outlive it."""
    code, bits = to_data_type(array.dtype)
    if bits < 8:
        packed = pack(array, bits)
        address = packed.ctypes.data or ctypes.addressof(_NOWHERE)
        return [packed, *_fill(tensor, address, code, bits, array.shape, None)]
    size = array.dtype.itemsize
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride % size for stride in array.strides) or not array.flags.aligned:
        array = np.array(array, order="C")
    strides = None
    if not array.flags.c_contiguous:
        strides = [stride // size for stride in array.strides]
    address = array.ctypes.data or ctypes.addressof(_NOWHERE)
    return [array, *_fill(tensor, address, code, bits, array.shape, strides)]


def fill_from_dlpack(tensor: Tensor, value) -> list:
    """Makes a tensor of any DLPack object; returns what has to outlive it."""
    capsule = value.__dlpack__()
    if _capsule_name(capsule) != b"dltensor":
        raise TypeError(f"expected a DLPack capsule, got {type(value).__name__}")
    # A DLManagedTensor starts with its DLTensor. The capsule is never consumed,
    # so that it frees the tensor when it goes.
    source = Tensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    ctypes.memmove(
        ctypes.addressof(tensor), ctypes.addressof(source), ctypes.sizeof(Tensor)
    )
    return [capsule, value]


def fill(tensor: Tensor, value, dtype: np.dtype) -> list:
    """Makes a tensor of what a user gave; plain Python numbers become `dtype`."""
    if isinstance(value, np.ndarray | np.generic):
        return fill_from_numpy(tensor, np.asarray(value))
    if hasattr(value, "__dlpack__"):
        return fill_from_dlpack(tensor, value)
    if hasattr(value, "__array__"):
        return fill_from_numpy(tensor, np.asarray(value))
    return fill_from_numpy(tensor, np.asarray(value, dtype))


class Output:
    """Room for one output: NumPy's, or the context's when not `shape` is given."""

    def __init__(self, tensor: Tensor, dtype: np.dtype, shape: tuple[int, ...] | None):
        self.tensor = tensor
        self.dtype = dtype
        self.code, self.bits = to_data_type(dtype)
        self.array = None
        self.shape = shape
        if shape is None:
            tensor.data = None
            return
        if self.bits < 8:
            count = int(np.prod(shape, dtype=np.int64))
            self.array = np.empty(-(-count * self.bits // 8), np.uint8)
        else:
            self.array = np.empty(shape, dtype)
        address = self.array.ctypes.data or ctypes.addressof(_NOWHERE)
        self.keep = _fill(tensor, address, self.code, self.bits, shape, None)

    def result(self) -> np.ndarray:
        """The array, after the run."""
        array, shape = self.array, self.shape
        if array is None:
            shape = tuple(self.tensor.shape[: self.tensor.ndim])
            size = int(np.prod(shape, dtype=np.int64)) * self.bits
            array = np.empty(-(-size // 8), np.uint8)
            source = (self.tensor.data or 0) + self.tensor.byte_offset
            ctypes.memmove(array.ctypes.data, source, array.nbytes)
            if self.bits >= 8:
                array = array.view(self.dtype).reshape(shape)
        if self.bits < 8:
            array = unpack(array, self.bits, self.dtype, shape)
        return array


def like(array: np.ndarray, example) -> object:
    """An array of the framework that `example` is from, sharing its memory."""
    if isinstance(example, np.ndarray | np.generic):
        return array
    if not hasattr(example, "__dlpack__"):
        return array
    framework = sys.modules.get(type(example).__module__.split(".")[0])
    from_dlpack = getattr(framework, "from_dlpack", None)
    if from_dlpack is None or array.dtype.name in _EXTENSIONS:
        return array
    return from_dlpack(array)
