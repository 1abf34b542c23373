"""Coordinates and distinct values: output sizes that change from invoke to invoke."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.schema.enums import TensorType
from litegpu.schema.options import UniqueOptions, WhereOptions
from litegpu.schema.writer import write_model

from tests.cases import Case, check, const, given, model_of, out
from tests.tolerance import assert_close
from tests.values import NUMBERS, PLAIN, name, values

INDEX = {np.int32: TensorType.INT32, np.int64: TensorType.INT64}


def where(x: Any, **more: Any) -> Case:
    role = more.pop("role", given)
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.argwhere(x).astype(np.int64)]
    label = f"{name(x.dtype)} {list(x.shape)} {role.__name__} {np.count_nonzero(x)}"
    return Case(label, "WHERE", [role(x)], [out(np.int64)], WhereOptions(), **more)


def sparse(shape: tuple[int, ...], dtype: Any) -> Any:
    x = values(shape, dtype)
    return np.where(values(shape, np.bool_, 1), x, np.zeros((), x.dtype)).astype(x.dtype)


LITERT_WHERE = (np.bool_, np.float32, np.int64, np.int32, np.int8, np.uint8, np.uint32)
WHERES = [
    *(where(sparse((3, 4), d)) for d in PLAIN),
    *(
        where(sparse(s, d), role=r, expected=None)
        for s in [(7,), (2, 3, 4)]
        for d in LITERT_WHERE
        for r in (const, given)
    ),
    where(np.array([np.nan, 0.0, -0.0, np.inf], np.float32), expected=None),
    *(where(np.zeros(s, np.bool_)) for s in [(3,), (0,), (2, 0, 3)]),
    *(where(np.bool_(True), role=r, error="at least one axis") for r in (const, given)),
]


def unique(x: Any, index: Any = np.int32, **more: Any) -> Case:
    """Expected: dictionary order, as of Python's own dict."""
    role = more.pop("role", given)
    if "error" not in more and "expected" not in more:
        places: dict[Any, int] = {}
        which = [places.setdefault(v, len(places)) for v in x.tolist()]
        found = np.array(list(places)).astype(x.dtype) if places else x[:0]
        more["expected"] = [found, np.array(which, index)]
    label = f"{name(x.dtype)} {x.tolist()} {name(index)} {role.__name__}"
    options = UniqueOptions(idx_out_type=INDEX[index])
    return Case(label, "UNIQUE", [role(x)], [out(x.dtype), out(index)], options, **more)


FEW = np.array([3, 1, 3, 0, 1, 2, 0, 3])
LITERT_UNIQUE = (np.float32, np.int8, np.int16, np.int32, np.int64, np.uint8)
UNIQUES = [
    *(unique(FEW.astype(d)) for d in NUMBERS),
    *(
        unique(FEW.astype(d), t, role=r, expected=None)
        for d in LITERT_UNIQUE
        for t in INDEX
        for r in (const, given)
    ),
    unique(FEW[:0].astype(np.float32)),
    unique(np.array([0.0, -0.0, 1.0], np.float32)),
    unique(np.array([-(2**31), 2**31 - 1, -(2**31)], np.int32), expected=None),
    unique(FEW.reshape(2, 4).astype(np.int32), expected=None, error="rank 1"),
    Case(
        "float positions",
        "UNIQUE",
        [given(FEW)],
        [out(np.int64), out(np.float32)],
        UniqueOptions(),
        error="INT32 or INT64",
    ),
]

CASES = [*WHERES, *UNIQUES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_where(case: Case, device: str) -> None:
    check(case, device)


@pytest.mark.parametrize(
    ("made", "data"),
    [
        (
            where(np.zeros(5, np.int32)),
            [[0, 1, 0, 2, 0], [0] * 5, [1] * 5, [1] * 5, [5, 0, 0, 0, 6]],
        ),
        (
            unique(np.zeros(5, np.int32)),
            [[1, 1, 1, 2, 1], [5] * 5, [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]],
        ),
    ],
    ids=["WHERE", "UNIQUE"],
)
def test_sizes_follow_the_data(made: Case, data: list[list[int]]) -> None:
    """One interpreter, run again and again with data that give outputs of other sizes."""
    interpreter = Interpreter(model_content=write_model(model_of(made)))
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    for numbers in data:
        x = np.array(numbers, np.int32)
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        expected = (where(x) if made.op == "WHERE" else unique(x)).expected
        assert expected is not None
        for detail, wanted in zip(interpreter.get_output_details(), expected, strict=True):
            assert_close(interpreter.get_tensor(detail["index"]), wanted)
