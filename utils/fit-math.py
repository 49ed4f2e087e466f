# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Derives the coefficients in lib/Conversion/Common/ScalarMath*.cpp.

Polynomials come from the Remez exchange; they are then rounded to f32 and improved
by single steps of single coefficients. The errors printed are weighted as the call
says (mostly relative to the function), with the rounded coefficients.
Needs numpy and mpmath. Prints C++ initialisers.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np

mp.mp.dps = 40
Function = Callable[[mp.mpf], mp.mpf]


def to_f32(value: mp.mpf) -> float:
    return float(np.float32(float(value)))


def chebyshev(low: float, high: float, count: int) -> list[mp.mpf]:
    """Chebyshev points, both ends included."""
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    return [middle - half * mp.cos(mp.pi * k / (count - 1)) for k in range(count)]


def solve_exchange(
    target: Function, weight: Function, powers: list[int], low: float, high: float
) -> list[mp.mpf]:
    """Minimises max |weight * (target - sum c_k x^powers[k])| on [low, high]."""
    count = len(powers)
    grid = chebyshev(low, high, 600)
    values = [(x, target(x), weight(x)) for x in grid]
    picked = [round(k * (len(grid) - 1) / count) for k in range(count + 1)]
    for _ in range(30):
        matrix, right = mp.matrix(count + 1), mp.matrix(count + 1, 1)
        for row, index in enumerate(picked):
            x, f, w = values[index]
            for column, power in enumerate(powers):
                matrix[row, column] = x**power
            matrix[row, count] = (-1) ** row / w
            right[row] = f
        solution = mp.lu_solve(matrix, right)
        coefficients = list(solution)[:count]
        errors = [
            w * (f - sum(c * x**p for c, p in zip(coefficients, powers, strict=True)))
            for x, f, w in values
        ]
        chosen = alternating_extremes(errors, count + 1)
        if chosen == picked or chosen is None:
            break
        picked = chosen
    return coefficients


def alternating_extremes(errors: list[mp.mpf], count: int) -> list[int] | None:
    """Indices of `count` extremes of alternating sign."""
    runs: list[int] = []
    for index, error in enumerate(errors):
        if runs and (error > 0) == (errors[runs[-1]] > 0):
            if abs(error) > abs(errors[runs[-1]]):
                runs[-1] = index
        else:
            runs.append(index)
    while len(runs) > count:
        if abs(errors[runs[0]]) < abs(errors[runs[-1]]):
            runs.pop(0)
        else:
            runs.pop()
    return runs if len(runs) == count else None


def fit_polynomial(
    name: str,
    target: Function,
    weight: Function,
    powers: list[int],
    low: float,
    high: float,
    wide: bool = False,
) -> None:
    """Prints c_k of sum c_k x^powers[k]; `wide` keeps f64 coefficients."""
    coefficients = [
        float(c) if wide else to_f32(c)
        for c in solve_exchange(target, weight, powers, low, high)
    ]
    points = chebyshev(low, high, 1000)
    goal = np.array([float(weight(x) * target(x)) for x in points], dtype=np.longdouble)
    x = np.array([float(v) for v in points], dtype=np.longdouble)
    w = np.array([float(weight(v)) for v in points], dtype=np.longdouble)

    def worst(trial: list[float]) -> float:
        value = sum(np.longdouble(c) * x**p for c, p in zip(trial, powers, strict=True))
        return float(np.abs(goal - w * value).max())

    best = worst(coefficients)
    improved = not wide
    while improved:
        improved = False
        for k in range(len(powers)):
            for direction in (-np.inf, np.inf):
                trial = list(coefficients)
                trial[k] = float(
                    np.nextafter(np.float32(trial[k]), np.float32(direction))
                )
                error = worst(trial)
                if error < best:
                    best, coefficients, improved = error, trial, True
    report(name, coefficients, mp.mpf(best), wide)


def report(name: str, coefficients: list[float], error: mp.mpf, wide: bool) -> None:
    bits = float(mp.log(error, 2)) if error > 0 else float("-inf")
    print(f"// {name}: error 2^{bits:.1f}")
    literals = ", ".join(
        repr(c) if wide else np.format_float_scientific(np.float32(c), unique=True)
        for c in coefficients
    )
    print(f"{name}[] = {{{literals}}};")


HALF_LN2 = float(mp.log(2) / 2) * 1.0001
QUARTER_PI = float(mp.pi / 4) * 1.0001
THIRD = 0.3334
# Odd functions are fitted on one side of 0, a little away from it.
NEAR_ZERO = 1e-3


def evens(count: int) -> list[int]:
    return list(range(0, 2 * count, 2))


# (name, target, weight of its error, powers, low, high)
EXPONENTIALS = [
    (
        "kExp",  # exp(r) = 1 + r + r^2 p(r)
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.exp(r),
        list(range(5)),
        -HALF_LN2,
        HALF_LN2,
    ),
    (
        "kExpm1",  # expm1(r) = r + r^2 p(r)
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.expm1(r),
        list(range(6)),
        -HALF_LN2,
        HALF_LN2,
    ),
    (
        "kExp2",  # 2^r = 1 + r p(r)
        lambda r: (mp.power(2, r) - 1) / r,
        lambda r: r / mp.power(2, r),
        list(range(6)),
        -0.5001,
        0.5001,
    ),
    (
        "kSinh",  # sinh(x) = x + x^3 p(x)
        lambda r: (mp.sinh(r) - r) / r**3,
        lambda r: r**3 / mp.sinh(r),
        evens(4),
        NEAR_ZERO,
        1.0,
    ),
    (
        "kTanh",  # tanh(x) = x + x^3 p(x)
        lambda r: (mp.tanh(r) - r) / r**3,
        lambda r: r**3 / mp.tanh(r),
        evens(6),
        NEAR_ZERO,
        0.625,
    ),
    (
        "kErf",  # erf(x) = x + x p(x)
        lambda r: mp.erf(r) / r - 1,
        lambda r: r / mp.erf(r),
        evens(7),
        NEAR_ZERO,
        1.0,
    ),
    (
        "kErfcRoot",  # erfc(x) = p(x)^4; beyond the end, erf is 1 in f32
        lambda x: mp.erfc(x) ** 0.25,
        lambda x: 4 * mp.erfc(x) ** 0.75,
        list(range(9)),
        1.0,
        3.93,
    ),
]
LOGARITHMS = [
    (
        "kLog",  # log(1 + f) = f + f^2 p(f)
        lambda f: (mp.log1p(f) - f) / f**2,
        lambda f: f**2 / mp.log1p(f),
        list(range(10)),
        -THIRD,
        THIRD,
    ),
    (
        "kLog2",  # log2(1 + f) = f p(f)
        lambda f: mp.log1p(f) / mp.log(2) / f,
        lambda f: f * mp.log(2) / mp.log1p(f),
        list(range(11)),
        -THIRD,
        THIRD,
    ),
    (
        "kPowLog2",  # log2((1 + s) / (1 - s)) = s p(s), in f64
        lambda s: 2 * mp.atanh(s) / (s * mp.log(2)),
        lambda s: s * mp.log(2) / (2 * mp.atanh(s)),
        evens(7),
        NEAR_ZERO,
        0.2001,
    ),
]
TRIGONOMETRIC = [
    (
        "kSin",  # sin(r) = r + r^3 p(r)
        lambda r: (mp.sin(r) - r) / r**3,
        lambda r: r**3 / mp.sin(r),
        evens(3),
        NEAR_ZERO,
        QUARTER_PI,
    ),
    (
        "kCos",  # cos(r) = 1 - r^2 / 2 + r^4 p(r)
        lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4,
        lambda r: r**4 / mp.cos(r),
        evens(3),
        NEAR_ZERO,
        QUARTER_PI,
    ),
    (
        "kAsin",  # asin(x) = x + x^3 p(x)
        lambda r: (mp.asin(r) - r) / r**3,
        lambda r: r**3 / mp.asin(r),
        evens(5),
        NEAR_ZERO,
        0.501,
    ),
    (
        "kAtan",  # atan(x) = x + x^3 p(x)
        lambda r: (mp.atan(r) - r) / r**3,
        lambda r: r**3 / mp.atan(r),
        evens(9),
        NEAR_ZERO,
        1.0,
    ),
]


def main() -> None:
    for fit in (*EXPONENTIALS, *LOGARITHMS, *TRIGONOMETRIC):
        fit_polynomial(*fit, wide=fit[0] == "kPowLog2")


if __name__ == "__main__":
    main()
