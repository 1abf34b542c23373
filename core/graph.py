"""What a model is: frozen data, no behaviour. The graph is never edited after it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .schema.enums import TensorType

Array = NDArray[Any]
Shape = tuple[int, ...]

ABSENT = -1
"""The tensor index of an optional input that a node does without."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blockwise quantisation: the scales are another tensor (float16, one per `size` elements of a
    row)."""

    scales: int
    zero_points: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """real = scale * (stored - zero_point).

    `scale` (float32) and `zero_point` (int64) have one element per tensor, or one per index of
    `axis`.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0
    blocks: Blocks | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SparseDimension:
    """One level of a sparse encoding: dense with `dense_size`, or compressed (CSR)."""

    dense_size: int = 0
    segments: NDArray[np.int32] | None = None
    indices: NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sparsity:
    """The format of the TACO paper (arXiv:1804.10112): traversal order, blocked dimensions,
    levels."""

    traversal_order: tuple[int, ...]
    block_map: tuple[int, ...]
    dimensions: tuple[SparseDimension, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """`data` are the stored bytes (uint8, a view of the file); None for what is computed at run
    time.

    `shape_signature` has -1 for unknown dimensions; None when the file has none.
    """

    name: str
    shape: Shape
    dtype: TensorType
    shape_signature: Shape | None = None
    quant: Quantization | None = None
    sparsity: Sparsity | None = None
    data: NDArray[np.uint8] | None = None
    is_variable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """`op` is the schema's operator name, or the custom code where `custom`; `options` its typed
    table or bytes."""

    op: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None
    custom: bool = False
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """`nodes` in an order in which they can run; `inputs` and `outputs` are tensor indices."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point: names of its inputs and outputs, each with a tensor index of `graph`."""

    key: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    graph: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A whole file; `graphs[0]` is the main graph."""

    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    description: str = ""
