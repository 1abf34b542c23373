"""LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.graph import Array, SparseDimension, Sparsity
from litegpu.schema.enums import ActivationFunctionType as Activation
from litegpu.schema.enums import LSTMKernelType
from litegpu.schema.options import (
    BidirectionalSequenceLSTMOptions,
    LSTMOptions,
    UnidirectionalSequenceLSTMOptions,
)

from ..cases import Arg, Case, check, const, given, out, state

INPUT_SCALE, STATE_SCALE, CELL_SCALE = 2.0**-6, 2.0**-7, 2.0**-11
GATE_SCALES = (2.1e-4, 3.3e-4, 1.9e-4, 2.7e-4)


@dataclass(frozen=True)
class Form:
    """A cell, and how it is stored: "float"; "int8" or "uint8" (hybrid); "8x8_16" or "8x8_8"."""

    kind: str = "float"
    coupled: bool = False
    peephole: bool = False
    projection: bool = False
    projection_bias: bool = True
    norm: bool = False
    cell_clip: float = 0.0
    projection_clip: float = 0.0
    asymmetric: bool = False
    time_major: bool = False
    diagonal: bool = False
    activation: Activation = Activation.TANH
    batch: int = 2
    steps: int = 3
    inputs: int = 5
    cells: int = 7
    outputs: int = 4

    @property
    def integer(self) -> bool:
        return self.kind.startswith("8x8")

    @property
    def width(self) -> int:
        return self.outputs if self.projection else self.cells

    def __str__(self) -> str:
        words = [self.kind]
        for name, default in Form.__dataclass_fields__.items():
            value = getattr(self, name)
            if name != "kind" and value != default.default:
                words.append(name if value is True else f"{name}={getattr(value, 'name', value)}")
        return " ".join(words)


class Cells:
    """Makes the tensors of cells of one form, seeded."""

    def __init__(self, form: Form, seed: int = 0) -> None:
        self.form = form
        self.rng = np.random.default_rng(seed)

    def real(self, *shape: int, spread: float = 0.5) -> Array:
        return (self.rng.standard_normal(shape) * spread).astype(np.float32)

    def weights(self, *shape: int) -> Arg:
        if self.form.kind == "float":
            return const(self.real(*shape))
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        scale = float(self.rng.uniform(0.004, 0.01))
        return const(values.view(np.uint8) if self.form.kind == "uint8" else values, scale=scale)

    def recurrent(self) -> Arg:
        if self.form.diagonal:
            return const(self.real(self.form.cells))
        return self.weights(self.form.cells, self.form.width)

    def peephole(self) -> Arg:
        if not self.form.integer:
            return self.weights(self.form.cells)
        return const(self.rng.integers(-9000, 9000, self.form.cells).astype(np.int16), scale=1e-4)

    def bias(self, size: int | None = None) -> Arg:
        size = self.form.cells if size is None else size
        if not self.form.integer:
            return const(self.real(size))
        return const(self.rng.integers(-6000, 6000, size).astype(np.int32), scale=1e-4)

    def norm(self) -> Arg:
        if not self.form.integer:
            return const(self.real(self.form.cells, spread=1.0))
        return const(self.rng.integers(-20000, 20000, self.form.cells).astype(np.int16), scale=6e-5)

    def gates(self, make: Any, gates: Sequence[int] = range(4)) -> list[Arg | None]:
        return [None if self.form.coupled and g == 0 else make() for g in gates]

    def cell(self) -> list[Arg | None]:
        """The 17 tensors from the input weights to the projection bias."""
        form = self.form
        found = self.gates(lambda: self.weights(form.cells, form.inputs))
        found += self.gates(self.recurrent)
        found += self.gates(self.peephole, range(3)) if form.peephole else [None] * 3
        found += self.gates(self.bias)
        projection = self.weights(form.outputs, form.cells) if form.projection else None
        biased = form.projection and form.projection_bias
        return [*found, projection, self.bias(form.outputs) if biased else None]

    def states(self) -> list[Arg]:
        form = self.form
        h, c = np.zeros((form.batch, form.width)), np.zeros((form.batch, form.cells))
        if not form.integer:
            return [state(h.astype(np.float32)), state(c.astype(np.float32))]
        scale = 2.0**-15 if form.kind == "8x8_8" else CELL_SCALE
        return [
            state(h.astype(np.int8), scale=STATE_SCALE, zero_point=-2),
            state(c.astype(np.int16), scale=scale),
        ]

    def values(self, *shape: int) -> Arg:
        if not self.form.integer:
            return given(self.real(*shape, spread=1.0))
        values = self.rng.integers(-128, 128, shape).astype(np.int8)
        return given(values, scale=INPUT_SCALE, zero_point=3)

    def result(self) -> Arg:
        if not self.form.integer:
            return out(np.float32)
        return out(np.int8, scale=STATE_SCALE, zero_point=-2)

    def intermediates(self) -> list[Arg]:
        form = self.form
        if form.kind == "8x8_16":
            gates = [out(np.int16, scale=s) for s in GATE_SCALES]
            return [*gates, out(np.int8, scale=0.0075, zero_point=-1)]
        if form.kind == "8x8_8":
            scales = self.rng.uniform(0.02, 0.05, 12)
            return [
                out(np.int16, scale=2.0**-12)
                if k % 3 == 0
                else out(np.int8, scale=float(s), zero_point=int(k) - 4)
                for k, s in enumerate(scales)
            ]
        return []


def shared(form: Form) -> dict[str, Any]:
    return {
        "fused_activation_function": form.activation,
        "cell_clip": form.cell_clip,
        "proj_clip": form.projection_clip,
        "asymmetric_quantize_inputs": form.asymmetric,
    }


def lstm(form: Form, seed: int = 0, sequence: bool = True, version: int = 3) -> Case:
    """One cell as LSTM or UNIDIRECTIONAL_SEQUENCE_LSTM, invoked twice, against LiteRT."""
    cells = Cells(form, seed)
    shape = (form.batch, form.inputs)
    if sequence:
        lead = (form.steps, form.batch) if form.time_major else (form.batch, form.steps)
        shape = (*lead, form.inputs)
    norms = cells.gates(cells.norm) if form.norm else [None] * 4
    inputs = [cells.values(*shape), *cells.cell(), *cells.states(), *norms]
    if sequence:
        op = "UNIDIRECTIONAL_SEQUENCE_LSTM"
        options: Any = UnidirectionalSequenceLSTMOptions(
            time_major=form.time_major, diagonal_recurrent_tensors=form.diagonal, **shared(form)
        )
    else:
        op, options = "LSTM", LSTMOptions(**shared(form))
    return Case(
        str(form),
        op,
        inputs,
        [cells.result()],
        options,
        version=version,
        oracle="opt" if version == 4 else "ref",
        intermediates=cells.intermediates(),
        invokes=2,
    )


FLAGS = [(False, False), (True, False), (False, True), (True, True)]
FLOATS = [
    Form(kind, coupled, peephole, projection, norm=norm, asymmetric=asymmetric)
    for kind, asymmetric in [("float", False), ("int8", False), ("int8", True), ("uint8", False)]
    for (coupled, peephole), (projection, norm) in product(FLAGS, FLAGS)
]
INTEGERS = [
    Form("8x8_16", coupled, False, projection, norm=norm)
    for coupled, projection, norm in product([False, True], repeat=3)
] + [
    Form("8x8_16", coupled, True, norm=norm, cells=20)
    for coupled, norm in product([False, True], repeat=2)
]
CLIPPED = [
    Form("float", projection=True, cell_clip=0.3, projection_clip=0.2, time_major=True),
    Form("int8", projection=True, cell_clip=0.3, projection_clip=0.2, time_major=True),
    Form("8x8_16", projection=True, cell_clip=0.5, projection_clip=0.25, time_major=True),
    Form("8x8_16", cell_clip=100.0),
]
SHAPES = [
    Form(kind, batch=batch, steps=steps, inputs=inputs, cells=cells, time_major=time_major)
    for kind in ("float", "int8", "8x8_16")
    for batch, steps, inputs, cells in [(1, 1, 1, 1), (1, 9, 33, 40), (3, 2, 16, 24)]
    for time_major in (False, True)
]
OTHERS = [
    Form("float", projection=True, projection_bias=False),
    Form("8x8_16", projection=True, projection_bias=False),
    *[Form("float", activation=a) for a in (Activation.RELU, Activation.RELU6)],
    Form("float", activation=Activation.RELU_N1_TO_1),
    Form("int8", activation=Activation.RELU),
    Form("float", activation=Activation.NONE, projection=True),
    Form("int8", activation=Activation.NONE, coupled=True),
]
DIAGONAL = [
    Form(kind, diagonal=True, coupled=c) for kind in ("float", "int8") for c in (False, True)
]
SMALL = Form("8x8_8", coupled=True, projection=True, norm=True)

SINGLE = [
    *[lstm(form, seed) for seed, form in enumerate([*FLOATS, *INTEGERS, *CLIPPED, *SHAPES])],
    *[lstm(form, seed) for seed, form in enumerate(OTHERS)],
    *[lstm(form, seed, version=4) for seed, form in enumerate(DIAGONAL)],
    *[lstm(form, seed, sequence=False) for seed, form in enumerate([*FLOATS, *INTEGERS, *CLIPPED])],
    lstm(SMALL, 5, sequence=False),
    lstm(replace(SMALL, projection_clip=0.3, cell_clip=0.4, cells=40), 6, sequence=False),
]


def sparse(dense: Arg) -> Arg:
    """The weights in blocks of 1 x 16, of which a third is left out: the form LiteRT takes."""
    assert dense.value is not None
    rows, columns = dense.value.shape
    blocks = dense.value.reshape(rows, columns // 16, 16)
    kept = np.arange(rows * (columns // 16)).reshape(rows, -1) % 3 != 0
    segments = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
    indices = np.nonzero(kept)[1].astype(np.int32)
    levels = (SparseDimension(rows), SparseDimension(0, segments, indices), SparseDimension(16))
    return replace(
        dense, value=blocks[kept].reshape(-1), sparsity=Sparsity((0, 1, 2), (1,), levels)
    )


def sparse_lstm() -> Case:
    case = lstm(Form("int8", projection=True, inputs=48, cells=6), sequence=False)
    inputs = [sparse(a) if 1 <= i <= 4 and a else a for i, a in enumerate(case.inputs)]
    return replace(case, name="sparse int8", inputs=inputs, version=4)


SPARSE = [sparse_lstm()]


def bidirectional(
    form: Form, merge: bool = False, aux: str = "none", seed: int = 0, error: str | None = None
) -> Case:
    """`aux`: "none", "crossed" (with weights), "stacked" (the input of the backward cell)."""
    cells = Cells(form, seed)
    lead = (form.steps, form.batch) if form.time_major else (form.batch, form.steps)
    depth = 6 if aux == "crossed" else form.inputs
    inputs = [cells.values(*lead, form.inputs), *cells.cell(), *cells.cell()]
    inputs += [*cells.states(), *cells.states()]
    inputs.append(None if aux == "none" else cells.values(*lead, depth))
    for _ in range(2):
        crossed = cells.gates(lambda: cells.weights(form.cells, depth))
        inputs += crossed if aux == "crossed" else [None] * 4
    options = BidirectionalSequenceLSTMOptions(
        merge_outputs=merge, time_major=form.time_major, **shared(form)
    )
    return Case(
        f"{form} merge={merge} aux={aux}",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [cells.result()] * (1 if merge else 2),
        options,
        version=3,
        invokes=2,
        error=error,
    )


BOTH = [
    bidirectional(Form(kind, asymmetric=asymmetric, time_major=True, **parts), merge, aux, seed)
    for seed, ((kind, asymmetric), parts, (merge, aux)) in enumerate(
        product(
            [("float", False), ("int8", False), ("int8", True)],
            [{}, {"coupled": True, "peephole": True}, {"projection": True, "cell_clip": 0.4}],
            [(False, "none"), (True, "none"), (True, "crossed"), (False, "stacked")],
        )
    )
] + [
    bidirectional(Form(kind, time_major=False), False, aux)
    for kind in ("float", "int8")
    for aux in ("none", "crossed", "stacked")
]


def basic(quantized: bool, batch: int, depth: int, units: int, seed: int = 0) -> Case:
    """The basic kernel: the previous activation and the state are variables."""
    rng = np.random.default_rng(seed)
    options = LSTMOptions(kernel_type=LSTMKernelType.BASIC)
    h, c = np.zeros((batch, units)), np.zeros((batch, units))
    if not quantized:
        inputs = [
            given(rng.standard_normal((batch, depth)).astype(np.float32)),
            state(h.astype(np.float32)),
            const(rng.standard_normal((4 * units, depth + units)).astype(np.float32)),
            const(rng.standard_normal(4 * units).astype(np.float32)),
            state(c.astype(np.float32)),
        ]
        outputs = [out(np.float32)] * 4
    else:
        small, weight = {"scale": 1 / 128, "zero_point": 128}, {"scale": 0.02, "zero_point": 131}
        inputs = [
            given(rng.integers(0, 256, (batch, depth)).astype(np.uint8), **small),
            state(h.astype(np.uint8), **small),
            const(rng.integers(0, 256, (4 * units, depth + units)).astype(np.uint8), **weight),
            const(rng.integers(-9999, 9999, 4 * units).astype(np.int32), scale=0.02 / 128),
            state(c.astype(np.int16), scale=CELL_SCALE),
        ]
        outputs = [
            out(np.uint8, **small),
            out(np.int16, scale=CELL_SCALE),
            out(np.uint8, **small),
            out(np.int16, scale=2.0**-12),
        ]
    kind = "uint8" if quantized else "float"
    name = f"basic {kind} {batch}x{depth}x{units}"
    return Case(name, "LSTM", inputs, outputs, options, version=2, invokes=3)


BASIC = [
    basic(quantized, batch, depth, units)
    for quantized in (False, True)
    for batch, depth, units in [(1, 1, 1), (2, 5, 3), (1, 8, 8), (3, 20, 16)]
]


def broken(case: Case, error: str, name: str, **inputs: Arg | None) -> Case:
    """`case` with some inputs replaced, by position (`i7`), which must be refused."""
    changed = list(case.inputs)
    for key, arg in inputs.items():
        changed[int(key[1:])] = arg
    return replace(case, name=f"refused: {name}", inputs=changed, error=error)


F, I8 = lstm(Form()), lstm(Form("8x8_16"))
NEGATIVE_CLIP = UnidirectionalSequenceLSTMOptions(cell_clip=-1.0)
ERRORS = [
    broken(F, "absent", "no forget weights", i2=None),
    broken(F, "input gate", "half an input gate", i1=None),
    broken(F, "expected", "recurrent shape", i8=const(np.zeros((7, 6), np.float32))),
    broken(F, "all or none", "one peephole", i9=const(np.zeros(7, np.float32))),
    broken(F, "projection", "bias without projection", i17=const(np.zeros(7, np.float32))),
    broken(F, "variable", "constant state", i18=const(np.zeros((2, 7), np.float32))),
    broken(F, "elements", "state of another batch", i19=state(np.zeros((3, 7), np.float32))),
    broken(F, "INT8", "mixed weights", i3=const(np.zeros((7, 5), np.int8), scale=1.0)),
    broken(F, "rank 3", "input of rank 2", i0=given(np.zeros((2, 5), np.float32))),
    broken(
        I8,
        "scale",
        "cell state without power of two",
        i19=state(np.zeros((2, 7), np.int16), scale=0.003),
    ),
    broken(I8, "quantised", "weights without scale", i2=const(np.zeros((7, 5), np.int8))),
    replace(F, name="refused: 19 inputs", inputs=F.inputs[:19], error="20 or 24"),
    replace(F, name="refused: negative clip", options=NEGATIVE_CLIP, error="clip"),
    replace(I8, name="refused: no intermediates", intermediates=(), error="intermediates"),
    replace(
        BASIC[0], name="refused: basic with 4 inputs", inputs=BASIC[0].inputs[:4], error="expected"
    ),
    bidirectional(Form("8x8_16"), error="FLOAT32"),
]

CASES = [*SINGLE, *SPARSE, *BOTH, *BASIC, *ERRORS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_lstm(case: Case, device: str) -> None:
    check(case, device)
