"""Prints the types that LiteRT's kernels take: the source of the table in core/operator_types.py.

Gives the data of each case of tests/ops each other type in turn and asks LiteRT to run it. Types
with which litegpu disagrees go to stderr, for a person to judge: some kernels never look at the
type of what they are given, and read strings as floats.

Run it from the root of the repository: python -m ci.measure_dtypes [OPERATOR...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from litegpu.dtypes import INTEGER_RANGE, NUMPY
from litegpu.graph import Array, Quantization
from litegpu.schema.enums import TensorType as T
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import Arg, Case, feeds, model_of, run_model
from tests.operator_cases import cases_by_operator, data_of
from tests.tolerance import assert_close

TYPES = (
    T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.FLOAT64, T.COMPLEX64, T.BOOL, T.INT8, T.INT16, T.INT32,
    T.INT64, T.UINT8, T.UINT16, T.UINT32, T.UINT64, T.STRING,
)  # fmt: skip
"""Types that Python can feed to and read from any kernel."""

QUANTIZED = (T.INT8, T.UINT8, T.INT16)
TRIED = 12
"""Cases of an operator that are tried with each type."""


def converted(value: Array, dtype: T) -> Array:
    """Values of another type, near the old ones where both are numbers."""
    if dtype == T.STRING:
        strings = np.empty(value.shape, object)
        strings.fill(b"1")
        return strings
    if value.dtype.hasobject:
        return np.ones(value.shape, NUMPY[dtype])
    if dtype in INTEGER_RANGE:
        low, high = INTEGER_RANGE[dtype]
        real = np.nan_to_num(value.real.astype(np.float64))
        return np.clip(real, max(low, -(2**31)), min(high, 2**31 - 1)).astype(NUMPY[dtype])
    return value.astype(NUMPY[dtype])


def retyped(arg: Arg, old: T, new: T, scale: float | None) -> Arg:
    if arg.dtype != old:
        return arg
    value = None if arg.value is None else converted(arg.value, new)
    quant = None
    if scale is not None:
        quant = Quantization(np.array([scale], np.float32), np.zeros(1, np.int64))
    return replace(arg, dtype=new, value=value, quant=quant)


def variants(case: Case, new: T) -> Iterator[Case]:
    """The case with another type of its data: in all that has this type, and in inputs alone."""
    data = data_of(case)
    assert data is not None
    for scale in (None, 0.5) if new in QUANTIZED else (None,):
        inputs = [arg and retyped(arg, data.dtype, new, scale) for arg in case.inputs]
        outputs = [retyped(arg, data.dtype, new, scale) for arg in case.outputs]
        yield replace(case, inputs=inputs, outputs=outputs)
        yield replace(case, inputs=inputs)


def litert(case: Case) -> list[Array] | None:
    """LiteRT's outputs; None where it refuses."""
    try:
        return oracle.run(write_model(model_of(case)), feeds(case), "opt")
    except (oracle.OracleError, oracle.OracleCrash, OverflowError):
        return None


def disagreement(case: Case, expected: list[Array]) -> str:
    """What litegpu does otherwise than LiteRT; empty where it does the same."""
    try:
        found = run_model(write_model(model_of(case)), feeds(case))
        for f, e in zip(found, expected, strict=True):
            assert_close(f, e, case.name)
    except (RuntimeError, ValueError, AssertionError) as error:
        return " ".join(str(error).split())[:150]
    return ""


def takes(op: str, tried: list[Case], new: T) -> bool:
    """Whether LiteRT runs a case with this type, and litegpu gives the same."""
    complaint = ""
    for case in tried:
        for variant in variants(case, new):
            expected = litert(variant)
            if expected is not None:
                complaint = disagreement(variant, expected)
                if not complaint:
                    return True
    if complaint:
        print(op, new.name, complaint, file=sys.stderr)
    return False


def accepted(op: str, cases: list[Case]) -> list[str]:
    """The names of the types that an operator takes, those of its cases and those measured."""
    by_type: dict[T, list[Case]] = {}
    for case in cases:
        data = data_of(case)
        if case.error is None and data is not None:
            by_type.setdefault(data.dtype, []).append(case)
    tried = [case for group in by_type.values() for case in group[: -(-TRIED // len(by_type))]]
    return [t.name for t in T if t in by_type or (t in TYPES and takes(op, tried, t))]


def main() -> None:
    found: dict[str, list[str]] = {}
    for op, cases in sorted(cases_by_operator().items()):
        if not cases[0].custom and (not sys.argv[1:] or op in sys.argv[1:]):
            found.setdefault(" ".join(accepted(op, cases)), []).append(op)
    for types, ops in found.items():
        print(f"{types}: {' '.join(ops)}")


if __name__ == "__main__":
    main()
