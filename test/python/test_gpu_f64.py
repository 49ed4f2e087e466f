# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Elementary functions of f64 on the simulator: dlc's own code, beside the exact
function rounded. Where numpy knows no better, exact is the platform's long double."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from conftest import run_in_child
from test_operators import OpCase

import dlc

pytestmark = pytest.mark.usefixtures("compiler", "simulator")
DEVICE = "ptxsim"
MAX_ULP = 3
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.0, -1.0, -1e-20, 1e-300]


@dataclass
class Function:
    """`exact` of long double, on arguments between `low` and `high` and `more`."""

    exact: object
    low: float
    high: float
    more: list[float] = field(default_factory=list)


def erf(x: np.ndarray) -> np.ndarray:
    """The positive series in long double, whose error is far below f64's."""
    a = np.minimum(np.abs(x), np.longdouble(6.5))
    term = total = a.copy()
    for n in range(1, 260):
        term = term * (2 * a * a / (2 * n + 1))
        total = total + term
    pi = np.arctan(np.longdouble(1)) * 4
    result = 2 / np.sqrt(pi) * np.exp(-a * a) * total
    return np.copysign(np.minimum(result, np.longdouble(1)), x)


def hard_angles() -> list[float]:
    """Near multiples of pi/2, and of all sizes."""
    rng = np.random.default_rng(1)
    multiples = rng.integers(1, 2**40, 500) * (math.pi / 2)
    sizes = np.ldexp(rng.uniform(0.5, 1, 4000), rng.integers(-60, 1024, 4000))
    # The f64 that is nearest to a multiple of pi/2 of all.
    return [*multiples, *sizes, math.ldexp(6381956970095103, 797)]


ANGLES = hard_angles()
FUNCTIONS = {
    "Exp": Function(np.exp, -745, 709),
    "Log": Function(np.log, 1e-300, 1e3),
    "Sinh": Function(np.sinh, -709, 709),
    "Cosh": Function(np.cosh, -709, 709),
    "Tanh": Function(np.tanh, -25, 25),
    "Softplus": Function(lambda x: np.logaddexp(x, 0), -30, 30),
    "Sin": Function(np.sin, -1e5, 1e5, ANGLES),
    "Cos": Function(np.cos, -1e5, 1e5, ANGLES),
    "Tan": Function(np.tan, -1e5, 1e5, ANGLES),
    "Asin": Function(np.arcsin, -1, 1, [1 - 2.0**-k for k in range(1, 54)]),
    "Acos": Function(np.arccos, -1, 1, [1 - 2.0**-k for k in range(1, 54)]),
    "Atan": Function(np.arctan, -1e3, 1e3, [1e15, 1e300, 1.7e308, 1e-310]),
    "Asinh": Function(np.arcsinh, -1e9, 1e9, [1e15, 1e300, 1.7e308, 1e-310]),
    "Acosh": Function(np.arccosh, 1, 1e9, [1e15, 1e300, 1.7e308, 1 + 2.0**-52]),
    "Atanh": Function(np.arctanh, -1, 1, [1 - 2.0**-k for k in range(1, 54)]),
    "Erf": Function(erf, -7, 7, [1e-310, 1e-20]),
}


def arguments(function: Function) -> np.ndarray:
    rng = np.random.default_rng(0)
    spread = rng.uniform(function.low, function.high, 4000)
    near = rng.uniform(max(function.low, -2), min(function.high, 2), 4000)
    small = near * np.exp2(rng.integers(-40, 0, 4000))
    return np.concatenate([spread, near, small, function.more, SPECIAL])


def check(op: str, inputs: list[np.ndarray], exact) -> None:
    case = OpCase(op, op, inputs)
    with np.errstate(all="ignore"):
        wide = exact(*(x.astype(np.longdouble) for x in inputs))
        reference = wide.astype(np.float64)
    result = dlc.compile(case.model(False), device=DEVICE).run(case.feeds())["y0"]
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(result[~finite], reference[~finite])
    numbers = ~np.isnan(reference)
    wrong = np.signbit(result) != np.signbit(reference)
    assert not np.any(wrong & numbers), [x[wrong & numbers][:5] for x in inputs]
    distance = np.abs(result[finite].astype(np.longdouble) - wide[finite])
    ulp = distance / np.spacing(np.abs(reference[finite]))
    worst = int(np.argmax(ulp))
    where = [x[finite][worst] for x in inputs]
    assert ulp[worst] <= MAX_ULP, f"{ulp[worst]:.2f} units in the last place at {where}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    function = FUNCTIONS[name]
    run_in_child(check, name, [arguments(function)], function.exact)


def test_power():
    rng = np.random.default_rng(0)
    base = [rng.uniform(0, 50, 4000), np.exp2(rng.uniform(-1074, 1024, 4000))]
    exponent = [rng.uniform(-30, 30, 4000), rng.uniform(-3, 3, 4000)]
    # Near 1, where the power needs many bits of the logarithm.
    base.append(1 + rng.uniform(-1, 1, 4000) * 1e-3)
    exponent.append(rng.uniform(-6e5, 6e5, 4000))
    # Of negative numbers: integers, odd and even.
    base.append(rng.uniform(-9, 0, 1000))
    exponent.append(rng.integers(-60, 60, 1000).astype(np.float64))
    special = [*SPECIAL, 0.5, -0.5, 3.0, -3.0, 2.0**53, 1e300, -1e300]
    grid = np.meshgrid(special, special)
    base.append(grid[0].ravel())
    exponent.append(grid[1].ravel())
    inputs = [np.concatenate(base), np.concatenate(exponent)]
    run_in_child(check, "Pow", inputs, np.power)
