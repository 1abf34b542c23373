"""Hypothesis strategies for option tables and whole models, well-formed but meaningless."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from litegpu.dtypes import encode_strings, stored_bytes
from litegpu.graph import (
    ABSENT,
    Blocks,
    Graph,
    Model,
    Node,
    Quantization,
    Signature,
    SparseDimension,
    Sparsity,
    Tensor,
)
from litegpu.schema import table as kinds
from litegpu.schema.enums import BuiltinOperator, TensorType
from litegpu.schema.unions import OPTIONS_OF

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMERIC = [t for t in TensorType if t not in (TensorType.STRING, TensorType.VARIANT)]
BUILTINS = [op for op in BuiltinOperator.__members__ if op != "CUSTOM"]
INT32 = st.integers(-(2**31), 2**31 - 1)


def numbers(code: str) -> st.SearchStrategy[Any]:
    """Any value of a scalar slot."""
    if code == "?":
        return st.booleans()
    if code == "f":
        return st.floats(width=32, allow_nan=False)
    info = np.iinfo(np.dtype(code))
    return st.integers(int(info.min), int(info.max))


def values(kind: kinds.Kind) -> st.SearchStrategy[Any]:
    """Any value of a slot, in the form in which the reader returns it."""
    match kind:
        case kinds.Scalar(code):
            return numbers(code)
        case kinds.Enum(members, _):
            return st.sampled_from(list(members))
        case kinds.String():
            return st.none() | NAMES
        case kinds.Vector(kinds.Scalar(code)):
            items = st.lists(numbers(code), max_size=4)
            return st.none() | items.map(lambda v: np.array(v, np.dtype("<" + code)))
        case kinds.Vector(of):
            return st.none() | st.lists(values(of), max_size=4).map(tuple)
        case kinds.Table(late):
            return st.none() | instances(late())
        case kinds.Union(late):
            return st.none() | st.one_of([instances(cls) for cls in late() if cls is not None])


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Any table of a declared class."""
    return st.builds(cls, **{name: values(kind) for name, kind, _ in kinds.fields(cls)})


@st.composite
def quantizations(draw: st.DrawFn, shape: tuple[int, ...], tensors: int) -> Quantization:
    if draw(st.booleans()):
        blocks = Blocks(draw(st.integers(0, tensors - 1)), ABSENT, draw(st.integers(1, 64)))
        return Quantization(np.empty(0, np.float32), np.empty(0, np.int64), 0, blocks)
    axis = draw(st.integers(0, len(shape) - 1)) if shape else 0
    count = draw(st.sampled_from([1, shape[axis]])) if shape and shape[axis] else 1
    scales = st.lists(st.floats(2**-20, 2**20, width=32), min_size=count, max_size=count)
    points = st.lists(st.integers(-128, 127), min_size=count, max_size=count)
    return Quantization(np.array(draw(scales), np.float32), np.array(draw(points), np.int64), axis)


def compressed_rows(shape: tuple[int, int]) -> Sparsity:
    """A diagonal matrix of `shape`, rows dense and columns compressed."""
    rows, columns = shape
    ends = np.minimum(np.arange(rows + 1), columns).astype(np.int32)
    indices = np.arange(ends[-1], dtype=np.int32)
    return Sparsity((0, 1), (), (SparseDimension(rows), SparseDimension(0, ends, indices)))


@st.composite
def tensors(draw: st.DrawFn, total: int) -> Tensor:
    name, variable = draw(NAMES), draw(st.booleans())
    dtype = draw(st.sampled_from(list(TensorType)))
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=4)))
    known = draw(st.lists(st.booleans(), max_size=4))
    signature = tuple(n if keep else -1 for n, keep in zip(shape, known, strict=False))
    quant = draw(quantizations(shape, total)) if draw(st.booleans()) else None
    data, sparsity = None, None
    elements = int(np.prod(shape))
    if dtype == TensorType.STRING and draw(st.booleans()):
        strings = draw(st.lists(st.binary(max_size=5), min_size=elements, max_size=elements))
        data = encode_strings(np.array([*strings, None], object)[:-1])
    elif dtype in NUMERIC and draw(st.booleans()):
        if len(shape) == 2 and draw(st.booleans()):
            sparsity = compressed_rows((shape[0], shape[1]))
            elements = min(shape)
        size = stored_bytes(dtype, elements)
        data = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    elif 0 in shape and dtype != TensorType.VARIANT:
        data = np.empty(0, np.uint8)
    return Tensor(
        name,
        shape,
        dtype,
        signature or None,
        quant,
        sparsity,
        data,
        variable and data is None,
    )


@st.composite
def nodes(draw: st.DrawFn, tensors: int) -> Node:
    indices = st.lists(st.integers(ABSENT, tensors - 1), max_size=4).map(tuple)
    custom = draw(st.booleans())
    op = draw(NAMES) if custom else draw(st.sampled_from(BUILTINS))
    options: Any = None
    if custom:
        options = draw(st.binary(max_size=20))
    elif op in OPTIONS_OF:
        options = draw(st.none() | instances(OPTIONS_OF[op]))
    version = draw(st.integers(1, 20))
    return Node(op, version, draw(indices), draw(indices), options, custom, draw(indices))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    total = draw(st.integers(1, 5))
    indices = st.lists(st.integers(0, total - 1), max_size=3).map(tuple)
    return Graph(
        tuple(draw(tensors(total)) for _ in range(total)),
        tuple(draw(st.lists(nodes(total), max_size=4))),
        draw(indices),
        draw(indices),
        draw(NAMES),
    )


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Models that the reader accepts; their graphs need not be runnable."""
    names = st.dictionaries(NAMES, st.integers(0, 4), max_size=3)
    parts = tuple(draw(st.lists(graphs(), min_size=1, max_size=3)))
    signature = st.builds(Signature, NAMES, names, names, st.integers(0, len(parts) - 1))
    metadata = st.dictionaries(NAMES, st.binary(max_size=40), max_size=3)
    return Model(parts, tuple(draw(st.lists(signature, max_size=2))), draw(metadata), draw(NAMES))
