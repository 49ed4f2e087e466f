# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dlc.compile and dlc.inspect over the compiler's C API.

The ctypes structs mirror include/CAPI/dlc-compiler.h field for field.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache

from ._library import SizedStructure, load_library, text
from ._model import Model
from ._runtime import CPU, check_threads, parse_device
from .errors import Diagnostic, Error, InternalError, Status, error_class

_LOG = logging.getLogger("dlc")
_SEVERITIES = ("error", "warning", "note", "remark")


class _Diagnostic(SizedStructure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("severity", c_int),
        ("status", c_int),
        ("message", c_char_p),
        ("node_name", c_char_p),
        ("op_type", c_char_p),
        ("domain", c_char_p),
        ("location", c_char_p),
    ]


_DiagnosticFn = CFUNCTYPE(None, c_void_p, POINTER(_Diagnostic))
_ProgressFn = CFUNCTYPE(None, c_void_p, c_char_p, c_uint64, c_uint64)
_CancelledFn = CFUNCTYPE(c_int, c_void_p)


class _Options(SizedStructure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("input_path", c_char_p),
        ("input_data", c_char_p),
        ("input_size", c_size_t),
        ("model_dir", c_char_p),
        ("output_path", c_char_p),
        ("target", c_char_p),
        ("cpus", POINTER(c_char_p)),
        ("num_cpus", c_size_t),
        ("dims", POINTER(c_char_p)),
        ("num_dims", c_size_t),
        ("emit", c_char_p),
        ("from_phase", c_char_p),
        ("to_phase", c_char_p),
        ("dump_dir", c_char_p),
        ("weights_file", c_char_p),
        ("memory_report", c_int),
        ("num_threads", ctypes.c_uint32),
        ("user", c_void_p),
        ("on_diagnostic", _DiagnosticFn),
        ("on_progress", _ProgressFn),
        ("is_cancelled", _CancelledFn),
        ("precision", c_char_p),
        ("gpu_archs", POINTER(c_char_p)),
        ("num_gpu_archs", c_size_t),
        ("ptxas", c_char_p),
    ]


class _Result(SizedStructure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("data", c_void_p),
        ("size", c_size_t),
        ("memory_report", c_char_p),
        ("error", c_char_p),
        ("repro_path", c_char_p),
    ]


@cache
def _compiler() -> ctypes.CDLL:
    """libdlc-compiler.so."""
    call = (c_int, (POINTER(_Options), POINTER(_Result)))
    signatures = {
        "dlc_compile": call,
        "dlc_inspect": call,
        "dlc_compiler_result_free": (None, (POINTER(_Result),)),
        "dlc_compiler_version": (c_char_p, ()),
    }
    return load_library("libdlc-compiler.so", signatures)


def compiler_version() -> str:
    """The version of the compiler."""
    return text(_compiler().dlc_compiler_version())


class _Call:
    """One call of dlc_compile or dlc_inspect: its options, callbacks and end."""

    def __init__(self, model, dims, model_dir):
        self.options = _Options()
        self.diagnostics: list[Diagnostic] = []
        self.cancelled = threading.Event()
        self.failure: BaseException | None = None  # of the caller's callback
        self.keep: list[object] = []
        self._set_input(model, model_dir)
        self._set_strings("dims", "num_dims", _dim_strings(dims))
        self.options.on_diagnostic = _DiagnosticFn(self._on_diagnostic)
        self.options.is_cancelled = _CancelledFn(lambda _: self.cancelled.is_set())

    def _set_input(self, model, model_dir) -> None:
        if isinstance(model, str | os.PathLike):
            self.options.input_path = os.fsencode(model)
        else:
            data = model
            if hasattr(model, "SerializeToString"):
                data = model.SerializeToString()
            elif not isinstance(model, bytes | bytearray | memoryview):
                raise TypeError(
                    "expected a path, bytes or a ModelProto, "
                    f"got {type(model).__name__}"
                )
            data = bytes(data)
            self.options.input_data = data
            self.options.input_size = len(data)
        if model_dir is not None:
            self.options.model_dir = os.fsencode(model_dir)

    def _set_strings(self, field: str, count: str, values: list[str]) -> None:
        array = (c_char_p * len(values))(*(value.encode() for value in values))
        self.keep.append(array)
        setattr(self.options, field, array)
        setattr(self.options, count, len(values))

    def set_names(self, field: str, names: str | Iterable[str] | None) -> None:
        """Sets "cpus" or "gpu_archs": one name, several, or the default."""
        names = [names] if isinstance(names, str) else list(names or ())
        self._set_strings(field, f"num_{field}", names)

    def set_cubin(self, cubin: bool | str | os.PathLike) -> None:
        if cubin is not False:
            self.options.ptxas = b"" if cubin is True else os.fsencode(cubin)

    def set_progress(self, progress: Callable[[str, int, int], None]) -> None:
        def on_progress(_, phase, done, total) -> None:
            if self.failure is not None:
                return
            try:
                progress(text(phase), done, total)
            except BaseException as error:  # raised again once the call is over
                self.failure = error
                self.cancelled.set()

        self.options.on_progress = _ProgressFn(on_progress)

    def _on_diagnostic(self, _, pointer) -> None:
        raw = pointer.contents
        diagnostic = Diagnostic(
            _SEVERITIES[raw.severity],
            Status(raw.status),
            text(raw.message),
            text(raw.node_name),
            text(raw.op_type),
            text(raw.domain),
            text(raw.location),
        )
        self.diagnostics.append(diagnostic)
        if diagnostic.severity == "warning":
            _LOG.warning("%s", diagnostic.message)

    def run(self, function: str) -> bytes:
        """Makes the call and returns the result's data; raises its error.

        The call runs in a thread of its own, since Python delivers Ctrl-C to
        the main thread only while that runs Python code.
        """
        entry = getattr(_compiler(), function)
        result = _Result()
        status: list[int] = []
        worker = threading.Thread(
            target=lambda: status.append(
                entry(ctypes.byref(self.options), ctypes.byref(result))
            ),
            daemon=True,
        )
        worker.start()
        try:
            worker.join()
        except BaseException:
            self.cancelled.set()
            worker.join()
            _compiler().dlc_compiler_result_free(ctypes.byref(result))
            raise
        try:
            if self.failure is not None:
                raise self.failure
            if status[0] != Status.OK:
                raise self._error(status[0], result)
            return ctypes.string_at(result.data, result.size) if result.data else b""
        finally:
            _compiler().dlc_compiler_result_free(ctypes.byref(result))

    def _error(self, status: int, result: _Result) -> Error:
        message = text(result.error) or f"compilation failed with status {status}"
        diagnostics = tuple(self.diagnostics)
        if status == Status.INTERNAL:
            return InternalError(message, diagnostics, text(result.repro_path))
        return error_class(status)(message, diagnostics)


DimSpec = int | tuple[int, int] | tuple[int, int, int] | str


def _dim_strings(dims: Mapping[str, DimSpec] | Iterable[str] | None) -> list[str]:
    """The dims as the C API takes them: "batch=1..32:8"."""
    if dims is None:
        return []
    if not isinstance(dims, Mapping):
        return [dims] if isinstance(dims, str) else list(dims)
    strings = []
    for name, spec in dims.items():
        if isinstance(spec, tuple):
            if len(spec) not in (2, 3):
                raise ValueError(
                    f"expected (min, max) or (min, max, hint) for '{name}', got {spec}"
                )
            hint = f":{spec[2]}" if len(spec) == 3 else ""
            spec = f"{spec[0]}..{spec[1]}{hint}"
        strings.append(f"{name}={spec}")
    return strings


def compile(
    model,
    target: str | None = None,
    dims: Mapping[str, DimSpec] | Iterable[str] | None = None,
    *,
    device: str | None = None,
    cpu: str | Iterable[str] | None = None,
    gpu_arch: str | Iterable[str] | None = None,
    precision: str = "fp32",
    cubin: bool | str | os.PathLike = False,
    output: str | os.PathLike | None = None,
    model_dir: str | os.PathLike | None = None,
    dump_ir: str | os.PathLike | None = None,
    num_threads: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Model:
    """Compiles an ONNX model and loads the result.

    `model` is a path, the bytes of a ModelProto, or a ModelProto; `model_dir` is
    the folder of its external data, where it is not the path's. `dims` gives
    sizes to symbolic dims: {"batch": 8}, {"batch": (1, 32)} for a range,
    {"batch": (1, 32, 8)} with the size to tune for. `device` is where the model
    runs, see dlc.load; `target`, what it is compiled for: "cpu", "cuda", or
    "cuda,cpu". Each is by default what the other needs. `cpu` names one or more
    variants of the code, by default this machine's own. `gpu_arch` names the
    GPUs that there is PTX for besides "sm_80", which all later ones run, too;
    with `cubin` there is machine code as well, made by the ptxas that is
    installed, or by the one at this path. `precision` is what products of
    matrices read on a GPU: "fp32", "tf32", "bf16" or "fp16". `output` keeps the
    binary in a file. `progress(phase, done, total)` is called from another
    thread; what it raises ends the compilation and is raised here.
    """
    call = _Call(model, dims, model_dir)
    if device is None:
        device = "cpu" if "cpu" in (target or "cpu").split(",") else "cuda:0"
    if target is None:
        is_cpu = parse_device(device).device_type == CPU
        target = "cpu" if is_cpu else "cuda"
    call.options.target = target.encode()
    call.options.precision = precision.encode()
    call.options.num_threads = check_threads(num_threads)
    call.set_names("cpus", cpu)
    call.set_names("gpu_archs", gpu_arch)
    call.set_cubin(cubin)
    if dump_ir is not None:
        call.options.dump_dir = os.fsencode(dump_ir)
    if progress is not None:
        call.set_progress(progress)
    if output is not None:
        call.options.output_path = os.fsencode(output)
        call.run("dlc_compile")
        return Model(output, device=device)
    # The file goes with the folder; the model holds on to its contents.
    with tempfile.TemporaryDirectory(prefix="dlc-") as folder:
        path = os.path.join(folder, "model.dlc")
        call.options.output_path = os.fsencode(path)
        call.run("dlc_compile")
        return Model(path, device=device)


@dataclass(frozen=True)
class Operator:
    """An operator of a model, and whether dlc can compile it."""

    domain: str
    name: str
    version: int
    count: int
    supported: bool
    reason: str | None
    node: str  # the first one this speaks of


class Inspection:
    """What a model holds, made by dlc.inspect."""

    def __init__(self, report: dict):
        self.report = report
        fields = Operator.__dataclass_fields__
        self.operators = [
            Operator(**{name: entry[name] for name in fields})
            for entry in report["operators"]
        ]

    @property
    def unsupported(self) -> list[Operator]:
        return [op for op in self.operators if not op.supported]

    @property
    def supported(self) -> bool:
        return self.report["supported"]

    def __str__(self) -> str:
        rows = []
        for op in self.operators:
            name = f"{op.domain}.{op.name}" if op.domain else op.name
            verdict = "ok" if op.supported else f"{op.reason} (node '{op.node}')"
            rows.append(f"{op.count:6}  {name}-{op.version}: {verdict}")
        return "\n".join(rows)


def inspect(
    model,
    dims: Mapping[str, DimSpec] | Iterable[str] | None = None,
    *,
    model_dir: str | os.PathLike | None = None,
) -> Inspection:
    """Says which operators a model has and which of them dlc can compile."""
    return Inspection(json.loads(_Call(model, dims, model_dir).run("dlc_inspect")))
