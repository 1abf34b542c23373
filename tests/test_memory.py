"""The arena: no two live buffers overlap, and it is hardly larger than what is live at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litegpu import Interpreter, OpResolverType
from litegpu.memory import ALIGNMENT, Lifetime, largest_live_sum, plan

from . import models
from .shared import MODELS, model_ids

LIFETIMES = st.lists(
    st.builds(
        lambda size, first, length: Lifetime(size, first, first + length),
        st.integers(0, 5000),
        st.integers(0, 40),
        st.integers(0, 40),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(LIFETIMES, st.sampled_from([1, 64, 256]))
def test_live_buffers_do_not_overlap(lifetimes: list[Lifetime], alignment: int) -> None:
    offsets, size = plan(lifetimes, alignment)
    assert all(offset % alignment == 0 for offset in offsets)
    assert largest_live_sum(lifetimes) <= size or not lifetimes
    for i, (a, x) in enumerate(zip(lifetimes, offsets, strict=True)):
        assert x + a.size <= size
        for b, y in zip(lifetimes[:i], offsets[:i], strict=True):
            if a.first <= b.last and b.first <= a.last and a.size and b.size:
                assert x + a.size <= y or y + b.size <= x


def test_chain_reuses_memory() -> None:
    chain = [Lifetime(1024, i, i + 1) for i in range(100)]
    assert plan(chain)[1] == 2 * 1024


def test_largest_live_sum() -> None:
    assert largest_live_sum([Lifetime(3, 0, 1), Lifetime(4, 1, 2), Lifetime(5, 2, 2)]) == 9
    assert largest_live_sum([]) == 0


def test_preserved_tensors_share_nothing() -> None:
    it = Interpreter(
        model_content=models.chain(),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    it.allocate_tensors()
    assert it._plan is not None
    assert it._plan.arena.size >= 3 * ALIGNMENT


@pytest.mark.parametrize("path", MODELS, ids=model_ids)
def test_arena_of_real_models_is_within_a_quarter_of_what_is_live(path: str) -> None:
    it = Interpreter(str(path))
    try:
        it.allocate_tensors()
    except RuntimeError as error:
        refused = ("unresolved custom op", "TRANSPOSE_CONV", "SVDF")
        assert any(text in str(error) for text in refused)  # noqa: PT017
        return
    lifetimes = list(it._plan.lifetimes.values())  # type: ignore[union-attr]
    aligned = [Lifetime(-(-x.size // ALIGNMENT) * ALIGNMENT, x.first, x.last) for x in lifetimes]
    assert plan(lifetimes)[1] <= 1.25 * largest_live_sum(aligned)
