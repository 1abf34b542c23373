"""STABLEHLO_SORT: tensors sorted together along a dimension by a comparison that the model defines.

A comparison of one operator becomes a stable argsort. Any other runs as it is, for many pairs at
once, as the comparator of a sorting network (Batcher 1968, bitonic sort), made stable by positions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Graph, Shape
from ..schema.enums import StablehloComparisonDirection, TensorType
from ..schema.options2 import StablehloSortOptions
from .checks import options_of
from .context import OpContext, SubgraphCall
from .registry import Step, op
from .shapes import normalize_axis
from .topk import descending

Order = NDArray[np.intp]

ASCENDING = {"LESS": True, "GREATER": False}
DIRECTIONS = {
    StablehloComparisonDirection.STABLEHLO_COMPARISON_DIRECTION_LT: True,
    StablehloComparisonDirection.STABLEHLO_COMPARISON_DIRECTION_GT: False,
}


def sort_options(ctx: OpContext) -> tuple[int, SubgraphCall]:
    """(dimension, comparison)."""
    options = options_of(ctx, StablehloSortOptions)
    call = ctx.subgraph(options.comparator_subgraph_index)
    return normalize_axis(options.dimension, ctx.rank(0)), call


def sort_shape(ctx: OpContext) -> list[Shape]:
    count = len(ctx.node.inputs)
    ctx.require(count >= 1, "there is nothing to sort")
    for i in range(count):
        ctx.require(
            ctx.shape(i) == ctx.shape(0),
            f"input {i} has shape {list(ctx.shape(i))}; expected {list(ctx.shape(0))}",
        )
        found = ctx.output_dtype(i)
        ctx.require(
            found == ctx.dtype(i), f"output {i} is {found.name}; expected {ctx.dtype(i).name}"
        )
    ctx.require(
        len(ctx.node.outputs) == count, f"{count} inputs have {len(ctx.node.outputs)} outputs"
    )
    _, call = sort_options(ctx)
    graph = call.graph
    ctx.require(
        len(graph.inputs) == 2 * count
        and len(graph.outputs) == 1
        and graph.tensors[graph.outputs[0]].dtype == TensorType.BOOL,
        f"the comparison has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; "
        f"expected {2 * count} and one BOOL",
    )
    return [ctx.shape(0)] * count


@op("STABLEHLO_SORT", prepare=sort_shape)
def sort(ctx: OpContext) -> Step:
    axis, call = sort_options(ctx)
    count = len(ctx.node.inputs)
    inputs, outputs = [ctx.input(i) for i in range(count)], [ctx.output(j) for j in range(count)]
    key = simple_key(call.graph)

    def step() -> None:
        if key is not None:
            i, ascending = key
            order = np.argsort(
                inputs[i] if ascending else descending(inputs[i]), axis=axis, kind="stable"
            )
        else:
            order = network_order(inputs, axis, call)
        for x, y in zip(inputs, outputs, strict=True):
            np.copyto(y, np.take_along_axis(x, order, axis=axis))

    return step


def simple_key(graph: Graph) -> tuple[int, bool] | None:
    """(input to sort by, whether ascending) of a comparison that is one operator, else None."""
    if len(graph.nodes) != 1 or graph.nodes[0].outputs != graph.outputs:
        return None
    node = graph.nodes[0]
    if node.op == "STABLEHLO_COMPARE" and node.options is not None:
        ascending = DIRECTIONS.get(node.options.comparison_direction)
    else:
        ascending = ASCENDING.get(node.op)
    places = [graph.inputs.index(t) for t in node.inputs if t in graph.inputs]
    if ascending is None or len(places) != 2 or places[0] // 2 != places[1] // 2:
        return None
    dtype = graph.tensors[node.inputs[0]].dtype
    if places[0] == places[1] or dtype == TensorType.STRING:
        return None
    return places[0] // 2, ascending == (places[0] < places[1])


def network_order(inputs: list[Array], axis: int, call: SubgraphCall) -> Order:
    """The stable order along `axis` in which the comparison puts the inputs."""
    if not inputs[0].size:
        return np.zeros(inputs[0].shape, np.intp)
    rows = [np.moveaxis(x, axis, -1) for x in inputs]
    shape = rows[0].shape
    size = shape[-1]
    flat = [r.reshape(-1, size) for r in rows]
    padded = 1 << max(size - 1, 0).bit_length()
    order = np.tile(np.arange(padded), (len(flat[0]), 1))
    places = np.arange(padded)
    run = 2
    while run <= padded:
        distance = run // 2
        while distance:
            low = places[places & distance == 0]
            exchange(order, low, low + distance, low & run == 0, flat, call)
            distance //= 2
        run *= 2
    return np.moveaxis(order[:, :size].reshape(shape), -1, axis)


def exchange(
    order: Order,
    low: Order,
    high: Order,
    ascending: NDArray[np.bool_],
    rows: list[Array],
    call: SubgraphCall,
) -> None:
    """Swaps the elements of `order` at `low` and `high` where they stand the wrong way round."""
    a, b = order[:, low], order[:, high]
    size = rows[0].shape[1]
    a_first, b_first = compare(rows, a, b, call), compare(rows, b, a, call)
    first = np.where(a_first == b_first, a < b, a_first)
    # Beyond the end come the elements that fill the network up.
    first = np.where((a >= size) | (b >= size), a < b, first)
    swapped = first != ascending
    order[:, low], order[:, high] = np.where(swapped, b, a), np.where(swapped, a, b)


def compare(rows: list[Array], a: Order, b: Order, call: SubgraphCall) -> NDArray[np.bool_]:
    """The comparison's result for each pair of elements."""
    last = rows[0].shape[1] - 1
    pairs = []
    for x in rows:
        for side in (a, b):
            taken = np.take_along_axis(x, np.minimum(side, last), axis=1)
            pairs.append(np.ascontiguousarray(taken).reshape(-1))
    result = call.run(pairs)[0]
    if result.shape not in ((), pairs[0].shape):
        raise OpError(f"the comparison of {pairs[0].size} pairs has shape {list(result.shape)}")
    return np.broadcast_to(result, pairs[0].shape).reshape(a.shape).copy()
