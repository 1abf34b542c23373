"""Lowering and placement, which need no device: every case of every operator on fake ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litegpu.delegates.device import default_block
from litegpu.delegates.gpu import lower_partition
from litegpu.delegates.lowering.registry import CUSTOM_LOWERINGS, LOWERINGS
from litegpu.delegates.program import (
    Kernel,
    Launch,
    Memory,
    Program,
    Ref,
    lifetimes,
)
from litegpu.memory import plan
from litegpu.schema.writer import write_model

from tests.cases import Case, feeds, model_of
from tests.operator_cases import cases_by_operator

from .fakes import CUDA, FAKES, Lowered, LoweringOnly, lower
from .signatures import accepts, parameters

KINDS = {**FAKES, "cuda": CUDA}

CASES = {
    op: found for op, found in cases_by_operator().items() if op in LOWERINGS | CUSTOM_LOWERINGS
}


def described(program: Program) -> Any:
    """What a program is, comparable."""
    constants = [constant.key for constant in program.constants]
    return repr(program.launches), constants, program.scratch, program.aliases


def test_every_lowering_has_cases() -> None:
    assert not set(LOWERINGS | CUSTOM_LOWERINGS) - set(CASES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", sorted(CASES))
def test_lowering(op: str, kind: str) -> None:
    """Refusals repeat themselves, lowering twice gives the same, arguments are what the kernels
    declare, and every output is computed."""
    for case in CASES[op]:
        delegate = lower_case(case, kind)
        for lowered in delegate.lowered:
            check_repeatable(lowered, delegate)
            check_launches(lowered, delegate, str(case))
            check_outputs(lowered, str(case))


def lower_case(case: Case, kind: str) -> LoweringOnly:
    content = write_model(model_of(case))
    delegate = lower(content, KINDS[kind], feeds(case))
    assert not delegate.unstable
    return delegate


def check_repeatable(lowered: Lowered, delegate: LoweringOnly) -> None:
    data = [t.data.tobytes() for t in lowered.graph.tensors if t.data is not None]
    again = lower_partition(lowered.graph, lowered.part, delegate.device, delegate.options)
    assert described(again) == described(lowered.program)
    assert data == [t.data.tobytes() for t in lowered.graph.tensors if t.data is not None]


def check_launches(lowered: Lowered, delegate: LoweringOnly, what: str) -> None:
    info = delegate.device.info
    for launch in lowered.program.launches:
        declared = parameters(launch.kernel, "cu" if info.arch else "cl")
        where = f"{what}: {launch.kernel.stem}.{launch.kernel.entry}({', '.join(declared)})"
        assert len(declared) == len(launch.args), where
        for parameter, arg in zip(declared, launch.args, strict=True):
            assert accepts(parameter, arg), f"{where}: {parameter} is given {arg!r}"
        block = launch.block or default_block(launch.threads, info)
        assert 1 <= len(launch.threads) == len(block) <= 3, where
        assert math.prod(block) <= info.max_block, where
        assert all(n > 0 for n in launch.threads), where


def check_outputs(lowered: Lowered, what: str) -> None:
    """Every output that has elements is an argument of a launch, or is memory that another is."""
    program = lowered.program
    args: list[Any] = [a for launch in program.launches for a in launch.args if is_tensor(a)]
    touched = {*lowered.part.inputs, *(ref.index for ref in args)}
    for t in lowered.part.outputs:
        if math.prod(lowered.graph.tensors[t].shape):
            assert program.root(t) in touched, f"{what}: nothing computes tensor {t}"


def is_tensor(arg: Any) -> bool:
    return isinstance(arg, Ref) and arg.kind is Memory.TENSOR


@pytest.mark.parametrize("kind", FAKES)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=3))
def test_default_blocks_are_small_and_cover(kind: str, threads: list[int]) -> None:
    info = FAKES[kind]
    block = default_block(threads, info)
    assert len(block) == len(threads)
    assert math.prod(block) <= info.max_block
    assert block[0] <= threads[0]
    if info.is_cpu and math.prod(threads) >= 4 * info.compute_units:
        assert math.prod(threads) // math.prod(block) >= 4 * info.compute_units


@st.composite
def programs(draw: Any) -> tuple[Program, dict[int, int], tuple[int, ...], tuple[int, ...]]:
    """A program, sizes of its tensors, inputs and outputs; each launch reads earlier tensors,
    writes the next and uses scratch of its own."""
    count = draw(st.integers(1, 4))
    program = Program()
    sizes = {t: draw(st.integers(1, 5000)) for t in range(count)}
    for made in range(count, count + draw(st.integers(1, 15))):
        reads = draw(st.lists(st.integers(0, made - 1), min_size=1, max_size=4))
        args = [Ref(Memory.TENSOR, t) for t in reads]
        if draw(st.booleans()):
            program.scratch.append(draw(st.integers(1, 5000)))
            args.append(Ref(Memory.SCRATCH, len(program.scratch) - 1))
        sizes[made] = draw(st.integers(1, 5000))
        args.append(Ref(Memory.TENSOR, made))
        program.launches.append(Launch(Kernel("k", "k"), (1,), None, tuple(args)))
    inputs = tuple(range(count))
    outputs = draw(st.lists(st.integers(count, len(sizes) - 1), min_size=1, unique=True))
    return program, sizes, inputs, tuple(outputs)


@settings(max_examples=200, deadline=None)
@given(programs())
def test_arena_keeps_what_is_read(
    made: tuple[Program, dict[int, int], tuple[int, ...], tuple[int, ...]],
) -> None:
    """Runs programs on marks: what a launch reads is what was written there last, and inputs and
    outputs are whole at the end."""
    program, sizes, inputs, outputs = made
    spans = lifetimes(program, sizes, inputs, outputs)
    offsets, size = plan(list(spans.values()), 128)
    arena = np.full(size, -1)
    places = {
        ref: arena[offset : offset + life.size]
        for (ref, life), offset in zip(spans.items(), offsets, strict=True)
    }
    mark = {ref: k for k, ref in enumerate(places)}
    for t in inputs:
        places[Ref(Memory.TENSOR, t)][:] = mark[Ref(Memory.TENSOR, t)]
    for launch in program.launches:
        args: Any = launch.args
        *reads, written = args
        for ref in reads:
            if ref.kind is Memory.SCRATCH:
                places[ref][:] = mark[ref]
        places[written][:] = mark[written]
        assert all((places[ref] == mark[ref]).all() for ref in reads)
    for t in (*inputs, *outputs):
        ref = Ref(Memory.TENSOR, t)
        assert (places[ref] == mark[ref]).all()
