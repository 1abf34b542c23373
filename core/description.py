"""A model and its plans as plain data, the layout of `litegpu inspect --json` (docs/cli.md)."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .dtypes import stored_bytes
from .explanation import explain
from .graph import Graph, Node, Quantization, Tensor
from .interpreter import Interpreter
from .memory import largest_live_sum
from .session import Session

LONGEST = 64
"""Elements of an array among a node's options that are written out."""


def describe(path: Path, delegates: Sequence[Any] | None = None) -> dict[str, Any]:
    """Everything about a model file; a graph that cannot be planned has the reason in its plan."""
    with Interpreter(path, experimental_delegates=delegates) as interpreter:
        model, session = interpreter._model, interpreter._session
        subgraphs = [_graph(i, graph, session) for i, graph in enumerate(model.graphs)]
        return {
            "file": path.name,
            "bytes": path.stat().st_size,
            "description": model.description,
            "metadata": {name: len(data) for name, data in model.metadata.items()},
            "signatures": [
                {
                    "key": s.key,
                    "subgraph": s.graph,
                    "inputs": dict(s.inputs),
                    "outputs": dict(s.outputs),
                }
                for s in model.signatures
            ],
            "subgraphs": subgraphs,
            "explanation": _explanation(session),
        }


def _explanation(session: Session) -> dict[str, Any] | None:
    """Where the nodes of the graphs run that could be planned; None without delegates."""
    if not session.slots:
        return None
    plans = (session.latest_plan(g) for g in range(len(session.model.graphs)))
    names = [slot.name for slot in session.slots]
    return explain([plan for plan in plans if plan is not None], names).to_dict()


def _graph(index: int, graph: Graph, session: Session) -> dict[str, Any]:
    return {
        "index": index,
        "name": graph.name,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "tensors": [_tensor(i, tensor, graph) for i, tensor in enumerate(graph.tensors)],
        "nodes": [_node(i, node) for i, node in enumerate(graph.nodes)],
        "plan": _plan(index, graph, session),
    }


def _tensor(index: int, tensor: Tensor, graph: Graph) -> dict[str, Any]:
    elements = int(np.prod([max(dim, 0) for dim in tensor.shape], dtype=np.int64))
    size = stored_bytes(tensor.dtype, elements) if tensor.data is None else int(tensor.data.size)
    signature = tensor.shape_signature
    return {
        "index": index,
        "name": tensor.name,
        "dtype": tensor.dtype.name,
        "shape": list(tensor.shape),
        "shape_signature": None if signature is None else list(signature),
        "kind": _kind(index, tensor, graph),
        "bytes": size,
        "sparse": tensor.sparsity is not None,
        "quantization": None if tensor.quant is None else _quantization(tensor.quant),
    }


def _kind(index: int, tensor: Tensor, graph: Graph) -> str:
    if index in graph.inputs:
        return "input"
    if tensor.data is not None:
        return "constant"
    if tensor.is_variable:
        return "variable"
    return "output" if index in graph.outputs else "computed"


def _quantization(quant: Quantization) -> dict[str, Any]:
    if quant.blocks is not None:
        return {
            "block_size": quant.blocks.size,
            "axis": quant.axis,
            "scales_tensor": quant.blocks.scales,
            "zero_points_tensor": quant.blocks.zero_points,
        }
    return {
        "scales": [float(scale) for scale in quant.scale],
        "zero_points": [int(zero_point) for zero_point in quant.zero_point],
        "axis": quant.axis,
    }


def _node(index: int, node: Node) -> dict[str, Any]:
    return {
        "index": index,
        "op": node.op,
        "version": node.version,
        "custom": node.custom,
        "inputs": list(node.inputs),
        "outputs": list(node.outputs),
        "options": _plain(node.options),
    }


def _plan(index: int, graph: Graph, session: Session) -> dict[str, Any]:
    """The plan for the shapes that the file declares."""
    try:
        plan = session.plan(index, [graph.tensors[t].shape for t in graph.inputs])
    except Exception as error:
        return {"error": " ".join(str(error).split())}
    return {
        "arena_bytes": int(plan.arena.size),
        "largest_live_sum": largest_live_sum(list(plan.lifetimes.values())),
        "steps": len(plan.steps),
        "tensors": [
            {
                "tensor": t,
                "offset": int(plan.offsets[t]),
                "bytes": life.size,
                "first": life.first,
                "last": life.last,
            }
            for t, life in sorted(plan.lifetimes.items())
        ],
        "dynamic": [{"node": node, "tensor": t} for node, t in sorted(plan.dynamic.items())],
    }


def _plain(value: Any) -> Any:
    """Options as JSON has them: enums by name, bytes and long arrays by size."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= LONGEST else f"{value.size} values"
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
