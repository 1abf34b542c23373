"""StableHLO's moves: PAD against LiteRT, the rest against what the specification says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.options2 import (
    StablehloBroadcastInDimOptions,
    StablehloConcatenateOptions,
    StablehloDynamicSliceOptions,
    StablehloIotaOptions,
    StablehloPadOptions,
    StablehloSliceOptions,
    StablehloTransposeOptions,
)

from tests.cases import Case, check, const, given, out
from tests.values import PLAIN, name, values, vector

Shape = tuple[int, ...]


def longs(numbers: list[int]) -> Any:
    return np.array(numbers, np.int64)


def pad(
    shape: Shape,
    low: list[int],
    high: list[int],
    inner: list[int],
    dtype: Any = np.float32,
    **more: Any,
) -> Case:
    """Without `expected`, LiteRT's."""
    x, value = values(shape, dtype), values((), dtype, 1)
    options = StablehloPadOptions(
        edge_padding_low=longs(low), edge_padding_high=longs(high), interior_padding=longs(inner)
    )
    label = f"{name(dtype)} {list(shape)} {low} {high} {inner}"
    return Case(label, "STABLEHLO_PAD", [given(x), const(value)], [out(dtype)], options, **more)


def padded(x: Any, value: Any, low: int, high: int, inner: int) -> Any:
    """One axis by the specification: the gaps, then the edges, negative ones cutting off."""
    y = np.full((len(x) - 1) * (inner + 1) + 1, value)
    y[:: inner + 1] = x
    y = np.concatenate([np.full(max(low, 0), value), y, np.full(max(high, 0), value)])
    return y[max(-low, 0) : len(y) - max(-high, 0)]


PADS = [
    *(pad((2, 3), [1, 0], [0, 2], [1, 2], d) for d in PLAIN),
    *(
        pad(
            (4,),
            [low],
            [high],
            [inner],
            expected=[padded(values((4,)), values((), seed=1), low, high, inner)],
        )
        for low in (-4, -2, -1, 0, 2)
        for high in (-3, 0, 1)
        for inner in (0, 1, 3)
        if low + high + 4 + 3 * inner > 0
    ),
    *(
        pad(shape, low, high, inner)
        for shape, low, high, inner in [
            ((3, 4), [-1, 1], [0, -2], [0, 2]),
            ((2, 2, 2), [1, -1, 0], [-1, 0, 2], [2, 1, 0]),
            ((1, 3), [5, -2], [-3, 0], [4, 0]),
        ]
    ),
    pad((2, 3), [-2, 0], [0, 0], [0, 0], expected=[np.empty((0, 0), np.float32)]),
    pad((0,), [2], [1], [3], expected=[np.full(3, values((), seed=1))]),
    pad((2,), [0], [0], [-1], error="must not be negative"),
    pad((2, 2), [0], [0, 0], [0, 0], error="expected 2 numbers"),
    pad((2,), [2**62], [0], [0], error="sizes must be"),
    pad((2,), [0], [0], [2**62], error="sizes must be"),
    pad((), [], [], [], error="at least one axis"),
]


def plain(
    op: str, shape: Shape, options: Any, expected: Any, dtype: Any = np.float32, **more: Any
) -> Case:
    """An operator of one input that gives `expected(x)`, or the error that it names."""
    x = values(shape, dtype)
    outcome = {"error": expected} if isinstance(expected, str) else {"expected": [expected(x)]}
    target = out(dtype, shape=more.pop("to", ()))
    made = vars_of(options)
    label = f"{name(dtype)} {list(shape)} {list(target.shape)} {made}"
    return Case(label, f"STABLEHLO_{op}", [given(x)], [target], options, **outcome)


def vars_of(options: Any) -> dict[str, Any]:
    if options is None:
        return {}
    found = {field: getattr(options, field) for field in options.__dataclass_fields__}
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}


def broadcast(
    shape: Shape, axes: list[int], to: Shape, expected: Any, dtype: Any = np.float32
) -> Case:
    options = StablehloBroadcastInDimOptions(broadcast_dimensions=longs(axes))
    return plain("BROADCAST_IN_DIM", shape, options, expected, dtype, to=to)


def part(shape: Shape, numbers: list[list[int]], expected: Any, dtype: Any = np.float32) -> Case:
    names = ("start_indices", "limit_indices", "strides")
    options = StablehloSliceOptions(**dict(zip(names, map(longs, numbers), strict=True)))
    return plain("SLICE", shape, options, expected, dtype)


def transpose(shape: Shape, axes: list[int], expected: Any, dtype: Any = np.float32) -> Case:
    options = StablehloTransposeOptions(permutation=longs(axes))
    return plain("TRANSPOSE", shape, options, expected, dtype)


UNARY = [
    *(plain("RESHAPE", (2, 6), None, lambda x: x.reshape(3, 4), d, to=(3, 4)) for d in PLAIN),
    plain("RESHAPE", (1,), None, lambda x: x.reshape(()), to=()),
    plain("RESHAPE", (2, 3), None, "does not fit", to=(4,)),
    *(
        broadcast(
            (1, 3),
            [2, 1],
            (2, 3, 2),
            lambda x: np.broadcast_to(x.T, (3, 1))[None].repeat(2, 0).repeat(2, 2),
            d,
        )
        for d in PLAIN
    ),
    broadcast((), [], (2, 2), lambda x: np.full((2, 2), x)),
    broadcast((3,), [0], (3, 2), lambda x: x[:, None].repeat(2, 1)),
    broadcast((0,), [1], (2, 0), lambda x: np.empty((2, 0), np.float32)),
    *(
        broadcast((2, 3), axes, (2, 3, 4), "cannot be broadcast|expected 2 numbers")
        for axes in ([0, 0], [1, 0], [0, 3], [-1, 1], [0], [0, 1, 2])
    ),
    *(part((4, 5), [[1, 0], [4, 5], [2, 3]], lambda x: x[1:4:2, 0:5:3], d) for d in PLAIN),
    part((), [[], [], []], lambda x: x),
    part((3,), [[3], [3], [1]], lambda x: x[3:]),
    *(
        part((3,), [[a], [b], [s]], "not inside")
        for a, b, s in [(-1, 2, 1), (2, 1, 1), (0, 4, 1), (0, 3, 0), (0, 3, -1)]
    ),
    part((3,), [[0], [3], []], "expected 1 numbers"),
    *(transpose((2, 3, 4), [2, 0, 1], lambda x: x.transpose(2, 0, 1), d) for d in PLAIN),
    transpose((), [], lambda x: x),
    transpose((2, 3), [0, 0], "axes once"),
]


def joined(shapes: list[Shape], axis: int, dtype: Any = np.float32, **more: Any) -> Case:
    xs = [values(shape, dtype, i) for i, shape in enumerate(shapes)]
    if "error" not in more:
        more["expected"] = [np.concatenate(xs, axis)]
    options = StablehloConcatenateOptions(dimension=axis)
    label = f"{name(dtype)} {shapes} axis {axis}"
    return Case(
        label, "STABLEHLO_CONCATENATE", [given(x) for x in xs], [out(dtype)], options, **more
    )


def iota(shape: Shape, axis: int, dtype: Any, **more: Any) -> Case:
    if "error" not in more:
        sizes = [-1 if a == axis else 1 for a in range(len(shape))]
        counted = np.arange(shape[axis]).astype(dtype).reshape(sizes)
        more["expected"] = [np.broadcast_to(counted, shape)]
    options = StablehloIotaOptions(iota_dimension=axis)
    label = f"{name(dtype)} {list(shape)} axis {axis}"
    return Case(label, "STABLEHLO_IOTA", [], [out(dtype, shape=shape)], options, **more)


def dynamic_slice(
    shape: Shape, starts: list[int], sizes: list[int], dtype: Any, **more: Any
) -> Case:
    x, index = values(shape, dtype), more.pop("index", np.int32)
    if "error" not in more:
        begins = [min(max(s, 0), n - m) for s, n, m in zip(starts, shape, sizes, strict=True)]
        more["expected"] = [
            x[(*(slice(b, b + m) for b, m in zip(begins, sizes, strict=True)), ...)]
        ]
    options = StablehloDynamicSliceOptions(slice_sizes=longs(sizes))
    inputs = [given(x), *(given(np.array(s).astype(index)) for s in starts)]
    label = f"{name(dtype)} {list(shape)} from {starts} sizes {sizes} {name(index)}"
    return Case(label, "STABLEHLO_DYNAMIC_SLICE", inputs, [out(dtype)], options, **more)


def dynamic_update(shape: Shape, update: Shape, starts: list[int], dtype: Any, **more: Any) -> Case:
    x, new = values(shape, dtype), values(update, dtype, 1)
    if "error" not in more:
        begins = [min(max(s, 0), n - m) for s, n, m in zip(starts, shape, update, strict=True)]
        y = x.copy()
        y[(*(slice(b, b + m) for b, m in zip(begins, update, strict=True)), ...)] = new
        more["expected"] = [y]
    inputs = [given(x), given(new), *(given(np.int64(s)) for s in starts)]
    label = f"{name(dtype)} {list(update)} in {list(shape)} at {starts}"
    return Case(label, "STABLEHLO_DYNAMIC_UPDATE_SLICE", inputs, [out(dtype)], **more)


OTHERS = [
    *(joined([(2, 1), (2, 3)], 1, d) for d in PLAIN),
    joined([(2,)], 0),
    joined([(2, 1), (3, 1)], 1, error="input 1"),
    joined([(2, 1), (2,)], -1, error="input 1"),
    joined([(2, 1), (2, 1)], 2, error="out of range"),
    *(iota((2, 3, 2), axis, d) for axis in (0, 1, 2) for d in PLAIN if d != np.bool_),
    iota((0, 3), 1, np.int32),
    *(iota((2, 3), axis, np.int32, error="no axis") for axis in (2, -1)),
    *(dynamic_slice((4, 3), [1, 2], [2, 1], d) for d in PLAIN),
    *(
        dynamic_slice((4, 3), starts, [2, 2], np.float32, index=t)
        for starts in ([0, 0], [9, 1])
        for t in (np.int64, np.uint32, np.uint64)
    ),
    dynamic_slice((4, 3), [-5, 7], [2, 2], np.float32),
    dynamic_slice((), [], [], np.float32),
    dynamic_slice((4,), [0], [5], np.float32, error="not within"),
    dynamic_slice((4,), [0], [-1], np.float32, error="not within"),
    dynamic_slice((4, 4), [0], [1, 1], np.float32, error="inputs; expected 3"),
    *(dynamic_update((4, 3), (2, 2), [1, 1], d) for d in PLAIN),
    dynamic_update((4, 3), (2, 2), [-2, 9], np.float32),
    dynamic_update((4, 3), (4, 3), [1, 1], np.float32),
    dynamic_update((), (), [], np.float32),
    dynamic_update((2,), (3,), [0], np.float32, error="does not fit"),
    dynamic_update((2, 2), (1, 1), [0], np.float32, error="inputs; expected 4"),
    Case(
        "vector of starts",
        "STABLEHLO_DYNAMIC_SLICE",
        [given(values((2,))), given(vector(0, 1))],
        [out(np.float32)],
        StablehloDynamicSliceOptions(slice_sizes=longs([1])),
        error="one element",
    ),
]

CASES = [*PADS, *UNARY, *OTHERS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stablehlo_shape(case: Case, device: str) -> None:
    check(case, device)
