"""Checks of what a caller asks of tensors: indices, shapes, and whether a value is there to
read."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .errors import ResizeError
from .graph import Array, Graph, Shape, Tensor
from .plan import ExecutionPlan


def graph_index(index: Any, count: int) -> int:
    """The position of one of `count` subgraphs."""
    position = operator.index(index)
    if not 0 <= position < count:
        raise ValueError(
            f"Invalid subgraph index {position} exceeds max subgraph index {count - 1}"
        )
    return position


def tensor_index(index: Any, graph: Graph) -> int:
    """The position of a tensor; the number that the message gives as the largest is their count."""
    position = operator.index(index)
    count = len(graph.tensors)
    if not 0 <= position < count:
        raise ValueError(f"Invalid tensor index {position} exceeds max tensor index {count}")
    return position


def resize_target(index: Any, size: Any, graph: Graph) -> tuple[int, Shape]:
    """Which tensor is resized, and its new shape."""
    position = operator.index(index)
    try:
        dims = np.array(size, np.int32)
    except OverflowError as error:
        raise ResizeError(
            f"BytesRequired number of elements overflowed: {size} has a dimension beyond int32.\n"
        ) from error
    if dims.ndim != 1:
        raise ValueError(f"Shape should be 1D instead of {dims.ndim}.")
    if not 0 <= position < len(graph.tensors):
        raise ResizeError(
            "tensor_index < context_.tensors_size && tensor_index >= 0 was not true: "
            f"tensor {position} of {len(graph.tensors)}."
        )
    shape = tuple(dims.tolist())
    if any(dim < 0 for dim in shape):
        raise ResizeError(
            f"BytesRequired number of elements overflowed: negative size in {list(shape)}.\n"
        )
    return position, shape


def check_strict(tensor: Tensor, index: int, current: Shape, shape: Shape) -> None:
    """Raises ResizeError where a dimension changes that the tensor's signature fixes."""
    if len(current) != len(shape):
        raise ResizeError(f"tensor->dims->size != dims.size() ({len(current)} != {len(shape)})")
    allowed = tensor.shape_signature or current
    for axis, (have, want) in enumerate(zip(current, shape, strict=True)):
        if have != want and allowed[axis] != -1:
            raise ResizeError(
                f"Attempting to resize dimension {axis} of tensor {index} with value {have} to "
                f"{want}. ResizeInputTensorStrict only allows mutating unknown dimensions "
                "identified by -1."
            )


def defined_values(plan: ExecutionPlan | None, index: int) -> Array:
    """The memory of a tensor that holds its value; ValueError says why there is none."""
    if plan is None:
        raise ValueError("Tensor data is null. Run allocate_tensors() first")
    graph = plan.graph
    array = plan.arrays[index]
    if array is None and plan.shapes[index] is None:
        raise ValueError(
            f"Tensor data is null. Run invoke() first: the shape of tensor {index} depends on data"
        )
    kept = (
        plan.session.preserve_all
        or index in graph.inputs
        or index in graph.outputs
        or index in plan.known
        or graph.tensors[index].is_variable
    )
    if array is None or not kept:
        name = graph.tensors[index].name
        raise ValueError(
            f"Tensor data is null. Tensor {index} ({name!r}) is an intermediate result whose "
            "memory is reused: construct the Interpreter with "
            "experimental_preserve_all_tensors=True to read it"
        )
    plan.space.kept.recall([index])
    return array
