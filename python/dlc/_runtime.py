# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The runtime's C API (runtime/include/dlc/dlc.h) in ctypes, field for field."""

from __future__ import annotations

import ctypes
import operator
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache

from ._library import SizedStructure, load_library, text
from .errors import Error, error_class

# dlc_device_type.
CPU = 1
CUDA = 2
PTXSIM = 12


class Device(ctypes.Structure):
    _fields_ = [("device_type", c_int32), ("device_id", c_int32)]


class DataType(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    ]


class Tensor(ctypes.Structure):
    """dlc_tensor, which is DLPack's DLTensor."""

    _fields_ = [
        ("data", c_void_p),
        ("device", Device),
        ("ndim", c_int32),
        ("dtype", DataType),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class LoadOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint64),
        ("verify_weights", c_uint32),
        ("reserved", c_uint32),
        ("variant", c_char_p),
    ]


class ModelInfo(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint64),
        ("name", c_char_p),
        ("producer", c_char_p),
        ("compiler_version", c_char_p),
        ("compile_options", c_char_p),
        ("variant", c_char_p),
        ("variant_features", c_char_p),
        ("format_major", c_uint32),
        ("format_minor", c_uint32),
        ("num_inputs", c_uint32),
        ("num_outputs", c_uint32),
        ("num_dispatches", c_uint32),
        ("num_variants", c_uint32),
        ("num_metrics", c_uint32),
        ("num_symbols", c_uint32),
        ("code_bytes", c_uint64),
        ("weights_bytes", c_uint64),
        ("arena_bytes", c_int64),
        ("arena_lower_bound", c_int64),
        ("source_digest", ctypes.c_uint8 * 16),
        ("weights_file", c_char_p),
    ]


class DimInfo(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint64),
        ("symbol", c_char_p),
        ("min", c_int64),
        ("max", c_int64),
        ("divisor", c_int64),
    ]


class ValueInfo(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint64),
        ("name", c_char_p),
        ("dtype", DataType),
        ("ndim", c_int32),
        ("size_known_before_run", c_uint32),
    ]


class ContextOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint64),
        ("device", Device),
        ("stream", c_void_p),
        ("num_threads", c_uint32),
        ("profile", c_uint32),
        ("graph_mode", c_uint32),
        ("reserved", c_uint32),
    ]


_STATUS = ctypes.c_int
_MODEL = c_void_p
_CONTEXT = c_void_p
_RUN = (_STATUS, (_CONTEXT, POINTER(Tensor), c_uint32, POINTER(Tensor), c_uint32))
_VALUE = (_STATUS, (_MODEL, c_uint32, POINTER(ValueInfo)))
_DIM = (_STATUS, (_MODEL, c_uint32, c_uint32, POINTER(DimInfo)))
_SIGNATURES = {
    "dlc_message": (c_char_p, ()),
    "dlc_version": (c_char_p, ()),
    "dlc_model_load": (_STATUS, (c_char_p, POINTER(LoadOptions), POINTER(_MODEL))),
    "dlc_model_free": (None, (_MODEL,)),
    "dlc_model_get_info": (_STATUS, (_MODEL, POINTER(ModelInfo))),
    "dlc_model_get_input": _VALUE,
    "dlc_model_get_output": _VALUE,
    "dlc_model_get_input_dim": _DIM,
    "dlc_model_get_output_dim": _DIM,
    "dlc_device_parse": (_STATUS, (c_char_p, POINTER(Device))),
    "dlc_device_count": (_STATUS, (c_int32, POINTER(c_uint32))),
    "dlc_context_create": (
        _STATUS,
        (_MODEL, POINTER(ContextOptions), POINTER(_CONTEXT)),
    ),
    "dlc_context_free": (None, (_CONTEXT,)),
    "dlc_context_set_threads": (_STATUS, (_CONTEXT, c_uint32)),
    "dlc_context_run": _RUN,
    "dlc_context_prepare": _RUN,
}


@cache
def runtime() -> ctypes.CDLL:
    """libdlc.so."""
    return load_library("libdlc.so", _SIGNATURES)


def parse_device(name: str) -> Device:
    """The device that "cpu", "cuda:1" or "ptxsim" names."""
    device = Device()
    check(runtime().dlc_device_parse(name.encode(), ctypes.byref(device)))
    return device


def check_threads(num_threads) -> int:
    """A number of threads as an int: 0 for all, or how many."""
    try:
        count = operator.index(num_threads)
    except TypeError:
        raise TypeError(
            f"expected an integer num_threads, got {type(num_threads).__name__}"
        ) from None
    if not 0 <= count < 1 << 32:
        raise ValueError(f"expected num_threads >= 0 and below 2**32, got {count}")
    return count


def is_present(device: Device) -> bool:
    """Whether there is such a device."""
    count = c_uint32()
    status = runtime().dlc_device_count(device.device_type, ctypes.byref(count))
    return status == 0 and device.device_id < count.value


def check(status: int, usage: type[Error] | None = None) -> None:
    """Raises the error of a status that is not OK.

    `usage` is the class to raise where the caller's arguments were wrong.
    """
    if status:
        message = text(runtime().dlc_message()) or f"status {status}"
        raise (usage if usage and status == 1 else error_class(status))(message)
