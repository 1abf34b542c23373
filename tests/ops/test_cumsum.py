"""Running sums against np.cumsum and LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import CumsumOptions

from tests.cases import Case, check, const, given, out
from tests.values import name, values, vector

TYPES = (np.float32, np.int32, np.int64)


def running(x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    turned = np.flip(x, axis) if reverse else x
    sums = np.cumsum(turned, axis, x.dtype)
    if exclusive:
        sums = sums - turned
    return np.flip(sums, axis) if reverse else sums


def cumsum(
    shape: tuple[int, ...], axis: int, exclusive: bool, reverse: bool, dtype: Any, **more: Any
) -> Case:
    x, role = values(shape, dtype), more.pop("role", const)
    label = f"{name(dtype)} {list(shape)} {axis} {exclusive=} {reverse=} {role.__name__}"
    options = CumsumOptions(exclusive=exclusive, reverse=reverse)
    inputs = [given(x), role(np.int32(axis))]
    return Case(label, "CUMSUM", inputs, [out(dtype)], options, **more)


FLAGS = [(e, r) for e in (False, True) for r in (False, True)]
CASES = [
    *(
        cumsum((2, 4, 3), axis, *flags, d, role=r)
        for axis in (-3, -1, 0, 1)
        for flags in FLAGS
        for d in TYPES
        for r in (const, given)
    ),
    *(
        cumsum((3, 5), 1, *flags, d, expected=[running(values((3, 5), d), 1, *flags)])
        for flags in FLAGS
        for d in (np.int32, np.int64)
    ),
    *(cumsum((7,), 0, *flags, np.float32) for flags in FLAGS),
    *(
        cumsum(s, a, *flags, np.int32, expected=[np.zeros(s, np.int32)])
        for s, a in [((0, 2), 0), ((2, 0), 1), ((0,), 0)]
        for flags in FLAGS
    ),
    *(
        cumsum((2, 3), axis, False, False, np.float32, role=r, error="out of range")
        for axis in (2, -3)
        for r in (const, given)
    ),
    cumsum((), 0, False, False, np.float32, error="at least one axis"),
    *(cumsum((2,), 0, False, False, d, error=name(d).upper()) for d in (np.float16, np.int8)),
    Case(
        "two axes",
        "CUMSUM",
        [given(values((2,))), const(vector(0, 0))],
        [out(np.float32)],
        CumsumOptions(),
        error="one element",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cumsum(case: Case, device: str) -> None:
    check(case, device)
