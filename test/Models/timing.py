# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times calls side by side, for the examples. benchmarks/ does it thoroughly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(
    calls: list[Callable[[], object]], rounds: int = 7, seconds: float = 0.05
) -> list[float]:
    """The median time of each call in seconds, measured in alternating bursts.

    Between bursts there is a pause, in which the threads that the other library
    keeps spinning fall asleep.
    """
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for call, kept in zip(calls, times, strict=True):
            time.sleep(0.02)
            end = time.perf_counter() + seconds
            call()
            while True:
                start = time.perf_counter()
                call()
                kept.append(time.perf_counter() - start)
                if time.perf_counter() >= end:
                    break
    return [statistics.median(kept) for kept in times]
