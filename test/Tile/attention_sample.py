# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The points of attention in schedule_sample.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from attention_point import AttentionPoint
from tile_data import BYTES
from tile_points import BULK_SHARED_BYTES, align, ceil_div


def short_attentions() -> list:
    return [
        AttentionPoint(128, 128, 64, causal=True),
        AttentionPoint(
            37, 101, 40, 24, heads=2, shared=2, element="f16", bias=True,
            dynamic=True, schedule=(32, 32, 3, 2),
        ),
        AttentionPoint(33, 70, 256, mask=True, schedule=(32, 16, 2, 2)),
        AttentionPoint(
            65, 65, 36, causal=True, window=20, cap=True, result="f32",
            schedule=(64, 16, 2, 2),
        ),
        AttentionPoint(70, 90, 64, element="f32", result="f32", causal=True),
        AttentionPoint(
            37, 101, 40, 24, heads=2, shared=2, element="f32", result="f32",
            bias=True, dynamic=True, schedule=(32, 32, 3, 2),
        ),
        AttentionPoint(
            33, 40, 256, element="f32", result="f32", mask=True,
            schedule=(64, 16, 2, 4),
        ),
        AttentionPoint(
            65, 65, 33, 80, element="f32", result="bf16", window=20, cap=True,
            schedule=(32, 16, 2, 2),
        ),
        AttentionPoint(75, 90, 64, log_sums=True, causal=True),
        AttentionPoint(
            37, 101, 40, 24, heads=2, shared=2, element="f16", mask=True,
            log_sums=True, dynamic=True, schedule=(32, 32, 3, 2),
        ),
        AttentionPoint(
            50, 33, 64, batch=2, element="f32", result="f32", bias=True,
            log_sums=True, schedule=(64, 16, 2, 4),
        ),
    ]  # fmt: skip


def bulk_attentions() -> list:
    """Bulk copies of keys and values in rows of 32 to 512 bytes, in panels of 128;
    columns of memory are multiples of 16 bytes."""
    points = [
        # More blocks of keys than stages, and ends inside of them.
        AttentionPoint(70, 330, 64, causal=True, log_sums=True),
        # Fewer keys than a block; rows that see none.
        AttentionPoint(
            100, 40, 56, 16, heads=2, shared=2, element="f16", result="f32",
            causal=True, dynamic=True, schedule=(64, 208, 2, 4),
        ),
        AttentionPoint(
            33, 150, 32, 120, batch=2, heads=2, shared=3, bias=True,
            schedule=(32, 32, 4, 2),
        ),
        # Queries that stay in shared memory.
        AttentionPoint(
            70, 75, 248, 256, batch=2, element="f16", result="f16", mask=True,
            log_sums=True, dynamic=True, schedule=(64, 16, 3, 4),
        ),
        AttentionPoint(
            90, 190, 128, 24, heads=3, window=40, cap=True, schedule=(64, 48, 3, 2)
        ),
        AttentionPoint(20, 240, 16, element="f16", schedule=(16, 240, 2, 1)),
        # Registers for eight warps of a multiprocessor, not for ten.
        AttentionPoint(
            84, 130, 120, shared=2, causal=True, bias=True, dynamic=True,
            schedule=(32, 48, 3, 2),
        ),
    ]  # fmt: skip
    return [replace(point, bulk=True) for point in points]


def random_attentions(rng: np.random.Generator, count: int) -> list:
    points = []
    for number in range(count):
        element = str(rng.choice(["bf16", "f16", "f32"]))
        head = int(rng.choice([32, 48, 64, 80, 96, 128, 192, 256, 36, 33]))
        value_head = int(rng.choice([head, head, head, 64]))
        # Wide heads leave registers for few rows and keys at a time.
        wide = max(head, value_head) > 128
        warps = int(rng.choice([1, 2, 4]))
        keys = 16 if wide else int(rng.choice([16, 32, 64]))
        # A thread copies at most 8 chunks of 16 bytes of keys or values.
        row = ceil_div(max(head, value_head), 32) * 2 * BYTES[element]
        while keys * row > 8 * 32 * warps:
            keys, warps = (keys // 2, warps) if keys > 16 else (keys, 2 * warps)
        flags = dict.fromkeys(["bias", "mask", "cap"], False)
        if rng.integers(0, 2):
            flags[str(rng.choice(list(flags)))] = True
        points.append(
            AttentionPoint(
                int(rng.integers(1, 150)), int(rng.integers(1, 150)), head, value_head,
                batch=int(rng.integers(1, 3)), heads=int(rng.integers(1, 3)),
                shared=int(rng.integers(1, 3)),
                element=element, result=str(rng.choice(["bf16", "f16", "f32"])),
                causal=bool(rng.integers(0, 2)),
                window=int(rng.choice([0, 0, 17, 64])), log_sums=number % 3 == 0,
                dynamic=bool(rng.integers(0, 2)),
                schedule=(16 * warps, keys, int(rng.choice([2, 3])), warps), **flags,
            )
        )  # fmt: skip
    return points


def most_keys(rows: int, head: int, value_head: int, has_score_code: bool) -> int:
    """Keys of a block whose tiles fit a thread's registers (Schedules.cpp): the
    result, scores, and these as an operand, for `rows` of each warp."""
    registers = 199 - 52 * has_score_code
    if head <= 128:
        registers -= (rows - 16) * align(head, 16) // 64
    return int((32 * registers / rows - align(value_head, 16)) / 1.5) // 16 * 16


def random_bulk_attentions(rng: np.random.Generator, count: int) -> list:
    points = []
    while len(points) < count:
        head, value_head = (
            int(rng.choice([8, 16, 32, 56, 64, 120, 128, 184, 248, 256]))
            for _ in range(2)
        )
        value_head = int(rng.choice([head, value_head]))
        flags = dict.fromkeys(["bias", "mask", "cap"], False)
        if rng.integers(0, 2):
            flags[str(rng.choice(list(flags)))] = True
        warps, rows = int(rng.choice([1, 2, 4, 8])), int(rng.choice([16, 16, 32]))
        most = most_keys(rows, head, value_head, any(flags.values()))
        if most < 16:
            continue
        keys = 16 * int(rng.integers(1, most // 16 + 1))
        element = str(rng.choice(["bf16", "f16"]))
        point = AttentionPoint(
            int(rng.integers(1, 200)), int(rng.integers(1, 400)), head, value_head,
            batch=int(rng.integers(1, 3)), heads=int(rng.integers(1, 3)),
            shared=int(rng.integers(1, 3)), element=element,
            result=str(rng.choice([element, "f32"])),
            causal=bool(rng.integers(0, 2)),
            window=int(rng.choice([0, 0, 17, 64])),
            log_sums=bool(rng.integers(0, 2)), dynamic=bool(rng.integers(0, 2)),
            schedule=(rows * warps, keys, int(rng.integers(2, 5)), warps),
            bulk=True, **flags,
        )  # fmt: skip
        if point.shared_bytes <= BULK_SHARED_BYTES:
            points.append(point)
    return points
