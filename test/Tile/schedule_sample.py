# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The points that run_schedules.py runs: a short set by hand, a long one at random."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
from attention_sample import (
    bulk_attentions,
    random_attentions,
    random_bulk_attentions,
    short_attentions,
)
from tile_data import BYTES, INTEGERS
from tile_points import (
    BULK_SHARED_BYTES,
    MAP_ALIGNMENT,
    ConvPoint,
    GemmPoint,
    SplitSumPoint,
    bulk_shared,
)


def short_points() -> list:
    """One point for each way through the builders and the emission."""
    return [
        GemmPoint(256, 128, 96),
        GemmPoint(100, 72, 50, transpose_a=True, schedule=(64, 64, 32, 3, 2, 2)),
        GemmPoint(
            65, 33, 41, "f16", "f32", batch=2, dynamic=True, epilogue=True,
            schedule=(64, 32, 16, 2, 2, 1),
        ),
        GemmPoint(
            64, 100, 36, "f32", "f32", transpose_b=True, gap=4,
            schedule=(64, 64, 16, 3, 1, 2),
        ),
        GemmPoint(
            40, 96, 72, "f32", "f32", transpose_a=True, epilogue=True,
            schedule=(32, 32, 32, 2, 1, 2),
        ),
        GemmPoint(48, 40, 200, batch=2, schedule=(32, 32, 32, 2, 2, 1, 3)),
        # The last part is empty.
        GemmPoint(20, 40, 160, schedule=(32, 32, 32, 3, 2, 1, 4)),
        SplitSumPoint(50, 36, 3, batch=2),
        SplitSumPoint(5, 7, 2, dynamic=True),
        ConvPoint(2, (9, 7), 32, 40, epilogue=True),
        ConvPoint(
            1, (11, 11), 20, 24, (3, 2), (2, 1), (1, 2), (1, 0), groups=2,
            element="f16", transpose_b=True, dynamic=True,
            schedule=(32, 32, 16, 2, 2, 1),
        ),
        ConvPoint(
            2, (1, 33), 12, 16, (1, 5), (1, 2), pad=(0, 2), element="f32",
            result="f32", schedule=(32, 16, 16, 3, 2, 1),
        ),
        ConvPoint(
            1, (13, 13), 3, 16, (7, 7), (2, 2), pad=(3, 3),
            schedule=(32, 16, 16, 2, 2, 1),
        ),
        # 8-bit integers: rows of any length, signs mixed, zero points or not.
        GemmPoint(
            100, 72, 80, "i8", "i32", transpose_b=True, schedule=(64, 64, 32, 3, 2, 2)
        ),
        GemmPoint(
            65, 33, 41, "ui8", "i32", batch=2, transpose_b=True, dynamic=True,
            epilogue=True, element_b="i8", zero_a=True, schedule=(64, 32, 32, 2, 2, 1),
        ),
        GemmPoint(
            48, 40, 200, "i8", "i32", transpose_b=True, gap=4, element_b="ui8",
            zero_a=True, zero_b=True, schedule=(32, 32, 64, 2, 2, 1, 3),
        ),
        GemmPoint(
            20, 70, 300, "ui8", "i32", transpose_b=True, dynamic=True, zero_b=True,
            schedule=(32, 64, 32, 3, 1, 2, 4),
        ),
        SplitSumPoint(50, 36, 3, batch=2, result="i32"),
        ConvPoint(
            2, (9, 7), 32, 40, element="ui8", result="i32", epilogue=True,
            element_b="i8", zero_a=True,
        ),
        ConvPoint(
            1, (11, 11), 20, 24, (3, 2), (2, 1), (1, 2), (1, 0), groups=2,
            element="i8", result="i32", dynamic=True, zero_a=True, zero_b=True,
            schedule=(32, 32, 32, 2, 2, 1),
        ),
        ConvPoint(
            2, (1, 33), 12, 16, (1, 5), (1, 2), pad=(0, 2), element="i8",
            result="i32", element_b="ui8", zero_b=True, schedule=(32, 16, 64, 3, 2, 1),
        ),
        ConvPoint(
            1, (6, 5), 40, 24, groups=2, dynamic=True,
            schedule=(32, 32, 32, 2, 2, 1, 4),
        ),
        # The last part is empty.
        ConvPoint(
            2, (4, 4), 20, 16, (2, 2), element="f32", result="f32",
            schedule=(32, 16, 16, 3, 2, 1, 5),
        ),
        ConvPoint(
            1, (7, 6), 32, 24, element="i8", result="i32", element_b="ui8",
            zero_a=True, zero_b=True, schedule=(32, 32, 32, 2, 2, 1, 4),
        ),
        *few_channel_convs(),
        *short_attentions(),
        *bulk_gemms(),
        *bulk_attentions(),
    ]  # fmt: skip


def bulk_gemms() -> list:
    """Bulk copies into rows of 32 to 512 bytes, in panels of 128; rows of memory are
    multiples of 16 bytes with their gaps. Rings are filled less than once, and up to
    four times."""
    points = [
        GemmPoint(256, 128, 320),
        GemmPoint(
            100, 76, 331, transpose_a=True, gap=4, schedule=(64, 64, 64, 3, 2, 2)
        ),
        GemmPoint(
            65, 33, 41, "f16", "f32", batch=2, gap=7, dynamic=True, epilogue=True,
            schedule=(64, 32, 16, 2, 2, 1),
        ),
        # Fewer steps than stages.
        GemmPoint(40, 300, 20, gap=4, schedule=(64, 256, 16, 8, 1, 4)),
        GemmPoint(
            33, 50, 129, "f16", "f16", transpose_a=True, transpose_b=True, gap=7,
            batch=3, schedule=(16, 64, 128, 2, 1, 4),
        ),
        # The last part is empty.
        GemmPoint(20, 40, 160, batch=2, schedule=(32, 32, 32, 3, 2, 1, 4)),
        GemmPoint(
            64, 100, 36, "f32", "f32", transpose_b=True, schedule=(64, 64, 16, 3, 1, 2)
        ),
        GemmPoint(
            70, 33, 147, "f32", "f32", transpose_b=True, gap=1, batch=2, dynamic=True,
            epilogue=True, schedule=(32, 32, 64, 2, 2, 1),
        ),
        GemmPoint(
            100, 72, 400, "i8", "i32", transpose_b=True, schedule=(64, 64, 32, 3, 2, 2)
        ),
        GemmPoint(
            65, 33, 41, "ui8", "i32", batch=2, transpose_b=True, gap=7, dynamic=True,
            epilogue=True, element_b="i8", zero_a=True, zero_b=True,
            schedule=(64, 32, 64, 6, 2, 1),
        ),
        GemmPoint(
            48, 40, 500, "i8", "i32", transpose_b=True, gap=12, element_b="ui8",
            zero_b=True, schedule=(32, 32, 128, 4, 2, 1, 3),
        ),
    ]  # fmt: skip
    return [replace(point, bulk=True) for point in points]


def few_channel_convs() -> list:
    """Steps that go over taps and channels at once, with pieces of 1 to 16 bytes."""
    return [
        ConvPoint(
            2, (19, 17), 3, 40, (7, 7), (2, 2), pad=(3, 3), epilogue=True,
            transpose_b=True,
        ),
        ConvPoint(
            1, (12, 15), 1, 16, (5, 3), (1, 2), (1, 2), (2, 1), element="f16",
            result="f32", dynamic=True, schedule=(64, 16, 16, 3, 2, 1),
        ),
        ConvPoint(
            2, (9, 8), 5, 24, (3, 3), (2, 1), (2, 1), groups=3, transpose_b=True,
            dynamic=True, schedule=(32, 32, 32, 2, 2, 1, 2),
        ),
        ConvPoint(
            1, (10, 9), 6, 20, groups=2, element="f16", schedule=(32, 32, 64, 2, 1, 1)
        ),
        ConvPoint(1, (9, 10), 40, 24, (3, 2), schedule=(32, 32, 32, 2, 2, 1)),
        ConvPoint(
            1, (20, 19), 3, 24, (7, 7), (2, 2), pad=(3, 3), element="f32",
            result="f32", transpose_b=True, schedule=(64, 32, 16, 3, 2, 1),
        ),
        ConvPoint(
            2, (8, 9), 7, 16, element="f32", result="f32", groups=2, dynamic=True,
            schedule=(32, 16, 32, 2, 1, 1),
        ),
        ConvPoint(
            1, (19, 18), 3, 24, (7, 7), (2, 2), pad=(3, 3), element="ui8",
            result="i32", element_b="i8", zero_a=True, zero_b=True,
            schedule=(32, 32, 32, 2, 2, 1),
        ),
        ConvPoint(
            1, (9, 8), 6, 16, pad=(2, 1), element="i8", result="i32", zero_a=True,
            groups=2, dynamic=True, schedule=(32, 16, 64, 3, 2, 1, 2),
        ),
        ConvPoint(
            2, (7, 8), 12, 16, (3, 2), element="i8", result="i32", element_b="ui8",
            zero_a=True, epilogue=True, schedule=(32, 16, 32, 2, 2, 1),
        ),
        ConvPoint(
            1, (8, 7), 8, 16, element="ui8", result="i32", zero_a=True,
            schedule=(32, 16, 32, 2, 2, 1),
        ),
        ConvPoint(
            1, (7, 9), 48, 16, element="i8", result="i32", zero_a=True,
            schedule=(32, 32, 32, 2, 2, 1),
        ),
    ]  # fmt: skip


def legal_schedules(
    build: Path, element: str, k_of_a: bool, k_of_b: bool, for_conv: bool = False
) -> list:
    """What the compiler says are the legal schedules of a product."""
    options = (
        f"element-bytes={BYTES[element]} "
        f"contiguous-k-of-a={str(k_of_a).lower()} "
        f"contiguous-k-of-b={str(k_of_b).lower()} "
        f"for-conv={str(for_conv).lower()}"
    )
    command = [build / "bin/dlc-opt", f"--dlc-test-print-tile-schedules={options}"]
    done = subprocess.run(
        command, input="module {}", capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    return [tuple(map(int, line.split())) for line in lines if line[:1].isdigit()]


def random_gemms(rng: np.random.Generator, build: Path, count: int) -> list:
    points = []
    for _ in range(count):
        element = str(rng.choice(["bf16", "f16", "f32"]))
        turn_a, turn_b, dynamic, epilogue = (bool(x) for x in rng.integers(0, 2, 4))
        schedules = legal_schedules(build, element, not turn_a, turn_b)
        sizes = [int(x) for x in rng.choice([1, 7, 16, 24, 33, 64, 100, 128, 200], 3)]
        points.append(
            GemmPoint(
                *sizes, element, str(rng.choice([element, "f32"])),
                batch=int(rng.integers(1, 3)), transpose_a=turn_a,
                transpose_b=turn_b, gap=int(rng.choice([0, 0, 1, 2, 8])),
                dynamic=dynamic, epilogue=epilogue,
                schedule=schedules[rng.integers(len(schedules))],
            )
        )  # fmt: skip
    return points


def padded_sizes(
    rng: np.random.Generator, element: str, padded: str
) -> tuple[dict[str, int], int]:
    """Of m, n and k, and a gap that makes rows of the `padded` ones multiples of 16
    bytes."""
    unit = MAP_ALIGNMENT // BYTES[element]
    gap = int(rng.integers(0, unit))
    sizes = {name: int(rng.choice([1, 7, 16, 33, 64, 100, 200])) for name in "mnk"}
    for name in padded:
        sizes[name] = unit * int(rng.choice([1, 2, 5, 9, 25])) - gap
    return sizes, gap


def stretch(
    rng: np.random.Generator, schedule: tuple[int, ...], element: str
) -> tuple[int, ...]:
    """A schedule with other stages and maybe twice the k, where there is memory, and
    with a split_k."""
    m, n, k, _, *warps = schedule
    longer = (m, n, k * int(rng.choice([1, 2])), int(rng.integers(2, 9)), *warps)
    split = int(rng.choice([1, 1, 3, 5]))
    fits = bulk_shared(longer, element) <= BULK_SHARED_BYTES
    return (*(longer if fits else schedule), split)


def random_bulks(rng: np.random.Generator, build: Path, count: int) -> list:
    points = []
    for _ in range(count):
        element = str(rng.choice(["bf16", "f16", "f32", "i8", "ui8"]))
        turn_a, turn_b, dynamic, epilogue = (bool(x) for x in rng.integers(0, 2, 4))
        zeros = dict.fromkeys(["zero_a", "zero_b"], False)
        result, element_b = str(rng.choice([element, "f32"])), element
        if element in INTEGERS:
            zeros = {name: bool(rng.integers(0, 2)) for name in zeros}
            result, element_b = "i32", str(rng.choice(list(INTEGERS)[:2]))
        if element in INTEGERS or element == "f32":
            turn_a, turn_b = False, True
        padded = ("m" if turn_a else "k") + ("k" if turn_b else "n")
        sizes, gap = padded_sizes(rng, element, padded)
        schedules = legal_schedules(build, element, not turn_a, turn_b)
        schedule = stretch(rng, schedules[rng.integers(len(schedules))], element)
        points.append(
            GemmPoint(
                **sizes, element=element, result=result, element_b=element_b,
                batch=int(rng.integers(1, 4)), transpose_a=turn_a,
                transpose_b=turn_b, gap=gap, dynamic=dynamic,
                epilogue=epilogue and schedule[6] == 1,  # of partial sums there is none
                schedule=schedule, bulk=True, **zeros,
            )
        )  # fmt: skip
    return points


def random_convs(rng: np.random.Generator, build: Path, count: int) -> list:
    points = []
    while len(points) < count:
        element = str(rng.choice(["bf16", "f16", "f32"]))
        outputs_last = bool(rng.integers(0, 2))
        schedules = legal_schedules(build, element, True, not outputs_last, True)
        schedule = schedules[rng.integers(len(schedules))]
        kernel, stride, dilation, pad = (
            (int(rng.integers(low, high)), int(rng.integers(low, high)))
            for low, high in ((1, 5), (1, 4), (1, 3), (0, 3))
        )
        point = ConvPoint(
            int(rng.integers(1, 4)),
            (int(rng.integers(1, 20)), int(rng.integers(1, 20))),
            int(rng.choice([1, 3, 8, 20, 32, 64])),
            int(rng.choice([1, 6, 16, 40, 64])),
            kernel, stride, dilation, pad, groups=int(rng.choice([1, 1, 2, 3])),
            element=element, result=str(rng.choice([element, "f32"])),
            transpose_b=outputs_last, dynamic=bool(rng.integers(0, 2)),
            epilogue=bool(rng.integers(0, 2)), schedule=schedule,
        )  # fmt: skip
        if min(point.output) > 0:
            points.append(point)
    return points


def random_integers(rng: np.random.Generator, build: Path, count: int) -> list:
    """Products and convolutions of 8-bit integers, half of them each."""
    points = []
    for schedules, is_conv in (
        (legal_schedules(build, "i8", True, True), False),
        (legal_schedules(build, "i8", True, True, for_conv=True), True),
    ):
        while len(points) < (count if is_conv else count // 2):
            element, element_b = (str(x) for x in rng.choice(["i8", "ui8"], 2))
            flags = ("dynamic", "epilogue", "zero_a", "zero_b")
            values = {name: bool(rng.integers(0, 2)) for name in flags}
            values |= {"element": element, "element_b": element_b, "result": "i32"}
            values["schedule"] = schedules[rng.integers(len(schedules))]
            if not is_conv:
                sizes = rng.choice([1, 7, 16, 24, 33, 64, 100, 128, 200], 3)
                gap = int(rng.choice([0, 0, 1, 2, 8]))
                points.append(
                    GemmPoint(*map(int, sizes), gap=gap, transpose_b=True, **values)
                )
                continue
            kernel, stride, dilation, pad = (
                (int(rng.integers(low, high)), int(rng.integers(low, high)))
                for low, high in ((1, 5), (1, 4), (1, 3), (0, 3))
            )
            size = (int(rng.integers(1, 20)), int(rng.integers(1, 20)))
            channels, outputs = rng.choice([1, 3, 8, 20, 32, 64], 2)
            point = ConvPoint(
                int(rng.integers(1, 4)), size, int(channels), int(outputs), kernel,
                stride, dilation, pad, groups=int(rng.choice([1, 1, 2, 3])), **values,
            )  # fmt: skip
            if min(point.output) > 0:
                points.append(point)
    return points


def long_points(build: Path) -> list:
    """275 points beside the short ones; always the same."""
    rng = np.random.default_rng(2026)
    return [
        *random_gemms(rng, build, 80),
        *random_convs(rng, build, 40),
        *random_attentions(rng, 40),
        *random_integers(rng, build, 60),
        *random_bulks(rng, build, 40),
        *random_bulk_attentions(rng, 15),
    ]
