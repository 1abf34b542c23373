"""Operators that run other graphs of the model: branches, loops, calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import LimitError, OpError
from ..graph import Array, Shape
from .context import OpContext, SubgraphCall
from .registry import Prepare, Step, op

Shapes = list[Shape | None]


def _inputs(ctx: OpContext, start: int = 0) -> list[Array]:
    return [ctx.input(i) for i in range(start, len(ctx.node.inputs))]


def _shapes(ctx: OpContext, start: int = 0) -> list[Shape]:
    return [ctx.shape(i) for i in range(start, len(ctx.node.inputs))]


def _call(ctx: OpContext, index: int) -> SubgraphCall:
    if ctx.options is None:
        raise OpError("options are required, but absent")
    return ctx.subgraph(index)


def _agree(branches: Sequence[Sequence[Shape | None]]) -> Shapes:
    """The shapes on which all branches agree; None where they differ."""
    counts = {len(shapes) for shapes in branches}
    if len(counts) != 1:
        raise OpError(f"branches have different numbers of outputs: {sorted(counts)}")
    return [
        first if all(s == first for s in rest) else None
        for first, *rest in zip(*branches, strict=True)
    ]


class _Results:
    """Hands the results of a subgraph to the node's outputs, of fixed shape or not."""

    def __init__(self, ctx: OpContext, shapes: Sequence[Shape | None]) -> None:
        self._ctx = ctx
        self._outputs = [
            None if shape is None else ctx.output(j)
            for j, shape in zip(range(len(ctx.node.outputs)), shapes, strict=False)
        ]

    def set(self, values: Sequence[Array]) -> None:
        for j, (output, value) in enumerate(zip(self._outputs, values, strict=False)):
            if output is None:
                self._ctx.publish(j, value)
            else:
                np.copyto(output, value, casting="no")


def _if_branches(ctx: OpContext) -> list[SubgraphCall]:
    options = ctx.options
    ctx.require(options is not None, "options are required, but absent")
    return [ctx.subgraph(options.then_subgraph_index), ctx.subgraph(options.else_subgraph_index)]


def _case_branches(ctx: OpContext) -> list[SubgraphCall]:
    indices = None if ctx.options is None else ctx.options.branch_subgraph_indices
    if indices is None or not len(indices):
        raise OpError("there are no branches")
    return [ctx.subgraph(int(index)) for index in indices]


def _branch_shapes(branches: Sequence[SubgraphCall], ctx: OpContext) -> Shapes:
    shapes = _shapes(ctx, 1)
    return _agree([branch.output_shapes(shapes) for branch in branches])


def _prepare_if(ctx: OpContext) -> Shapes:
    condition = ctx.shape(0)
    ctx.require(
        np.prod(condition, dtype=int) == 1,
        f"the condition has shape {list(condition)}; one bool expected",
    )
    return _branch_shapes(_if_branches(ctx), ctx)


@op("IF", prepare=_prepare_if, pure=False)
def if_(ctx: OpContext) -> Step:
    then, otherwise = branches = _if_branches(ctx)
    results = _Results(ctx, _branch_shapes(branches, ctx))
    condition, *inputs = _inputs(ctx)

    def step() -> None:
        results.set((then if condition.item() else otherwise).run(inputs))

    return step


def _prepare_case(ctx: OpContext) -> Shapes:
    return _branch_shapes(_case_branches(ctx), ctx)


@op("STABLEHLO_CASE", prepare=_prepare_case, pure=False)
def case(ctx: OpContext) -> Step:
    branches = _case_branches(ctx)
    results = _Results(ctx, _branch_shapes(branches, ctx))
    index, *inputs = _inputs(ctx)
    last = len(branches) - 1

    def step() -> None:
        chosen = int(index.item())
        # StableHLO: an index out of range takes the last branch.
        results.set(branches[chosen if 0 <= chosen <= last else last].run(inputs))

    return step


def _loop_shapes(ctx: OpContext) -> Shapes:
    """The loop-carried shapes that the body leaves as they are; None for those that may change."""
    shapes = _shapes(ctx)
    condition = _call(ctx, ctx.options.cond_subgraph_index).output_shapes(shapes)
    ctx.require(len(condition) == 1, f"the condition has {len(condition)} outputs; 1 expected")
    after = _call(ctx, ctx.options.body_subgraph_index).output_shapes(shapes)
    ctx.require(
        len(after) == len(shapes) == len(ctx.node.outputs),
        f"the loop carries {len(shapes)} values; its body has {len(after)}, the node "
        f"{len(ctx.node.outputs)} outputs",
    )
    if list(after) == list(shapes):
        return list(shapes)
    return [None] * len(shapes)


@op("WHILE", "STABLEHLO_WHILE", prepare=_loop_shapes, pure=False)
def while_(ctx: OpContext) -> Step:
    condition = _call(ctx, ctx.options.cond_subgraph_index)
    body = _call(ctx, ctx.options.body_subgraph_index)
    results = _Results(ctx, _loop_shapes(ctx))
    inputs = _inputs(ctx)
    limit = ctx.limits.loop_iterations

    def step() -> None:
        values: Sequence[Array] = inputs
        for _ in range(limit):
            if not condition.run(values)[0].item():
                return results.set(values)
            values = body.run(values)
        raise LimitError(f"the loop has not ended after limits.loop_iterations={limit} iterations")

    return step


def _prepare_once(ctx: OpContext) -> Shapes:
    _call(ctx, ctx.options.init_subgraph_index).output_shapes([])
    return []


@op("CALL_ONCE", prepare=_prepare_once, pure=False)
def call_once(ctx: OpContext) -> Step:
    index = ctx.options.init_subgraph_index
    call = _call(ctx, index)
    resources = ctx.resources
    key = ("called once", index)

    def step() -> None:
        if key not in resources:
            call.run([])
            resources[key] = True

    return step


def _prepare_call(option: str) -> Prepare:
    def prepare(ctx: OpContext) -> Shapes:
        index = getattr(ctx.options, option, -1)
        return list(_call(ctx, index).output_shapes(_shapes(ctx)))

    return prepare


def _bind_call(option: str) -> Any:
    prepare = _prepare_call(option)

    def bind(ctx: OpContext) -> Step:
        call = _call(ctx, getattr(ctx.options, option, -1))
        results = _Results(ctx, prepare(ctx))
        inputs = _inputs(ctx)

        def step() -> None:
            results.set(call.run(inputs))

        return step

    return bind


for _name, _option in (
    ("STABLEHLO_COMPOSITE", "decomposition_subgraph_index"),
    ("CALL", "subgraph"),
):
    op(_name, prepare=_prepare_call(_option), pure=False)(_bind_call(_option))
