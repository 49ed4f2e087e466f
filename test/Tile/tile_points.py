# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Points of the kernels' search space: a problem, a schedule, data and what is right.

A point knows the text that asks dlc-test-build-tile-kernels for its kernel, the
arguments and grid of a launch, and checks the results against numpy in float64,
those of integers exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

import numpy as np
from tile_data import BYTES, INTEGERS, ROUNDING, load, operand, random, unwritten

SHARED_BYTES = 166912
# Of sm_90, for kernels with bulk copies, whose rings begin at multiples of
# RING_ALIGNMENT; other memory at multiples of MEMORY_ALIGNMENT.
BULK_SHARED_BYTES = 232448
RING_ALIGNMENT = 1024
MEMORY_ALIGNMENT = 128
BARRIER_BYTES = 8
# The longest row of a box, and what rows and the strides of a tensor map keep.
BOX_ROW_BYTES = 128
MAP_ALIGNMENT = 16


def ceil_div(x: int, y: int) -> int:
    return -(-x // y)


def request(kind: str, schedule: str, values: dict) -> str:
    """An entry of tile.test_kernels: flags that are set, numbers, types, names."""
    fields = [f'kind = "{kind}"']
    for name, value in values.items():
        if value is True:
            fields.append(name)
        elif name == "name":
            fields.append(f'name = "{value}"')
        elif value is not False:
            fields.append(f"{name} = {value}")
    if schedule:
        fields.append(f"schedule = #tile.{kind}_schedule<{schedule}>")
    return "{" + ", ".join(fields) + "}"


def map_argument(
    buffer: int, kind: str, sizes: list[int], strides: list[int], box: list[int]
) -> str:
    """A tensor map as ptxsim wants it: dims from the innermost one on, strides of the
    others in bytes. The swizzle is as long as the box's rows."""
    row = box[0] * BYTES[kind]
    assert all(stride % MAP_ALIGNMENT == 0 for stride in strides), (buffer, strides)
    lists = ["x".join(map(str, values)) for values in (sizes, strides, box)]
    element = "u8" if kind in INTEGERS else kind
    return ":".join(["map", str(buffer), element, *lists, str(row)])


def product_schedule(values: tuple[int, ...]) -> str:
    names = ("tile_m", "tile_n", "tile_k", "stages", "warps_m", "warps_n", "split_k")
    return ", ".join(f"{k} = {v}" for k, v in zip(names, values, strict=False))


def align(x: int, alignment: int) -> int:
    return ceil_div(x, alignment) * alignment


def bulk_shared(values: tuple[int, ...], element: str) -> int:
    """Of a product with bulk copies: two rings or results, then mbarriers."""
    tile_m, tile_n, tile_k, stages = values[:4]
    row = stages * tile_k * BYTES[element]
    rings = align(tile_m * row, RING_ALIGNMENT) + align(tile_n * row, MEMORY_ALIGNMENT)
    barriers = align(BARRIER_BYTES * stages, MEMORY_ALIGNMENT)
    staging = 4 * tile_m * tile_n
    return (
        max(rings, staging if staging + barriers <= BULK_SHARED_BYTES else 0) + barriers
    )


def product_shared(values: tuple[int, ...], element: str) -> int:
    tile_m, tile_n, tile_k, stages = values[:4]
    staging = 4 * tile_m * tile_n
    ring = stages * (tile_m + tile_n) * tile_k * BYTES[element]
    return max(ring, staging if staging <= SHARED_BYTES else 0)


@dataclass
class Launch:
    """Arguments in the kernel's order, and the shape of a launch."""

    buffers: list[np.ndarray]
    sizes: list[int]
    grid: int
    block: int
    shared: int
    # The right value of the last buffer, its element, and the error allowed.
    expected: np.ndarray
    tolerance: np.ndarray
    element: str
    # Other results: number of the buffer, right values of f32, error allowed.
    others: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    # Tensor maps, as ptxsim wants them.
    maps: list[str] = field(default_factory=list)


class Sums:
    """Results of a product with what the test's epilogue makes of them."""

    def __init__(
        self, sums: np.ndarray, absolute: np.ndarray, terms: int, exact: bool = False
    ):
        self.values = sums
        self.exact = exact
        # Each addition in f32 rounds, to zero at worst (PTX ISA, mma).
        self.tolerance = 2.0**-23 * terms * absolute + 1e-30
        self.operands: list[np.ndarray] = []

    def epilogue(self, rng: np.random.Generator, element: str) -> None:
        """relu(x + bias[column]) + residual."""
        bias = random(rng, self.values.shape[-1], element)
        residual = random(rng, self.values.shape, element)
        self.operands = [bias, residual]
        self.values = np.maximum(self.values + load(bias, element), 0)
        self.values = self.values + load(residual, element)
        self.tolerance = self.tolerance + 2.0**-22 * (np.abs(self.values) + 4)

    def finish(self, element: str) -> np.ndarray:
        """Memory for the results; rounding takes part in the tolerance."""
        if self.exact:
            self.tolerance = np.zeros(self.values.shape)
            return unwritten(self.values.shape, element)
        rounding = ROUNDING[element] * 1.01 * np.abs(self.values)
        self.tolerance = self.tolerance + rounding
        if element == "f16":
            self.tolerance = self.tolerance + 2.0**-25
        return unwritten(self.values.shape, element)


@dataclass
class GemmPoint:
    m: int
    n: int
    k: int
    element: str = "bf16"
    result: str = "bf16"
    batch: int = 1
    transpose_a: bool = False
    transpose_b: bool = False
    gap: int = 0
    dynamic: bool = False
    epilogue: bool = False
    # B's, where it is another 8-bit integer; zero points per row and column.
    element_b: str = ""
    zero_a: bool = False
    zero_b: bool = False
    # tile m, n, k, stages, warps m, n, and maybe split_k.
    schedule: tuple[int, ...] = (128, 128, 32, 4, 2, 2)
    # Bulk copies by tensor maps, on sm_90.
    bulk: bool = False
    name: str = field(default="", compare=False)

    @property
    def split(self) -> int:
        return self.schedule[6] if len(self.schedule) > 6 else 1

    def __post_init__(self) -> None:
        self.element_b = self.element_b or self.element

    def request(self) -> str:
        values = {k: v for k, v in vars(self).items() if k not in ("schedule", "bulk")}
        schedule = product_schedule(self.schedule)
        return request("gemm", schedule + ", bulk = true" * self.bulk, values)

    def _map(
        self, buffer: int, shape: tuple[int, int], tile: tuple[int, int], turn: bool
    ) -> str:
        """A tensor map of matrices, a box of which is a tile, or a panel of it."""
        if turn:
            shape, tile = shape[::-1], tile[::-1]
        size = BYTES[self.element]
        pitch = (shape[1] + self.gap) * size
        sizes, strides = [*shape[::-1]], [pitch]
        box = [min(tile[1], BOX_ROW_BYTES // size), tile[0]]
        if self.batch > 1 or self.dynamic:
            sizes.append(self.batch)
            strides.append(pitch * shape[0])
            box.append(1)
        return map_argument(buffer, self.element, sizes, strides, box)

    def _matrix(
        self, rng: np.random.Generator, shape: tuple[int, int], turn: bool, element: str
    ):
        """Memory of a matrix with gaps that must not be read, and its values."""
        rows, columns = reversed(shape) if turn else shape
        stored = unwritten((self.batch, rows, columns + self.gap), element)
        stored[:, :, :columns] = random(rng, (self.batch, rows, columns), element)
        values = operand(stored[:, :, :columns], element)
        return stored, np.swapaxes(values, 1, 2) if turn else values

    def launch(self, rng: np.random.Generator) -> Launch:
        a, a_values = self._matrix(
            rng, (self.m, self.k), self.transpose_a, self.element
        )
        b, b_values = self._matrix(
            rng, (self.k, self.n), self.transpose_b, self.element_b
        )
        exact = self.element in INTEGERS
        zeros = []
        if self.zero_a:
            zeros.append(random(rng, self.m, self.element).astype(np.int32))
            a_values = a_values - zeros[-1][:, None]
        if self.zero_b:
            zeros.append(random(rng, self.n, self.element_b).astype(np.int32))
            b_values = b_values - zeros[-1]
        tile_m, tile_n, tile_k, _, warps_m, warps_n = self.schedule[:6]
        element = self.result
        if self.split > 1:
            # Partial sums of equal parts of the steps.
            element = "i32" if exact else "f32"
            part = ceil_div(ceil_div(self.k, tile_k), self.split) * tile_k
            cuts = [part * (i + 1) for i in range(self.split - 1)]
            pairs = zip(
                np.split(a_values, cuts, 2), np.split(b_values, cuts, 1), strict=True
            )
            parts = [(x, y) for x, y in pairs]
            sums = np.stack([x @ y for x, y in parts])
            absolute = np.stack([np.abs(x) @ np.abs(y) for x, y in parts])
            results = Sums(sums, absolute, self.k, exact)
        else:
            absolute = np.abs(a_values) @ np.abs(b_values)
            results = Sums(a_values @ b_values, absolute, self.k, exact)
        if self.epilogue:
            results.epilogue(rng, element)
        memory = results.finish(element)
        tiles = ceil_div(self.m, tile_m) * ceil_div(self.n, tile_n)
        shared, maps = product_shared(self.schedule, self.element), []
        if self.bulk:
            shared = bulk_shared(self.schedule, self.element)
            maps = [
                self._map(0, (self.m, self.k), (tile_m, tile_k), self.transpose_a),
                self._map(1, (self.k, self.n), (tile_k, tile_n), self.transpose_b),
            ]
        return Launch(
            buffers=[a, b, *zeros, *results.operands, memory],
            sizes=[self.batch, self.m, self.n, self.k] if self.dynamic else [],
            grid=self.batch * tiles * self.split,
            block=32 * warps_m * warps_n,
            shared=shared,
            expected=results.values,
            tolerance=results.tolerance,
            element=element,
            maps=maps,
        )


@dataclass
class SplitSumPoint:
    m: int
    n: int
    parts: int
    batch: int = 1
    result: str = "bf16"
    dynamic: bool = False
    name: str = field(default="", compare=False)

    def request(self) -> str:
        return request("split_sum", "", {**vars(self), "epilogue": True})

    def launch(self, rng: np.random.Generator) -> Launch:
        exact = self.result in INTEGERS
        shape = (self.parts, self.batch, self.m, self.n)
        partial = random(rng, shape, "i32" if exact else "f32")
        values = partial.astype(np.float64)
        results = Sums(values.sum(0), np.abs(values).sum(0), self.parts, exact)
        results.epilogue(rng, self.result)
        memory = results.finish(self.result)
        lanes = 1 if self.dynamic else gcd(4, self.n)
        return Launch(
            buffers=[partial, *results.operands, memory],
            sizes=[self.batch, self.m, self.n] if self.dynamic else [],
            grid=ceil_div(self.batch * self.m * self.n // lanes, 256),
            block=256,
            shared=0,
            expected=results.values,
            tolerance=results.tolerance,
            element=self.result,
        )


@dataclass
class ConvPoint:
    images: int
    size: tuple[int, int]
    channels: int
    output_channels: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (1, 1)
    groups: int = 1
    element: str = "bf16"
    result: str = "bf16"
    transpose_b: bool = False
    dynamic: bool = False
    epilogue: bool = False
    # The filter's, as of GemmPoint; a zero point of the input, and one per output
    # channel.
    element_b: str = ""
    zero_a: bool = False
    zero_b: bool = False
    # tile m, n, k, stages, warps m, n, and maybe split_k.
    schedule: tuple[int, ...] = (64, 64, 32, 3, 2, 2)
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        self.element_b = self.element_b or self.element

    @property
    def split(self) -> int:
        return self.schedule[6] if len(self.schedule) > 6 else 1

    @property
    def output(self) -> tuple[int, int]:
        """The same padding on both sides."""
        sides = zip(
            self.size, self.pad, self.dilation, self.kernel, self.stride, strict=True
        )
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in sides
        )
        return height, width

    def request(self) -> str:
        values = {
            name: getattr(self, name)
            for name in (
                "name", "element", "result", "images", "channels", "output_channels",
                "groups", "transpose_b", "dynamic", "epilogue", "element_b", "zero_a",
                "zero_b",
            )
        }  # fmt: skip
        for name, pair in (
            ("{}height {}width", self.size),
            ("output_{}height output_{}width", self.output),
            ("pad_top pad_left", self.pad),
            ("kernel_height kernel_width", self.kernel),
            ("stride_height stride_width", self.stride),
            ("dilation_height dilation_width", self.dilation),
        ):
            values.update(zip(name.replace("{}", "").split(), pair, strict=True))
        return request("conv", product_schedule(self.schedule), values)

    def _windows(self, x: np.ndarray) -> np.ndarray:
        """[images, y, x, groups, taps, channels] of what each output sees."""
        (pad_y, pad_x), (height, width) = self.pad, self.output
        x = np.pad(x, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)))
        taps = []
        for r in range(self.kernel[0]):
            for s in range(self.kernel[1]):
                y0, x0 = r * self.dilation[0], s * self.dilation[1]
                rows = slice(y0, y0 + self.stride[0] * (height - 1) + 1, self.stride[0])
                columns = slice(
                    x0, x0 + self.stride[1] * (width - 1) + 1, self.stride[1]
                )
                taps.append(x[:, rows, columns])
        shape = (self.images, height, width, self.groups, self.channels)
        return np.stack([tap.reshape(shape) for tap in taps], axis=4)

    def _parts(self) -> list[np.ndarray]:
        """For each part of the sum, which taps and channels count: equal numbers
        of steps over the channels of a tap, then over taps, or over both at once."""
        taps = self.kernel[0] * self.kernel[1]
        tile_k = self.schedule[2]
        if taps > 1 and self.channels % tile_k:
            steps = np.arange(taps * self.channels).reshape(taps, -1) // tile_k
        else:
            channels = np.arange(self.channels) // tile_k
            steps = np.arange(taps)[:, None] * ceil_div(self.channels, tile_k)
            steps = steps + channels
        size = ceil_div(int(steps.max()) + 1, self.split)
        return [steps // size == part for part in range(self.split)]

    def launch(self, rng: np.random.Generator) -> Launch:
        taps = self.kernel[0] * self.kernel[1]
        shape = (self.images, *self.size, self.groups * self.channels)
        image = random(rng, shape, self.element)
        if self.transpose_b:
            filter_shape = (self.groups, taps, self.channels, self.output_channels)
        else:
            filter_shape = (self.groups, self.output_channels, taps, self.channels)
        weights = random(rng, filter_shape, self.element_b)
        letters = "gtcj" if self.transpose_b else "gjtc"
        inputs = operand(image, self.element)
        values = operand(weights, self.element_b)
        zeros = []
        if self.zero_a:
            zeros.append(random(rng, 1, self.element).astype(np.int32))
            inputs = inputs - zeros[-1]
        if self.zero_b:
            outputs = (self.groups, self.output_channels)
            zeros.append(random(rng, outputs, self.element_b).astype(np.int32))
            values = values - zeros[-1][:, :, None, None]
        windows = self._windows(inputs)
        equation = f"nyxgtc,{letters}->nyxgj"

        def convolve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            parts = [
                np.einsum(equation, x * part, y, optimize=True)
                for part in self._parts()
            ]
            sums = np.stack(parts) if self.split > 1 else parts[0]
            return sums.reshape(*sums.shape[:-2], -1)

        results = Sums(
            convolve(windows, values),
            convolve(np.abs(windows), np.abs(values)),
            taps * self.channels,
            self.element in INTEGERS,
        )
        element = self.result
        if self.split > 1:
            element = "i32" if self.element in INTEGERS else "f32"
        if self.epilogue:
            results.epilogue(rng, element)
        memory = results.finish(element)
        tile_m, tile_n = self.schedule[:2]
        pixels = self.images * self.output[0] * self.output[1]
        tiles = ceil_div(pixels, tile_m) * ceil_div(self.output_channels, tile_n)
        sizes = [self.images, *self.size, *self.output, *self.pad]
        return Launch(
            buffers=[image, weights, *zeros, *results.operands, memory],
            sizes=sizes if self.dynamic else [],
            grid=self.groups * tiles * self.split,
            block=32 * self.schedule[4] * self.schedule[5],
            shared=product_shared(self.schedule, self.element),
            expected=results.values,
            tolerance=results.tolerance,
            element=element,
        )
