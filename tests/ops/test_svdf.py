"""SVDF."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType as Activation
from litegpu.schema.options import SVDFOptions

from ..cases import Arg, Case, check, const, given, out, state

SIZES = [(1, 1, 1, 1, 1), (2, 3, 4, 5, 1), (3, 16, 8, 10, 2), (1, 33, 6, 3, 3)]
"""Batch, input depth, units, memory, rank."""


def svdf(
    kind: str,
    sizes: tuple[int, int, int, int, int],
    activation: Activation = Activation.NONE,
    asymmetric: bool = False,
    biased: bool = True,
    seed: int = 0,
) -> Case:
    """`kind`: "float", "int8" or "uint8" weights (hybrid), or "integer"."""
    batch, depth, units, memory, rank = sizes
    filters = units * rank
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> Arg:
        if kind == "float":
            return const(rng.standard_normal(shape).astype(np.float32))
        values = rng.integers(-127, 128, shape).astype(np.int8)
        return const(values.view(np.uint8) if kind == "uint8" else values, scale=0.008)

    history = (batch, filters * memory)
    if kind == "integer":
        inputs: list[Arg | None] = [
            given(
                rng.integers(-128, 128, (batch, depth)).astype(np.int8), scale=0.02, zero_point=5
            ),
            weights(filters, depth),
            const(rng.integers(-9999, 9999, (filters, memory)).astype(np.int16), scale=1e-4),
            const(rng.integers(-(2**20), 2**20, units).astype(np.int32), scale=1e-7),
            state(np.zeros(history, np.int16), scale=0.0007),
        ]
        outputs = [out(np.int8, scale=0.05, zero_point=-3)]
    else:
        inputs = [
            given(rng.standard_normal((batch, depth)).astype(np.float32)),
            weights(filters, depth),
            weights(filters, memory),
            const(rng.standard_normal(units).astype(np.float32)),
            state(np.zeros(history, np.float32)),
        ]
        outputs = [out(np.float32)]
    if not biased:
        inputs[3] = None
    options = SVDFOptions(rank, activation, asymmetric)
    name = f"{kind} {sizes} {activation.name} asymmetric={asymmetric} bias={biased}"
    return Case(name, "SVDF", inputs, outputs, options, version=4, invokes=4)


FLOATS = [
    svdf(kind, sizes, asymmetric=asymmetric, biased=biased, seed=seed)
    for seed, ((kind, asymmetric), sizes, biased) in enumerate(
        product(
            [("float", False), ("int8", False), ("int8", True), ("uint8", False)],
            SIZES,
            [False, True],
        )
    )
]
ACTIVATED = [
    svdf("float", SIZES[1], activation)
    for activation in Activation
    if activation != Activation.SIGN_BIT
]
INTEGERS = [
    svdf("integer", sizes, Activation.RELU, biased=biased, seed=seed)
    for seed, (sizes, biased) in enumerate(product(SIZES, [False, True]))
]

F, I8 = FLOATS[3], INTEGERS[3]


def refused(case: Case, position: int, arg: Arg | None, error: str) -> Case:
    """`case` with one input replaced, which must be refused."""
    changed = list(case.inputs)
    changed[position] = arg
    return replace(case, name=f"refused: input {position} {error}", inputs=changed, error=error)


ERRORS = [
    *[
        replace(F, name=f"refused: rank {rank}", options=SVDFOptions(rank), error="rank")
        for rank in (0, -1, 3)
    ],
    replace(I8, name="refused: integer without RELU", options=SVDFOptions(1), error="RELU"),
    refused(F, 1, const(np.zeros((4, 2), np.float32)), "shape"),
    refused(F, 2, const(np.zeros((4, 0), np.float32)), "steps"),
    refused(F, 3, const(np.zeros(3, np.float32)), "shape"),
    refused(F, 4, const(np.zeros((2, 20), np.float32)), "variable"),
    refused(F, 4, state(np.zeros((2, 19), np.float32)), "shape"),
    refused(F, 0, given(np.zeros((2, 3), np.int32)), "INT32"),
    refused(I8, 2, const(np.zeros((4, 5), np.int8), scale=1.0), "INT16|INT8"),
    refused(I8, 1, const(np.zeros((4, 3), np.int8)), "quantised"),
    replace(F, name="refused: 4 inputs", inputs=F.inputs[:4], error="inputs"),
]

CASES = [*FLOATS, *ACTIVATED, *INTEGERS, *ERRORS]


def small_state() -> Case:
    """int8 state and weights of time, as TensorFlow Lite Micro has them: three invokes by hand.

    Scales are powers of two and values even, so that every rescaling is exact: the state is half
    the product of features, and the output half the filtered sum with its bias.
    """
    x, w = np.array([[6, -2]], np.int8), np.array([[2, 1], [-1, 3]], np.int8)
    time, bias = np.array([[1, 2, 3], [3, 2, 1]], np.int8), np.array([4, -8], np.int32)
    inputs = [
        given(x, scale=0.5, zero_point=2),
        const(w, scale=0.25),
        const(time, scale=0.5),
        const(bias, scale=0.125),
        state(np.zeros((1, 6), np.int8), scale=0.25, zero_point=7),
    ]
    product = (x.astype(int) - 2) @ w.T
    history = np.zeros((2, 3), int)
    for _ in range(3):
        history = np.column_stack([history[:, 1:], product[0] // 2])
    total = (history * time).sum(axis=1) + bias
    expected = np.clip(total // 2 - 100, -128, 127).astype(np.int8)[None]
    outputs = [out(np.int8, scale=0.25, zero_point=-100)]
    options = SVDFOptions(1, Activation.RELU)
    return Case("int8 state", "SVDF", inputs, outputs, options, 4, expected=[expected], invokes=3)


CASES.append(small_state())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_svdf(case: Case, device: str) -> None:
    check(case, device)
