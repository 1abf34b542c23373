"""What must hold of a model before any operator looks at it; meanings are left to the operators."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cache

from .errors import ModelError
from .graph import ABSENT, Graph, Model, Node, Signature
from .schema.unions import OPTIONS_OF
from .verify_tensor import Strings, verify_tensor


def verify(model: Model) -> None:
    """Raises ModelError, naming subgraph, node and tensor, where the model cannot be run."""
    strings: Strings = {}
    for index, graph in enumerate(model.graphs):
        for i, tensor in enumerate(graph.tensors):
            try:
                verify_tensor(tensor, graph, strings)
            except ModelError as error:
                raise ModelError(
                    f"Tensor {i} ({tensor.name!r}, subgraph {index}) {error}"
                ) from None
        try:
            _verify_graph(graph, len(model.graphs))
        except ModelError as error:
            raise ModelError(f"Subgraph {index} ({graph.name!r}): {error}") from None
    for signature in model.signatures:
        _verify_signature(signature, model.graphs)


def _verify_graph(graph: Graph, graphs: int) -> None:
    for label, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        _check_indices(tensors, label, graph)
    given = set(graph.inputs)
    ready = {i for i, t in enumerate(graph.tensors) if t.data is not None or t.is_variable}
    ready |= given
    written: set[int] = set()
    for i, node in enumerate(graph.nodes):
        try:
            _check_node(node, graph, graphs)
            _check_order(node, graph, given, ready, written)
        except ModelError as error:
            raise ModelError(f"{_name(i, node, graph)}: {error}") from None
    for tensor in graph.outputs:
        if tensor not in ready:
            raise ModelError(f"output {_tensor(tensor, graph)} is not written by any node.")


def _name(index: int, node: Node, graph: Graph) -> str:
    outputs = [i for i in node.outputs if 0 <= i < len(graph.tensors)]
    label = f', "{graph.tensors[outputs[0]].name}"' if outputs else ""
    return f"{node.op} (node {index}{label})"


def _tensor(index: int, graph: Graph) -> str:
    return f"tensor {index} ({graph.tensors[index].name!r})"


def _check_indices(
    tensors: Iterable[int], label: str, graph: Graph, optional: bool = False
) -> None:
    for tensor in tensors:
        if not 0 <= tensor < len(graph.tensors) and not (optional and tensor == ABSENT):
            raise ModelError(
                f"Invalid tensor index {tensor} in {label}. "
                f"The subgraph has {len(graph.tensors)} tensors."
            )


def _check_node(node: Node, graph: Graph, graphs: int) -> None:
    _check_indices(node.inputs, "node inputs", graph, optional=True)
    _check_indices(node.outputs, "node outputs", graph)
    _check_indices(node.intermediates, "node intermediates", graph, optional=True)
    if node.custom or node.options is None:
        return
    found: type = type(node.options)
    expected = OPTIONS_OF.get(node.op)
    if expected is not None and found is not expected and dataclasses.fields(expected):
        raise ModelError(f"the options are {found.__name__}; expected {expected.__name__}.")
    for field in _graph_fields(found):
        called = getattr(node.options, field)
        for index in [called] if isinstance(called, int) else [] if called is None else called:
            if not 0 <= index < graphs:
                raise ModelError(f"{field} is {index}; the model has {graphs} subgraphs.")


@cache
def _graph_fields(options: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(options) if "subgraph_ind" in f.name)


def _check_order(
    node: Node, graph: Graph, given: set[int], ready: set[int], written: set[int]
) -> None:
    """Each tensor is written once, by one node, before it is read; adds what this node writes."""
    outputs = set(node.outputs)
    for position, tensor in enumerate(node.inputs):
        if tensor in outputs and not graph.tensors[tensor].is_variable:
            raise ModelError(
                f"Tensor {tensor} is both input {position} and output "
                f"{node.outputs.index(tensor)}: {_tensor(tensor, graph)}."
            )
        # A custom operator may take scratch memory as an input.
        if tensor != ABSENT and tensor not in ready and not node.custom:
            raise ModelError(
                f"Input tensor {tensor} lacks data: {_tensor(tensor, graph)}, input {position}, "
                "is no constant and no node before this one writes it."
            )
    for position, tensor in enumerate(node.outputs):
        reason = None
        if graph.tensors[tensor].data is not None:
            reason = "is a constant"
        elif tensor in given:
            reason = "is an input of the subgraph"
        elif tensor in written:
            reason = "is an output from another op or written twice"
        if reason:
            raise ModelError(f"output {position}, {_tensor(tensor, graph)}, {reason}.")
        written.add(tensor)
    ready |= outputs


def _verify_signature(signature: Signature, graphs: tuple[Graph, ...]) -> None:
    if not 0 <= signature.graph < len(graphs):
        raise ModelError(
            f"Signature {signature.key!r} is of subgraph {signature.graph}; "
            f"the model has {len(graphs)}."
        )
    graph = graphs[signature.graph]
    _check_names(signature, "input", signature.inputs, graph.inputs)
    _check_names(signature, "output", signature.outputs, graph.outputs)


def _check_names(
    signature: Signature, kind: str, names: Mapping[str, int], tensors: tuple[int, ...]
) -> None:
    known = set(tensors)
    for name, tensor in names.items():
        if tensor not in known:
            raise ModelError(
                f"Signature {signature.key!r}: {kind} {name!r} is tensor {tensor}; "
                f"the {kind}s of subgraph {signature.graph} are {list(tensors)}."
            )
