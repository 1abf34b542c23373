"""Graphs made to harm: well-formed files whose content no interpreter may run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import encode_strings
from litegpu.graph import (
    ABSENT,
    Blocks,
    Graph,
    Model,
    Node,
    Quantization,
    SparseDimension,
    Sparsity,
    Tensor,
)
from litegpu.schema import options as o
from litegpu.schema.enums import TensorType as T
from litegpu.schema.writer import write_model

from . import models as small
from .hostile import load, refused

X, ONE, H, Y = 0, 1, 2, 3
F32 = T.FLOAT32


def net(**changes: Any) -> Graph:
    """y = (x + 1) + 1; `changes` replace fields of the graph, or its tensors by name."""
    named = {
        "x": Tensor("x", (2,), F32),
        "one": small.constant("one", np.ones(2, "f4")),
        "h": Tensor("h", (2,), F32),
        "y": Tensor("y", (2,), F32),
    }
    named |= {name: changes.pop(name) for name in [*changes] if name in named}
    nodes = (small.add_node(X, ONE, H), small.add_node(H, ONE, Y))
    graph = Graph(tuple(named.values()), nodes, (X,), (Y,), "main")
    return replace(graph, **changes)


def add(*nodes: tuple[int, int, int]) -> tuple[Node, ...]:
    return tuple(small.add_node(*node) for node in nodes)


STRUCTURE: dict[str, tuple[Graph, str]] = {
    "input out of range": (
        net(nodes=add((X, 4, H), (H, ONE, Y))),
        r'Subgraph 0 .*ADD \(node 0, "h"\): Invalid tensor index 4 in node inputs.* 4 tensors',
    ),
    "input -2": (net(nodes=add((X, -2, Y))), "Invalid tensor index -2 in node inputs"),
    "output out of range": (net(nodes=add((X, ONE, 9))), "Invalid tensor index 9 in node outputs"),
    "output absent": (net(nodes=add((X, ONE, -1))), "Invalid tensor index -1 in node outputs"),
    "graph input out of range": (net(inputs=(X, 77)), "Invalid tensor index 77 in inputs"),
    "graph input absent": (net(inputs=(ABSENT,)), "Invalid tensor index -1 in inputs"),
    "graph output out of range": (net(outputs=(4,)), "Invalid tensor index 4 in outputs"),
    "intermediate out of range": (
        net(nodes=(replace(small.add_node(X, ONE, Y), intermediates=(5,)),)),
        "Invalid tensor index 5 in node intermediates",
    ),
    "input is output": (
        net(nodes=add((X, ONE, H), (H, Y, Y))),
        r"node 1, \"y\"\): Tensor 3 is both input 1 and output 0",
    ),
    "written twice": (
        net(nodes=add((X, ONE, Y), (X, X, Y))),
        r"node 1, \"y\"\): output 0, tensor 3 \('y'\), is an output from another op",
    ),
    "written twice by one node": (
        net(nodes=(Node("SPLIT", 1, (ONE, X), (Y, Y), o.SplitOptions(num_splits=2)),)),
        "output 1, tensor 3 .* written twice",
    ),
    "writes a constant": (
        net(nodes=add((X, X, ONE), (X, ONE, Y))),
        r"output 0, tensor 1 \('one'\), is a constant",
    ),
    "writes a graph input": (
        net(nodes=add((ONE, ONE, X), (X, ONE, Y))),
        "output 0, tensor 0 .* is an input of the subgraph",
    ),
    "cycle": (
        net(nodes=add((Y, ONE, H), (H, ONE, Y))),
        r"node 0, \"h\"\): Input tensor 3 lacks data.* no node before this one writes it",
    ),
    "reads before writing": (
        net(nodes=add((H, ONE, Y), (X, ONE, H))),
        "Input tensor 2 lacks data",
    ),
    "constant without bytes": (
        net(one=Tensor("one", (2,), F32)),
        r"Input tensor 1 lacks data: tensor 1 \('one'\), input 1, is no constant",
    ),
    "output never written": (net(nodes=add((X, ONE, H))), "output tensor 3 .* not written"),
    "many inputs and outputs": (
        net(nodes=(Node("ADD_N", 1, (X,) * 300_000, (Y,) * 300_000),)),
        "output 1, tensor 3 .* written twice",
    ),
    "options of another operator": (
        net(nodes=(Node("ADD", 1, (X, ONE), (Y,), o.Pool2DOptions()),)),
        "the options are Pool2DOptions; expected AddOptions",
    ),
    "subgraph out of range": (
        net(nodes=(Node("IF", 1, (X, ONE), (Y,), o.IfOptions(0, 7)),)),
        "else_subgraph_index is 7; the model has 1 subgraphs",
    ),
    "negative subgraph": (
        net(nodes=(Node("WHILE", 1, (X,), (Y,), o.WhileOptions(-1, 0)),)),
        "cond_subgraph_index is -1",
    ),
}


def int8(scale: Any = 0.5, zero_point: Any = 0, axis: int = 0) -> Quantization:
    scales, points = np.atleast_1d(np.array(scale, "f4")), np.atleast_1d(np.array(zero_point, "i8"))
    return Quantization(scales, points, axis)


def quantized(quant: Quantization, dtype: T = T.INT8, shape: tuple[int, ...] = (2, 3)) -> Graph:
    return net(x=Tensor("x", shape, dtype, quant=quant))


def blocks(scales: int, zero_points: int, size: int) -> Quantization:
    return replace(int8([], []), blocks=Blocks(scales, zero_points, size))


WRONG_SCALES: dict[str, tuple[Graph, str]] = {
    f"scale {scale} of {dtype.name}": (quantized(int8(scale), dtype), "scale .* not a positive")
    for scale in (float("nan"), float("inf"), -0.5)
    for dtype in (T.INT8, T.UINT8, T.INT16, T.INT4, T.INT32)
} | {
    f"zero point {point} of {dtype.name}": (
        quantized(int8(1, point), dtype),
        rf"zero_point {point} is not in \[.*\], the range of {dtype.name}",
    )
    for dtype, points in {
        T.INT8: (-129, 128, 2**40),
        T.UINT8: (-1, 256),
        T.INT16: (2**15,),
        T.INT4: (8,),
        T.INT32: (2**31, -(2**63)),
    }.items()
    for point in points
}

QUANTIZATION: dict[str, tuple[Graph, str]] = WRONG_SCALES | {
    "scale 0": (quantized(int8(0)), "Tensor 0 .'x', subgraph 0. has invalid .* scale is 0"),
    "one NaN of three": (quantized(int8([1, np.nan, 1], [0, 0, 0], 1)), "not a positive finite"),
    "more scales than zero points": (
        quantized(int8([1, 1, 1], [0], 1)),
        "QuantizationParam has 1 zero_point values and 3 scale values. Must have same number",
    ),
    "scales for another axis": (
        quantized(int8([1, 1], [0, 0], 1)),
        "num_scales must be 1 for per-layer quantization, or 3 for per-axis .* but got 2",
    ),
    "axis beyond the rank": (
        quantized(int8([1, 1, 1], [0, 0, 0], 2)),
        r"quantized_dimension must be in range \[0, 2\). Was 2",
    ),
    "negative axis": (quantized(int8(1, 0, -1)), "quantized_dimension must be in range .* Was -1"),
    "block scales out of range": (quantized(blocks(9, -1, 32)), "scales are tensor 9"),
    "block zero points out of range": (quantized(blocks(1, -2, 32)), "zero points tensor -2"),
    "block size 0": (quantized(blocks(1, -1, 0)), "block_size must be positive. Was 0"),
    "block axis": (
        quantized(replace(blocks(1, -1, 32), axis=5)),
        "quantized_dimension must be in range",
    ),
}


def shaped(*shape: int, dtype: T = F32, data: Any = None) -> Graph:
    stored = None if data is None else np.frombuffer(data, np.uint8)
    return net(one=Tensor("one", shape, dtype, data=stored, is_variable=stored is None))


SIZES: dict[str, tuple[Graph, str]] = {
    "wraps 32 bits": (shaped(2**16, 2**16, data=bytes(8)), "requires 17179869184 bytes, but"),
    "wraps 64 bits": (shaped(2**31 - 1, 2**31 - 1, 2**31 - 1), "number of elements overflowed"),
    "wraps 64 bits to 0": (shaped(*[2**16] * 4, data=b""), "number of elements overflowed"),
    "empty, but wraps": (shaped(0, *[2**31 - 1] * 3), "number of elements overflowed"),
    "negative": (shaped(2, -3), r"shape \[2, -3\]; dimensions cannot be negative"),
    "two negative": (shaped(-2, -3, data=bytes(24)), "dimensions cannot be negative"),
    "rank 100000": (shaped(*[2**31 - 1] * 100_000, data=b""), "100000 dimensions; at most 64"),
    "rank 65": (shaped(*[1] * 65), "65 dimensions; at most 64"),
    "buffer too small": (
        shaped(2, 3, data=bytes(23)),
        r"Tensor 1 .'one', subgraph 0. .FLOAT32\[2, 3\]. requires 24 bytes, but its buffer has 23",
    ),
    "empty buffer": (shaped(1, data=b""), "requires 4 bytes, but its buffer has 0"),
    "int4 too small": (shaped(5, dtype=T.INT4, data=bytes(2)), "requires 3 bytes, .* has 2"),
    "constant variant": (shaped(1, dtype=T.VARIANT, data=bytes(8)), "constant of type VARIANT"),
    "strings without offsets": (
        shaped(2, dtype=T.STRING, data=np.array([2, 12], "i4").tobytes()),
        "2 strings do not fit in 8 bytes",
    ),
    "strings beyond the end": (
        shaped(1, dtype=T.STRING, data=np.array([1, 12, 99], "i4").tobytes()),
        "offsets are not increasing within the buffer",
    ),
    "string count negative": (
        shaped(1, dtype=T.STRING, data=np.array([-1, 12, 12], "i4").tobytes()),
        "-1 strings do not fit",
    ),
    "string offsets decrease": (
        shaped(2, dtype=T.STRING, data=np.array([2, 20, 16, 20, 0], "i4").tobytes()),
        "not increasing",
    ),
    "fewer strings than the shape": (
        shaped(3, dtype=T.STRING, data=encode_strings(np.array([b"a"], object)).tobytes()),
        r"stores 1 strings; its shape \[3\] has 3",
    ),
}


def rows(segments: list[int], indices: list[int]) -> SparseDimension:
    return SparseDimension(0, np.array(segments, "i4"), np.array(indices, "i4"))


GOOD = Sparsity((0, 1), (), (SparseDimension(2), rows([0, 1, 3], [2, 0, 3])))
BLOCKED = Sparsity(
    (0, 1, 2, 3),
    (0, 1),
    (SparseDimension(2), rows([0, 1, 1], [1]), SparseDimension(2), SparseDimension(2)),
)


def sparse(
    sparsity: Sparsity, values: int = 3, shape: tuple[int, int] = (2, 4), **changes: Any
) -> Graph:
    data = np.zeros(4 * values, np.uint8)
    return net(one=Tensor("one", shape, F32, sparsity=replace(sparsity, **changes), data=data))


def columns(segments: list[int], indices: list[int]) -> Graph:
    return sparse(GOOD, dimensions=(SparseDimension(2), rows(segments, indices)))


def blocked(**changes: Any) -> Graph:
    return sparse(BLOCKED, 4, (4, 4), **changes)


SPARSE: dict[str, tuple[Graph, str]] = {
    "traversal order repeats": (sparse(GOOD, traversal_order=(0, 0)), "must begin with a perm"),
    "traversal order out of range": (
        sparse(GOOD, traversal_order=(0, 9)),
        "must begin with a perm",
    ),
    "traversal order short": (sparse(GOOD, traversal_order=(0,)), "2 levels for the traversal"),
    "no levels": (sparse(GOOD, traversal_order=(), dimensions=()), "must begin with a perm"),
    "blocks not permuted": (blocked(traversal_order=(0, 1, 2, 2)), "must end with a permutation"),
    "no block map": (blocked(block_map=()), "block map .* must have 2 entries"),
    "block map out of range": (blocked(block_map=(0, 2)), "names axis 2 of 2"),
    "block map negative": (blocked(block_map=(0, -1)), "names axis -1 of 2"),
    "block of 0": (
        blocked(dimensions=(*BLOCKED.dimensions[:3], SparseDimension(0))),
        "blocks of 0 do not divide axis 1",
    ),
    "block does not divide": (
        blocked(dimensions=(*BLOCKED.dimensions[:3], SparseDimension(3))),
        "blocks of 3 do not divide axis 1 of size 4",
    ),
    "dense size": (
        sparse(GOOD, dimensions=(SparseDimension(3), GOOD.dimensions[1])),
        "level 0: the dense size is 3; expected 2",
    ),
    "negative dense size": (
        sparse(GOOD, dimensions=(SparseDimension(-2), GOOD.dimensions[1])),
        "the dense size is -2",
    ),
    "segments too few": (columns([0, 3], [2, 0, 3]), "level 1: array_segments must have 3 entries"),
    "segments empty": (columns([], []), "array_segments must have 3 entries"),
    "segments begin late": (columns([1, 2, 3], [2, 0, 3]), "entries from 0 to 3"),
    "segments end early": (columns([0, 1, 2], [2, 0, 3]), "entries from 0 to 3"),
    "segments end late": (columns([0, 1, 9], [2, 0, 3]), "entries from 0 to 3"),
    "segments decrease": (columns([0, 5, 3], [2, 0, 3]), "array_segments must not decrease"),
    "segments negative": (columns([0, -1, 3], [2, 0, 3]), "array_segments must not decrease"),
    "index too large": (columns([0, 1, 3], [2, 0, 4]), r"array_indices must be in \[0, 4\)"),
    "index negative": (columns([0, 1, 3], [-1, 0, 3]), "array_indices must be in"),
    "index repeated": (columns([0, 1, 3], [2, 3, 3]), "array_indices must increase within a seg"),
    "values missing": (sparse(GOOD, 2), "requires 12 bytes, but its buffer has 8"),
    "values too many": (sparse(GOOD, 4), "requires 12 bytes, but its buffer has 16"),
}

CLASSES = {
    "structure": STRUCTURE,
    "quantization": QUANTIZATION,
    "sizes": SIZES,
    "sparse": SPARSE,
}


def cases() -> Iterator[Any]:
    for kind, table in CLASSES.items():
        for name, (graph, message) in table.items():
            yield pytest.param(graph, message, id=f"{kind}: {name}")


@pytest.mark.parametrize(("graph", "message"), [*cases()])
def test_what_no_graph_may_be(graph: Graph, message: str) -> None:
    refused(write_model(Model((graph,))), message)


HARMLESS: dict[str, Graph] = {
    "as it is": net(),
    "sparse": sparse(GOOD),
    "blocked": blocked(),
    "scale 0 of a constant": net(
        one=replace(small.constant("one", np.zeros(2, "i1"), T.INT8), quant=int8(0))
    ),
    "scale of a float tensor": quantized(int8(float("nan"), 999), F32),
    "many scales of an unknown shape": quantized(int8([1, 2], [0, 0]), shape=()),
    "unread tensor without data": net(nodes=add((X, ONE, Y))),
    "reads a variable": net(one=Tensor("one", (2,), F32, is_variable=True)),
    "scratch of a custom operator": net(nodes=(Node("Custom", 1, (X, H), (Y,), b"", custom=True),)),
    "operator without options": net(nodes=(Node("ADD", 1, (X, ONE), (Y,)),)),
}


@pytest.mark.parametrize("graph", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_a_graph_may_be(graph: Graph) -> None:
    load(write_model(Model((graph,))))
