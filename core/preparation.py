"""Shapes of everything that is known before invoke; nodes of constants are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .errors import OpError, PrepareError, ValueUnknown, node_error
from .graph import ABSENT, Node
from .ops.context import OpContext
from .ops.registry import Op
from .rebinding import check_outputs
from .workspace import Workspace


@dataclass(slots=True)
class Prepared:
    """`dynamic[n]` is the tensor that keeps node n from being planned now; `folded` nodes need not
    run."""

    dynamic: dict[int, int] = field(default_factory=dict[int, int])
    folded: set[int] = field(default_factory=set[int])


def prepare(space: Workspace, ops: Sequence[Op | None]) -> Prepared:
    """Prepares the nodes in program order; raises PrepareError naming the first that cannot run."""
    graph = space.graph
    made = set(graph.inputs) | {t for t, array in enumerate(space.arrays) if array is not None}
    found = Prepared()
    for index, (node, op) in enumerate(zip(graph.nodes, ops, strict=True)):
        try:
            if op is None:
                raise OpError(unresolved(node.op))
            _check_inputs(space, node, made)
            _prepare(space, index, node, op, found)
        except ValueUnknown as unknown:
            found.dynamic[index] = unknown.tensor
        except Exception as error:
            raise node_error(PrepareError, error, graph, space.graph_index, index) from error
        made.update(node.outputs)
    return found


def _check_inputs(space: Workspace, node: Node, made: set[int]) -> None:
    for t in node.inputs:
        if t != ABSENT and t not in made:
            raise OpError(f"input tensor {t} ({space.graph.tensors[t].name!r}) is never computed. ")


def _prepare(space: Workspace, index: int, node: Node, op: Op, found: Prepared) -> None:
    ctx = OpContext(space, node, index)
    shapes = op.prepare(ctx)
    check_outputs(node, shapes)
    for tensor, shape in zip(node.outputs, shapes, strict=False):
        if tensor != ABSENT and shape is not None:
            space.check_size(tensor, tuple(shape))
            space.shapes[tensor] = tuple(shape)
    constant = all(t == ABSENT or t in space.known for t in node.inputs)
    if op.view and constant and node.outputs[0] not in space.graph.outputs:
        _share(space, index, node, found)
    elif op.of_shapes or (op.pure and constant):
        _fold(space, ctx, op, found)


def _share(space: Workspace, index: int, node: Node, found: Prepared) -> None:
    """A view of a constant is the constant's memory."""
    source, target = node.inputs[0], node.outputs[0]
    values = space.known[source].reshape(space.shape(target))
    space.known[target] = space.arrays[target] = values
    found.folded.add(index)


def _fold(space: Workspace, ctx: OpContext, op: Op, found: Prepared) -> None:
    """Computes a node of constants once; an error is left for invoke to find.

    Outputs of the graph are computed by every invoke nevertheless: a caller may have overwritten
    them.
    """
    outputs = [t for t in ctx.node.outputs if t != ABSENT]
    if any(space.shapes[t] is None or space.arrays[t] is not None for t in outputs):
        return
    try:
        for t in outputs:
            space.arrays[t] = space.new_array(t, space.shape(t))
        space.reset_scratch()
        with np.errstate(all="ignore"):
            op.bind(ctx)()
    except (OpError, ValueUnknown):
        for t in outputs:
            space.arrays[t] = None
        return
    space.known.update((t, space.array(t)) for t in outputs)
    if any(t in space.graph.outputs for t in outputs):
        for t in outputs:
            space.arrays[t] = None
    else:
        found.folded.add(ctx.index)


def unresolved(name: str) -> str:
    """What is said of a custom operator that nobody registered."""
    if name.startswith("Flex"):
        return (
            "Select TensorFlow op(s), included in the given model, is(are) not supported by this "
            f"interpreter: {name}. Make sure you apply/link the Flex delegate before inference. "
            "See instructions: https://www.tensorflow.org/lite/guide/ops_select "
        )
    return (
        f"Encountered unresolved custom op: {name}.\n"
        "See instructions: https://www.tensorflow.org/lite/guide/ops_custom "
    )
