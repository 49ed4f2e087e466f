# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A loaded model: its inputs and outputs, and running it."""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import _arrays
from ._library import text
from ._runtime import (
    ContextOptions,
    DimInfo,
    LoadOptions,
    ModelInfo,
    Tensor,
    ValueInfo,
    check,
    check_threads,
    parse_device,
    runtime,
)
from .errors import ShapeError

# Shapes of which a model remembers the shapes of the outputs.
_REMEMBERED_SHAPES = 256


@dataclass(frozen=True)
class TensorSpec:
    """An input or output. `shape` has for each dim its size, or the name of its
    symbol, or None; `ranges` its least and largest size, None without a limit."""

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...]
    ranges: tuple[tuple[int, int | None], ...]

    def __str__(self) -> str:
        dims = ", ".join("?" if d is None else str(d) for d in self.shape)
        return f"{self.name}: {self.dtype}[{dims}]"


class _Context:
    """One thread's context, and the number of threads it was set to."""

    def __init__(self, model: Model, num_threads: int):
        self.model = model
        self.num_threads = num_threads
        self.handle = ctypes.c_void_p()
        # Kept, since at the interpreter's end modules go before objects.
        self._free = runtime().dlc_context_free
        options = ContextOptions(device=model._device, num_threads=num_threads)
        check(
            runtime().dlc_context_create(
                model._handle, ctypes.byref(options), ctypes.byref(self.handle)
            )
        )

    def __del__(self):
        if self.handle:
            self._free(self.handle)
            self.handle = None


def _write_file(source, path: Path) -> None:
    """Copies an open file to a place, where the old file stays until the end."""
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        with open(beside, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 22)
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


class Model:
    """A compiled model, made by dlc.compile or dlc.load.

    Any number of threads may run one model at the same time; each gets a
    context of its own. A model on a GPU takes arrays of the CPU, and arrays on
    that GPU without a copy; results are on the CPU.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        verify_weights: bool = False,
        device: str = "cpu",
    ):
        self._handle = ctypes.c_void_p()
        self._free = runtime().dlc_model_free
        # What save copies; the file itself may be gone by then.
        try:
            self._file = open(path, "rb")  # noqa: SIM115
        except OSError as error:
            raise type(error)(*error.args[:2], os.fspath(path)) from None
        self._folder = Path(os.fspath(path)).resolve().parent
        options = LoadOptions(verify_weights=verify_weights)
        check(
            runtime().dlc_model_load(
                os.fsencode(path), ctypes.byref(options), ctypes.byref(self._handle)
            )
        )
        info = ModelInfo()
        check(runtime().dlc_model_get_info(self._handle, ctypes.byref(info)))
        self._info = info
        self.inputs, _ = self._specs(info.num_inputs, "input")
        self.outputs, self._known = self._specs(info.num_outputs, "output")
        self._num_threads = 0
        self._local = threading.local()
        self._shapes: dict[tuple, list[tuple[int, ...] | None]] = {}
        # The first context says whether the model and the device fit.
        self._device = parse_device(device)
        self._context()

    def __del__(self):
        if getattr(self, "_handle", None):
            self._free(self._handle)
            self._handle = None
        if file := getattr(self, "_file", None):
            file.close()

    def __reduce_ex__(self, protocol):
        # Copies would free the same model; copy and pickle both come here.
        raise TypeError(
            "a dlc.Model cannot be copied or pickled: threads may share it; for "
            "another process, save it and load it there"
        )

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        outputs = ", ".join(map(str, self.outputs))
        return f"<dlc.Model ({inputs}) -> ({outputs})>"

    def _specs(self, count: int, kind: str) -> tuple[list[TensorSpec], list[bool]]:
        """The specs of all inputs or outputs, and whose size is known early."""
        get_value = getattr(runtime(), f"dlc_model_get_{kind}")
        get_dim = getattr(runtime(), f"dlc_model_get_{kind}_dim")
        specs, known = [], []
        for index in range(count):
            value = ValueInfo()
            check(get_value(self._handle, index, ctypes.byref(value)))
            shape, ranges = [], []
            for axis in range(value.ndim):
                dim = DimInfo()
                check(get_dim(self._handle, index, axis, ctypes.byref(dim)))
                is_static = dim.min == dim.max and dim.symbol is None
                shape.append(dim.min if is_static else text(dim.symbol))
                ranges.append((dim.min, dim.max if dim.max >= 0 else None))
            dtype = _arrays.to_dtype(value.dtype.code, value.dtype.bits)
            specs.append(
                TensorSpec(text(value.name), dtype, tuple(shape), tuple(ranges))
            )
            known.append(bool(value.size_known_before_run))
        return specs, known

    @property
    def arena_bytes(self) -> int | None:
        """What a run needs for activations; None when it depends on the shapes."""
        return self._info.arena_bytes if self._info.arena_bytes >= 0 else None

    @property
    def weights_bytes(self) -> int:
        return self._info.weights_bytes

    def set_threads(self, num_threads: int) -> None:
        """The most threads a run uses; 0: all that the process may use, 256 at most."""
        self._num_threads = check_threads(num_threads)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the model binary: beside its place first, and then renamed.

        Weights that lie in a file beside the model go into a file of the same
        name beside `path`.
        """
        path = Path(os.fspath(path)).resolve()
        weights = text(self._info.weights_file)
        if weights and path.parent != self._folder:
            with open(self._folder / weights, "rb") as source:
                _write_file(source, path.parent / weights)
        self._file.seek(0)
        _write_file(self._file, path)

    def __call__(self, *arrays, **named):
        """Runs the model on arrays in the order of its inputs, or by name.

        Returns the output, or a tuple when there are several, in the framework
        of the first input.
        """
        results = self._run(self._order(arrays, named))
        given = arrays or tuple(named.values())
        if given:
            results = [_arrays.like(result, given[0]) for result in results]
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, feeds: Mapping[str, object]) -> dict[str, np.ndarray]:
        """Runs the model: arrays by input name in, arrays by output name out."""
        if not isinstance(feeds, Mapping):
            raise TypeError(
                "expected a mapping from input names to arrays, got "
                f"{type(feeds).__name__}; model(...) takes arrays in order"
            )
        results = self._run(self._order((), feeds))
        return {spec.name: r for spec, r in zip(self.outputs, results, strict=True)}

    def named(self, arrays: Sequence) -> dict[str, object]:
        """The feeds of `run` for arrays in the order of the inputs."""
        if len(arrays) > len(self.inputs):
            raise ShapeError(f"expected {len(self.inputs)} inputs, got {len(arrays)}")
        names = [spec.name for spec in self.inputs]
        return dict(zip(names, arrays, strict=False))

    def _order(self, arrays: tuple, named: Mapping[str, object]) -> list:
        """All inputs in the model's order."""
        expected = [spec.name for spec in self.inputs]
        values = self.named(arrays)
        for name, value in named.items():
            if name not in expected:
                listing = ", ".join(f"'{n}'" for n in expected)
                raise ShapeError(f"unknown input '{name}', expected {listing}")
            if name in values:
                raise ShapeError(f"input '{name}' is given twice")
            values[name] = value
        if missing := [name for name in expected if name not in values]:
            raise ShapeError(
                "missing input " + ", ".join(f"'{name}'" for name in missing)
            )
        return [values[name] for name in expected]

    def _context(self) -> _Context:
        context = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = _Context(self, self._num_threads)
        elif context.num_threads != self._num_threads:
            check(runtime().dlc_context_set_threads(context.handle, self._num_threads))
            context.num_threads = self._num_threads
        return context

    def _output_shapes(self, context: _Context, inputs) -> list:
        """The shape of each output for these inputs; None where data decide."""
        key = tuple(tuple(t.shape[: t.ndim]) for t in inputs)
        shapes = self._shapes.get(key)
        if shapes is None:
            outputs = (Tensor * len(self.outputs))()
            check(
                runtime().dlc_context_prepare(
                    context.handle, inputs, len(inputs), outputs, len(outputs)
                ),
                usage=ShapeError,
            )
            shapes = [
                tuple(tensor.shape[: tensor.ndim]) if known else None
                for tensor, known in zip(outputs, self._known, strict=True)
            ]
            if len(self._shapes) >= _REMEMBERED_SHAPES:
                self._shapes.clear()
            self._shapes[key] = shapes
        return shapes

    def _run(self, values: list) -> list[np.ndarray]:
        context = self._context()
        inputs = (Tensor * len(values))()
        keep = [
            _arrays.fill(tensor, value, spec.dtype)
            for tensor, value, spec in zip(inputs, values, self.inputs, strict=True)
        ]
        shapes = self._output_shapes(context, inputs)
        tensors = (Tensor * len(self.outputs))()
        outputs = [
            _arrays.Output(tensor, spec.dtype, shape)
            for tensor, spec, shape in zip(tensors, self.outputs, shapes, strict=True)
        ]
        check(
            runtime().dlc_context_run(
                context.handle, inputs, len(inputs), tensors, len(tensors)
            ),
            usage=ShapeError,
        )
        del keep
        return [output.result() for output in outputs]


def load(
    path: str | os.PathLike, *, device: str = "cpu", verify_weights: bool = False
) -> Model:
    """Loads a model binary to run on `device`: "cpu", a GPU as in "cuda:0", or
    "ptxsim", the simulator. `verify_weights` checks the digests of all weights."""
    return Model(path, verify_weights, device)


def version() -> str:
    """The version of the runtime."""
    return text(runtime().dlc_version())
