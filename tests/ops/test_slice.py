"""Slices against Python's own indexing and LiteRT: masks, strides, strings, what lies outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import TensorType
from litegpu.schema.options import DynamicUpdateSliceOptions, SliceOptions, StridedSliceOptions

from tests.cases import Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values

STRING = TensorType.STRING
LARGEST = 2**31 - 1


def sample(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return values(shape, object if dtype == STRING else dtype, seed)


def slice_case(
    shape: tuple[int, ...], begin: list[int], size: list[int], dtype: Any = np.float32, **more: Any
) -> Case:
    x = sample(shape, dtype)
    index, roles = more.pop("index", np.int32), more.pop("roles", (const, const))
    if "error" not in more and "expected" not in more:
        ends = (n if s == -1 else b + s for b, s, n in zip(begin, size, shape, strict=True))
        more["expected"] = [x[(*map(slice, begin, ends), ...)]]
    role = given if isinstance(dtype, TensorType) and dtype == STRING else more.pop("source", given)
    inputs = [role(x, dtype=dtype)]
    inputs += [r(np.array(v, index)) for r, v in zip(roles, (begin, size), strict=True)]
    names = "/".join(r.__name__ for r in roles)
    label = f"{name(dtype)} {list(shape)} from {begin} sizes {size} {name(index)} {names}"
    return Case(label, "SLICE", inputs, [out(dtype)], SliceOptions(), 3, **more)


ROLES = [(const, const), (given, const), (const, given), (given, given)]
SLICES = [
    *(slice_case((4, 5, 3), [1, 0, 2], [2, -1, 1], d) for d in (*PLAIN, STRING)),
    *(slice_case((3, 4), [1, 1], [2, 3], d, source=const) for d in PACKED),
    *(
        slice_case((4, 5), [1, 2], size, index=t, roles=r, expected=None)
        for size in ([2, 3], [-1, 1])
        for t in (np.int32, np.int64)
        for r in ROLES
    ),
    slice_case((2,) * 7, [1, 0, 1, 0, 1, 0, 1], [1, 2, 1, 2, 1, 2, 1], expected=None),
    slice_case((), [], []),
    slice_case((3,), [3], [0]),
    slice_case((3,), [3], [-1]),
    slice_case((0, 2), [0, 1], [0, 1]),
    *(
        slice_case((4,), begin, size, roles=r, error="not inside")
        for begin, size in [
            ([2], [3]),
            ([-1], [2]),
            ([5], [-1]),
            ([0], [-2]),
            ([LARGEST], [LARGEST]),
        ]
        for r in ROLES
    ),
    slice_case((4, 4), [0], [1], error="must have 2 elements"),
]


def strided(
    shape: tuple[int, ...], key: Any, dtype: Any = np.float32, *, role: Any = const, **more: Any
) -> Case:
    """The case of Python's `x[key]`, with begin, end and strides run-time inputs or constants."""
    key = key if isinstance(key, tuple) else (key,)
    x = sample(shape, dtype)
    begin, end, stride = [0] * len(key), [0] * len(key), [1] * len(key)
    masks: dict[str, Any] = dict.fromkeys(
        ("begin", "end", "ellipsis", "new_axis", "shrink_axis"), 0
    )
    for i, part in enumerate(key):
        if part is Ellipsis:
            masks["ellipsis"] |= 1 << i
        elif part is None:
            masks["new_axis"] |= 1 << i
        elif isinstance(part, slice):
            masks["begin"] |= (part.start is None) << i
            masks["end"] |= (part.stop is None) << i
            begin[i], end[i] = part.start or 0, part.stop or 0
            stride[i] = 1 if part.step is None else part.step
        else:
            masks["shrink_axis"] |= 1 << i
            begin[i], end[i] = part, part + 1
    if "error" not in more and "expected" not in more:
        more["expected"] = [x[(*key, ...) if Ellipsis not in key else key]]
    options = StridedSliceOptions(**{f"{mask}_mask": bits for mask, bits in masks.items()})
    vectors = [role(np.array(v, np.int32)) for v in (begin, end, stride)]
    label = f"{name(dtype)} {list(shape)} {key} {role.__name__}"
    inputs = [given(x, dtype=dtype), *vectors]
    return Case(label, "STRIDED_SLICE", inputs, [out(dtype)], options, 4, **more)


KEYS = [
    (slice(1, 3), slice(None, None, -1)),
    (slice(None, None, 2), 1, slice(-2, None)),
    (..., slice(0, 2)),
    (..., 1),
    (0, ..., None),
    (None, slice(1, None), None, ..., slice(None, None, 3)),
    (None, ..., None),
    (slice(-100, 100), slice(100, -100, -1)),
    (slice(3, 0, -2), slice(None), slice(1, 2)),
    (-1, -1, -1),
    (0, 1, 2),
    slice(2, 2),
    slice(3, 1),
    (slice(0, LARGEST), slice(LARGEST, -LARGEST, -LARGEST)),
]
RANDOM = np.random.default_rng(7)


def random_key(rank: int) -> tuple[Any, ...]:
    """Slices, indices and new axes for every axis of size 4."""
    key: list[Any] = []
    for _ in range(rank):
        step = int(RANDOM.choice([-3, -2, -1, 1, 2, 3]))
        start, stop = (
            None if RANDOM.random() < 0.3 else int(RANDOM.integers(-6, 7)) for _ in range(2)
        )
        key.append(
            slice(start, stop, step) if RANDOM.random() < 0.7 else int(RANDOM.integers(-4, 4))
        )
        if RANDOM.random() < 0.15:
            key.append(None)
    return tuple(key)


def raw_strided(
    label: str,
    vectors: list[Any],
    options: StridedSliceOptions,
    *,
    shape: tuple[int, ...] = (4,),
    role: Any = const,
    **more: Any,
) -> Case:
    inputs = [given(values(shape)), *(role(np.array(v, np.int32)) for v in vectors)]
    return Case(label, "STRIDED_SLICE", inputs, [out(np.float32)], options, 8, **more)


OFFSET = StridedSliceOptions(offset=True)
SHRINK = StridedSliceOptions(shrink_axis_mask=1)
STRIDED = [
    *(strided((4, 3, 4), KEYS[1], d) for d in (*PLAIN, STRING)),
    *(strided((4, 3, 5), key, role=r) for key in KEYS for r in (const, given)),
    *(strided((4,) * rank, random_key(rank)) for rank in (1, 2, 3, 4, 5, 6, 8) for _ in range(6)),
    *(
        strided((4, 3, 5), key, d, expected=None)
        for key in KEYS[:5]
        for d in (np.float32, np.int8, np.bool_, np.int64, STRING)
    ),
    strided((0, 3), (slice(None), slice(1, None))),
    strided((), (None, None)),
    *(
        raw_strided(
            f"offset from {b}",
            [[b], [2], [1]],
            OFFSET,
            role=r,
            expected=[values((4,))[b : b + 2 or None]],
        )
        for b in (0, 1, 2, -2)
        for r in (const, given)
    ),
    raw_strided("offset, by 2", [[0], [4], [2]], OFFSET, expected=[values((4,))[::2]]),
    raw_strided(
        "ellipsis covers one",
        [[1, 0, 2], [2, 0, 3], [1, 1, 1]],
        StridedSliceOptions(ellipsis_mask=2),
        shape=(4, 3),
        oracle="opt",
    ),
    *(
        raw_strided("offset beyond", [[3], [2], [1]], OFFSET, role=r, error="not all inside")
        for r in (const, given)
    ),
    *(
        raw_strided(
            "stride 0", [[0], [2], [0]], StridedSliceOptions(), role=r, error="must not be 0"
        )
        for r in (const, given)
    ),
    *(
        raw_strided(f"index {i}", [[i], [i + 1], [1]], SHRINK, error="outside an axis")
        for i in (4, 99)
    ),
    raw_strided("index backwards", [[1], [2], [-1]], SHRINK, error="outside an axis"),
    raw_strided("too many", [[0, 0], [1, 1], [1, 1]], StridedSliceOptions(), error="do not fit"),
    raw_strided(
        "two ellipses",
        [[0, 0], [1, 1], [1, 1]],
        StridedSliceOptions(ellipsis_mask=3),
        error="do not fit",
    ),
    raw_strided("uneven", [[0, 0], [1], [1]], StridedSliceOptions(), error="equally many"),
    raw_strided("32 indices", [[0] * 32] * 3, StridedSliceOptions(), error="at most 31"),
    raw_strided("scalar begin", [0, [1], [1]], StridedSliceOptions(), error="rank 1"),
]


def update_case(
    shape: tuple[int, ...],
    update: tuple[int, ...],
    start: list[int],
    dtype: Any = np.float32,
    **more: Any,
) -> Case:
    x, part = sample(shape, dtype), sample(update, dtype, 1)
    index, role = more.pop("index", np.int32), more.pop("role", given)
    if "error" not in more and "expected" not in more:
        y = x.copy()
        begin = [min(max(s, 0), n - m) for s, n, m in zip(start, shape, update, strict=True)]
        y[(*(slice(b, b + m) for b, m in zip(begin, update, strict=True)), ...)] = part
        more["expected"] = [y]
    source = const if dtype in PACKED else given
    inputs = [source(x, dtype=dtype), source(part, dtype=dtype), role(np.array(start, index))]
    label = (
        f"{name(dtype)} {list(update)} in {list(shape)} at {start} {name(index)} {role.__name__}"
    )
    options = DynamicUpdateSliceOptions()
    return Case(label, "DYNAMIC_UPDATE_SLICE", inputs, [out(dtype)], options, 2, **more)


UPDATES = [
    *(update_case((3, 4, 2), (2, 1, 2), [1, 2, 0], d) for d in (*PLAIN, STRING, *PACKED)),
    *(
        update_case((3, 5), (2, 3), start, index=t, role=r, expected=None)
        for start in ([0, 0], [1, 2], [-4, 9], [7, -1])
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    update_case((3, 5), (3, 5), [2, 2]),
    update_case((3, 5), (0, 2), [1, 1]),
    update_case((), (), []),
    update_case((3,), (1,), [2**62], index=np.int64),
    update_case((3,), (4,), [0], error="does not fit"),
    update_case((3, 2), (2,), [0, 0], error="does not fit"),
    update_case((3, 2), (2, 2), [0], error="start indices"),
]

CASES = [*SLICES, *STRIDED, *UPDATES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_slice(case: Case, device: str) -> None:
    check(case, device)
