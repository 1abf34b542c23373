"""The cost of tiles, and what is chosen by it: no device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litegpu.delegates.lowering.tiled import FLOATS, ON_TENSOR_CORES, Words, packed
from litegpu.delegates.lowering.tiles import (
    MOST_STAGES,
    PLAIN,
    SHARED,
    TENSOR,
    Arithmetic,
    Plan,
    Problem,
    Tile,
    candidates,
    choose,
    cost,
    steps_of,
)

KINDS = [FLOATS, *ON_TENSOR_CORES.values()]
UNITS = 132
PROBLEMS = st.builds(
    Problem,
    st.integers(1, 10**6),
    st.integers(1, 4096),
    st.integers(0, 10**4),
    st.integers(1, 64),
    st.integers(1, UNITS),
)


@given(PROBLEMS, st.sampled_from(KINDS))
def test_plans_fit(problem: Problem, kind: Arithmetic) -> None:
    plans = candidates(problem, kind)
    costs = [cost(problem, kind, plan) for plan in plans]
    assert costs == sorted(costs)
    assert plans[0] == choose(problem, kind)
    for plan in plans:
        assert plan.tile in (TENSOR if kind.tensor else PLAIN)
        assert 2 <= plan.stages <= MOST_STAGES
        assert plan.stages * plan.tile.stage <= SHARED
        assert plan.tile.threads <= 256
        parts = steps_of(problem.depth, plan.tile, kind.pack) // plan.splits
        assert plan.splits == 1 or parts >= 2


@pytest.mark.parametrize("tile", [*PLAIN, *TENSOR], ids=str)
def test_tiles_divide_among_threads(tile: Tile) -> None:
    """What tiles.cuh takes for granted: fragments of 16 by 16, columns in powers of two, whole rows
    of words for the threads."""
    assert tile.warp_m % 16 == tile.warp_n % 16 == tile.words % 8 == 0
    assert tile.warp_n & (tile.warp_n - 1) == 0
    assert tile.threads % tile.words == 0


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_large_products_have_large_tiles_and_small_ones_fill_the_device(kind: Arithmetic) -> None:
    large = choose(Problem(100_000, 1024, 1024, 1, UNITS), kind)
    assert large.tile.rows * large.tile.columns >= 64 * 128
    assert large.splits == 1
    small = choose(Problem(49, 512, 4608, 1, UNITS), kind)
    blocks = -(-49 // small.tile.rows) * -(-512 // small.tile.columns) * small.splits
    assert small.splits > 1
    assert blocks > UNITS // 2


@given(PROBLEMS, st.sampled_from(KINDS))
def test_more_work_costs_no_less(problem: Problem, kind: Arithmetic) -> None:
    plan = Plan(TENSOR[0] if kind.tensor else PLAIN[0])
    more = Problem(2 * problem.rows, problem.columns, problem.depth, problem.batches, problem.units)
    deeper = Problem(
        problem.rows, problem.columns, 2 * problem.depth, problem.batches, problem.units
    )
    least = cost(problem, kind, plan)
    assert cost(more, kind, plan) >= least
    assert cost(deeper, kind, plan) >= least


@pytest.mark.parametrize(("element", "pack"), [("<f4", 1), ("<i4", 1), ("<f2", 2), ("|i1", 4)])
def test_packed_operands(element: str, pack: int) -> None:
    """Every element lies at its step, column and word, and all else is zero."""
    values = np.arange(1, 1 + 2 * 5 * 70).reshape(2, 5, 70) % 120
    plan = Plan(PLAIN[-1])
    words = packed(values, Words(Arithmetic(pack, False, 1), "", element), plan)
    tile, step = plan.tile, plan.tile.words * pack
    assert words.dtype == np.uint32
    assert words.shape == (2, -(-70 // step), tile.columns, tile.words)
    elements = words.view(element)
    for matrix, column, k in np.ndindex(2, 5, 70):
        assert elements[matrix, k // step, column, k % step] == values[matrix, column, k]
    assert np.count_nonzero(elements) == np.count_nonzero(values)
