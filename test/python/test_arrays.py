# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors made of NumPy arrays and DLPack objects, without any model."""

from __future__ import annotations

import ctypes

import ml_dtypes
import numpy as np
import pytest

from dlc import _arrays
from dlc._runtime import Tensor

PACKED = ["int4", "uint4", "int2", "uint2", "float4_e2m1fn"]


def read(tensor: Tensor) -> np.ndarray:
    """The elements of an f32 tensor, read by its fields alone."""
    out = np.empty(tuple(tensor.shape[: tensor.ndim]), np.float32)
    steps = tensor.strides[: tensor.ndim] if tensor.strides else None
    if steps is None:
        steps = [s // 4 for s in out.strides]
    for index in np.ndindex(out.shape):
        offset = sum(i * s for i, s in zip(index, steps, strict=True))
        address = tensor.data + tensor.byte_offset + 4 * offset
        out[index] = ctypes.c_float.from_address(address).value
    return out


BASE = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize(
    "array",
    [
        BASE,
        BASE.T,
        BASE[::-1, ::2],
        np.broadcast_to(BASE[0], (3, 6)),
        BASE.astype(">f4"),
        np.float32(3),
        np.zeros((0, 5), np.float32),
    ],
    ids=["dense", "transposed", "reversed", "broadcast", "swapped", "scalar", "empty"],
)
def test_numpy_array_of_any_layout(array):
    tensor = Tensor()
    keep = _arrays.fill(tensor, array, np.dtype(np.float32))
    assert (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes) == (2, 32, 1)
    assert tensor.device.device_type == 1
    assert tensor.data
    np.testing.assert_array_equal(read(tensor), np.asarray(array, np.float32))
    del keep


def test_unaligned_fields_are_copied():
    records = np.zeros(3, np.dtype([("flag", "u1"), ("value", "<f4")]))
    records["value"] = [1, 2, 3]
    tensor = Tensor()
    keep = _arrays.fill(tensor, records["value"], np.dtype(np.float32))
    np.testing.assert_array_equal(read(tensor), [1, 2, 3])
    del keep


def test_dlpack_capsule_is_left_to_its_owner():
    class Shared:
        def __dlpack__(self):
            return BASE[1:].__dlpack__()

    tensor = Tensor()
    keep = _arrays.fill(tensor, Shared(), np.dtype(np.float32))
    np.testing.assert_array_equal(read(tensor), BASE[1:])
    del keep


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (8,)])
def test_packed_elements_come_back(name, shape):
    dtype = np.dtype(getattr(ml_dtypes, name))
    values = np.random.default_rng(0).integers(-2, 2, shape)
    array = np.abs(values).astype(dtype) if name[0] == "u" else values.astype(dtype)
    bits = _arrays.to_data_type(dtype)[1]
    packed = _arrays.pack(array, bits)
    assert packed.size == -(-array.size * bits // 8)
    back = _arrays.unpack(packed, bits, dtype, shape)
    np.testing.assert_array_equal(back.astype("f"), array.astype("f"))


def test_low_bits_come_first():
    packed = _arrays.pack(np.array([1, 2, -1], ml_dtypes.int4), 4)
    assert packed.tolist() == [0x21, 0x0F]


@pytest.mark.parametrize(
    "name",
    ["bool", "int8", "uint64", "float16", "float64", "complex64"]
    + ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", *PACKED],
)
def test_dtype_survives_the_round_trip(name):
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    assert _arrays.to_dtype(*_arrays.to_data_type(dtype)) == dtype


def test_strings_are_refused():
    with pytest.raises(TypeError, match="numbers"):
        _arrays.fill(Tensor(), np.array(["a"]), np.dtype(np.float32))
