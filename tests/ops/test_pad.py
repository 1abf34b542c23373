"""Borders and gaps against np.pad and LiteRT: every type, scales, kinds of paddings, bad ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import MirrorPadMode
from litegpu.schema.options import MirrorPadOptions, PadOptions, PadV2Options
from litegpu.schema.options2 import DilateOptions

from tests.cases import Arg, Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values, vector

Pairs = list[tuple[int, int]]
BORDER = np.array([[1, 0], [2, 3]], np.int32)


def pad(
    shape: tuple[int, ...], pairs: Pairs, dtype: Any = np.float32, value: Any = None, **more: Any
) -> Case:
    """PAD, or PADV2 where there is a `value`; NumPy gives what is expected."""
    x, role = values(shape, dtype), more.pop("role", const)
    counts = np.array(pairs, more.pop("index", np.int32)).reshape(len(pairs), 2)
    source = const if dtype in PACKED else given
    inputs: list[Arg | None] = [source(x, dtype=dtype), role(counts)]
    if value is not None:
        value = np.asarray(value).astype(x.dtype)
        inputs.append(role(value, dtype=dtype))
    if "error" not in more and "expected" not in more:
        fill = np.zeros((), x.dtype) if value is None else value.reshape(())
        y: Any = np.full([n + sum(p) for n, p in zip(shape, pairs, strict=True)], fill)
        y[(*(slice(p[0], p[0] + n) for n, p in zip(shape, pairs, strict=True)), ...)] = x
        more["expected"] = [y]
    label = f"{name(dtype)} {list(shape)} {pairs} {counts.dtype} {role.__name__} value {value}"
    op, options = ("PAD", PadOptions()) if value is None else ("PADV2", PadV2Options())
    return Case(label, op, inputs, [out(dtype)], options, 4, **more)


def pad_scaled(dtype: Any, zero_point: int, *, value: Any = None, **more: Any) -> Case:
    """With scales: the border is the zero point or the given stored `value`."""
    scale: dict[str, Any] = {"scale": 0.25, "zero_point": zero_point}
    inputs: list[Arg | None] = [given(values((2, 3), dtype), **scale), const(BORDER)]
    if value is not None:
        inputs.append(const(np.array(value, dtype), **{**scale, **more.pop("value_scale", {})}))
    label = f"{name(dtype)} zero point {zero_point} value {value}"
    op = "PAD" if value is None else "PADV2"
    return Case(label, op, inputs, [out(dtype, **scale)], version=2, **more)


NO_PAIRS: Pairs = []
PAIRS: list[tuple[tuple[int, ...], Pairs]] = [
    ((2, 3), [(1, 2), (0, 3)]),
    ((3,), [(0, 0)]),
    ((1, 2, 3, 1), [(0, 0), (1, 2), (2, 1), (0, 0)]),
    ((2, 1, 2, 1, 2), [(1, 0), (0, 1), (1, 1), (0, 0), (2, 2)]),
]
LITERT_PAD = (np.float32, np.float16, np.uint8, np.int8, np.int16, np.int32, np.int64, np.bool_)
BAD: list[tuple[tuple[int, ...], Pairs, str]] = [
    ((2, 3), [(1, 1)], "expected \\[2, 2\\]"),
    ((2,), [(-1, 1)], "must not be negative"),
    ((2,), [(2**31 - 1, 2**31 - 1)], "sizes must be"),
    ((2, 2), [(2**30, 0), (2**30, 0)], "limits"),
]
PADS = [
    *(pad((2, 3), PAIRS[0][1], d) for d in (*PLAIN, *PACKED)),
    *(pad((2, 3), PAIRS[0][1], d, 1) for d in (*PLAIN, *PACKED)),
    *(
        pad(shape, pairs, d, value, expected=None)
        for shape, pairs in PAIRS
        for d in LITERT_PAD
        for value in (None, 1)
    ),
    *(
        pad((2, 3), [(1, 0), (0, 1)], index=t, role=r, expected=None)
        for t in (np.int32, np.int64, np.int8, np.int16, np.bool_)
        for r in (const, given)
    ),
    pad((), NO_PAIRS),
    pad((0, 2), [(2, 1), (1, 1)]),
    pad((2,) * 7, [(1, 1)] * 7),
    pad((2,), [(1, 1)], value=[np.nan]),
    *(pad_scaled(d, z) for d, z in [(np.uint8, 130), (np.int8, -100), (np.int16, 0)]),
    *(pad_scaled(d, z, value=9) for d, z in [(np.uint8, 130), (np.int8, -100), (np.int16, 0)]),
    pad_scaled(np.int8, 3, value=9, value_scale={"scale": 0.5}, error="scale and zero point"),
    pad_scaled(np.int8, 3, value=9, value_scale={"zero_point": 1}, error="scale and zero point"),
    pad_scaled(np.uint8, 999, error="zero.point"),
    *(pad(s, p, role=r, error=e, index=np.int64) for s, p, e in BAD for r in (const, given)),
    pad((2,), [(1, 1)], value=[1, 2], error="one element"),
    Case(
        "float paddings",
        "PAD",
        [given(values((2,))), const(np.ones((1, 2), np.float32))],
        [out(np.float32)],
        error="FLOAT32",
    ),
    Case(
        "value of another type",
        "PADV2",
        [given(values((2,))), const(vector(1, 1).reshape(1, 2)), const(np.int32(1))],
        [out(np.float32)],
        error="INT32",
    ),
]


def mirror(
    shape: tuple[int, ...],
    pairs: Pairs,
    mode: MirrorPadMode,
    dtype: Any = np.float32,
    **more: Any,
) -> Case:
    x, role = values(shape, dtype), more.pop("role", const)
    counts = np.array(pairs, more.pop("index", np.int32)).reshape(len(pairs), 2)
    source = const if dtype in PACKED else given
    scale = more.pop("scale", {})
    if "error" not in more and "expected" not in more:
        kind: Any = "reflect" if mode == MirrorPadMode.REFLECT else "symmetric"
        more["expected"] = [np.pad(x, pairs, kind) if pairs else x]
    label = (
        f"{name(dtype)} {mode.name} {list(shape)} {pairs} {counts.dtype} {role.__name__} {scale}"
    )
    inputs = [source(x, dtype=dtype, **scale), role(counts)]
    outputs = [out(dtype, **scale)]
    return Case(label, "MIRROR_PAD", inputs, outputs, MirrorPadOptions(mode=mode), 2, **more)


MODES = (MirrorPadMode.REFLECT, MirrorPadMode.SYMMETRIC)
MIRRORS = [
    *(mirror((3, 4), [(2, 1), (0, 3)], m, d) for m in MODES for d in (*PLAIN, *PACKED)),
    *(
        mirror((4, 3, 2), [(1, 3), (2, 0), (1, 1)], m, d, index=t, role=r, expected=None)
        for m in MODES
        for d in (np.float32, np.int8, np.int32)
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    *(mirror((2,) * 6, [(1, 1)] * 6, m) for m in MODES),
    *(mirror((), NO_PAIRS, m) for m in MODES),
    *(mirror((3,), [(0, 0)], m) for m in MODES),
    mirror((2,), [(2, 2)], MirrorPadMode.SYMMETRIC),
    *(mirror((0, 2), [(0, 0), (1, 1)], m, expected=[np.zeros((0, 4), np.float32)]) for m in MODES),
    *(mirror((3,), [(2, 1)], m, np.int8, scale={"scale": 0.5, "zero_point": 5}) for m in MODES),
    *(
        mirror((3,), pairs, m, role=r, error="to mirror|negative")
        for m in MODES
        for pairs in ([(4, 0)], [(0, 4)], [(-1, 0)], [(0, 2**30)])
        for r in (const, given)
    ),
    mirror((3,), [(3, 0)], MirrorPadMode.REFLECT, error="to mirror"),
    mirror((0,), [(1, 0)], MirrorPadMode.SYMMETRIC, error="to mirror"),
    mirror((3, 3), [(1, 0)], MirrorPadMode.SYMMETRIC, error="expected \\[2, 2\\]"),
]


def dilate(shape: tuple[int, ...], steps: list[int], dtype: Any = np.float32, **more: Any) -> Case:
    x, value = values(shape, dtype), values((), dtype, 1)
    role = more.pop("role", const)
    if "error" not in more and "expected" not in more:
        sizes = [(n - 1) * step + 1 if n else 0 for n, step in zip(shape, steps, strict=True)]
        y = np.full(sizes, value)
        y[tuple(slice(None, None, step) for step in steps)] = x
        more["expected"] = [y]
    label = f"{name(dtype)} {list(shape)} by {steps} {role.__name__}"
    inputs = [given(x), role(np.array(steps, np.int32)), role(value)]
    return Case(label, "DILATE", inputs, [out(dtype)], DilateOptions(), **more)


DILATIONS = [
    *(dilate((2, 3), [3, 2], d) for d in PLAIN),
    *(
        dilate(shape, steps, d, role=r, expected=None)
        for shape, steps in [
            ((3,), [4]),
            ((2, 3, 2), [2, 1, 1]),
            ((2, 2, 3), [1, 3, 2]),
            ((3, 2), [1, 1]),
        ]
        for d in (np.float32, np.int8, np.int64)
        for r in (const, given)
    ),
    dilate((0, 2), [3, 2]),
    *(
        dilate((2, 3), steps, role=r, error="at least 1")
        for steps in ([0, 1], [1, -1], [2])
        for r in (const, given)
    ),
    dilate((3,), [2**31 - 1], error="sizes must be"),
    dilate((), [], error="at least one axis"),
]

CASES = [*PADS, *MIRRORS, *DILATIONS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pad(case: Case, device: str) -> None:
    check(case, device)
