# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Points of attention, as tile_points.py has those of other kernels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from tile_data import BYTES, ROUNDING, operand, random, unwritten
from tile_points import (
    BARRIER_BYTES,
    BOX_ROW_BYTES,
    MEMORY_ALIGNMENT,
    RING_ALIGNMENT,
    Launch,
    Sums,
    align,
    ceil_div,
    map_argument,
    request,
)


@dataclass
class AttentionPoint:
    rows: int
    keys: int
    head: int
    value_head: int = 0
    batch: int = 1
    heads: int = 1
    shared: int = 1
    element: str = "bf16"
    result: str = "bf16"
    causal: bool = False
    window: int = 0
    bias: bool = False
    mask: bool = False
    cap: bool = False
    # The logarithms of the rows' sums are a result, too.
    log_sums: bool = False
    dynamic: bool = False
    # queries, keys, stages, warps.
    schedule: tuple[int, ...] = (64, 64, 2, 4)
    # Bulk copies of keys and values by tensor maps, on sm_90.
    bulk: bool = False
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        self.value_head = self.value_head or self.head

    def request(self) -> str:
        names = ("queries", "keys", "stages", "warps")
        pairs = zip(names, self.schedule, strict=True)
        schedule = ", ".join(f"{name} = {value}" for name, value in pairs)
        values = {k: v for k, v in vars(self).items() if k not in ("schedule", "bulk")}
        return request("attention", schedule + ", bulk = true" * self.bulk, values)

    @property
    def padded_heads(self) -> tuple[int, int]:
        """Columns in shared memory."""
        unit = 32 if self.element == "f32" else 16
        return align(self.head, 16), align(self.value_head, unit)

    @property
    def shared_bytes(self) -> int:
        """Rings of queries, keys and values, then mbarriers for the last two."""
        queries, step, stages, _ = self.schedule
        head, value_head = self.padded_heads
        size = BYTES[self.element]
        alignment = RING_ALIGNMENT if self.bulk else MEMORY_ALIGNMENT
        rings = align(size * queries * head, alignment)
        rings = align(rings + size * stages * step * head, alignment)
        rings += align(size * stages * step * value_head, MEMORY_ALIGNMENT)
        return rings + 2 * align(BARRIER_BYTES * stages, MEMORY_ALIGNMENT) * self.bulk

    def _map(self, buffer: int, columns: int, padded: int) -> str:
        """A tensor map of keys or values, a box of which is a block, or a panel."""
        size = BYTES[self.element]
        sizes, strides = [columns, self.keys], [columns * size]
        box = [min(padded, BOX_ROW_BYTES // size), self.schedule[1]]
        # In the order of the kernel's indices, not by stride.
        head = columns * self.keys * size
        for count, stride in ((self.batch, head * self.heads), (self.heads, head)):
            if count > 1 or self.dynamic:
                sizes.append(count)
                strides.append(stride)
                box.append(1)
        return map_argument(buffer, self.element, sizes, strides, box)

    def _seen(self, operand: np.ndarray) -> np.ndarray:
        """Which keys each row sees."""
        row, key = np.arange(self.rows)[:, None], np.arange(self.keys)
        end = row + self.keys - self.rows + 1
        seen = np.ones((self.rows, self.keys), bool)
        if self.causal:
            seen &= key < end
        if self.window:
            seen &= key >= end - self.window
        if self.mask:
            seen &= operand != 0
        return seen

    def _log_sums(self, scores: np.ndarray, absolute: np.ndarray):
        """The right logarithms of the rows' sums, and the error allowed."""
        top = scores.max(-1, initial=-1e30)
        with np.errstate(divide="ignore"):
            logs = top + np.log(np.exp(scores - top[..., None]).sum(-1))
        rounding = 2.0**-23 * (self.head * absolute.max(-1) + self.keys)
        return logs, rounding + 2.0**-20 * (4 + np.abs(np.maximum(logs, -1e3)))

    def launch(self, rng: np.random.Generator) -> Launch:
        heads = (self.batch, self.heads)
        query = random(rng, (*heads, self.shared, self.rows, self.head), self.element)
        key = random(rng, (*heads, self.keys, self.head), self.element)
        value = random(rng, (*heads, self.keys, self.value_head), self.element)
        extra = np.zeros(1, np.float32)
        if self.bias:
            extra = random(rng, (self.rows, self.keys), "f32")
        if self.mask:
            extra = rng.integers(0, 2, (self.rows, self.keys), np.uint8)
            extra[self.rows // 2] = 0
        q, k, v = (operand(x, self.element) for x in (query, key, value))
        scores = np.einsum("bhgmd,bhnd->bhgmn", q, k) / np.sqrt(self.head)
        if self.bias:
            scores = scores + extra
        if self.cap:
            scores = scores / (1 + np.abs(scores) / 4)
        scores = np.where(self._seen(extra), scores, -np.inf)
        absolute = np.einsum("bhgmd,bhnd->bhgmn", np.abs(q), np.abs(k))
        logs, log_errors = self._log_sums(scores, absolute)
        top = scores.max(-1, keepdims=True, initial=-1e30)
        weights = np.exp(scores - top)
        total = weights.sum(-1, keepdims=True)
        weights = np.where(total > 0, weights / np.where(total > 0, total, 1), 0)
        results = Sums(
            np.einsum("bhgmn,bhne->bhgme", weights, v),
            np.einsum("bhgmn,bhne->bhgme", weights, np.abs(v)),
            self.keys + self.head,
        )
        # Weights are rounded to the element; the sum of their errors is at worst
        # that much of the absolute result.
        rounding = 2.0**-11 if self.element == "f32" else ROUNDING[self.element]
        slack = 1.1 * rounding + 1e-5
        spread = np.einsum("bhgmn,bhne->bhgme", weights, np.abs(v))
        results.tolerance = results.tolerance + slack * spread
        memory = results.finish(self.result)
        log_memory = [unwritten(logs.shape, "f32")] if self.log_sums else []
        queries, _, _, warps = self.schedule
        head, value_head = self.padded_heads
        maps = []
        if self.bulk:
            maps.append(self._map(1, self.head, head))
            maps.append(self._map(2, self.value_head, value_head))
        count = self.batch * self.heads * self.shared
        sizes = [self.batch, self.heads, self.shared, self.rows, self.keys]
        return Launch(
            buffers=[query, key, value, extra, *log_memory, memory],
            sizes=sizes if self.dynamic else [],
            grid=count * ceil_div(self.rows, queries),
            block=32 * warps,
            shared=self.shared_bytes,
            expected=results.values,
            tolerance=results.tolerance,
            element=self.result,
            others=[(4, logs, log_errors)] if self.log_sums else [],
            maps=maps,
        )
