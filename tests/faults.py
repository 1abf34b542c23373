"""Faults planted at random nodes of models, and whether they reach the outputs."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from litegpu import Interpreter, OpResolverType
from litegpu.graph import Graph
from litegpu.plugins import LoadedDelegate, load_delegate
from litegpu.random_inputs import random_values
from litegpu.schema.reader import open_model
from litegpu.testing_faults import KINDS

from .model_runs import GIVEN
from .tolerance import WHOLE_MODEL_ON_DELEGATE

PATIENCE = 8
"""Nodes that are tried before a model is given up: what a fault changes may be masked behind it."""


@dataclass(frozen=True)
class Planted:
    """A delegate with a fault at a node of the main graph; `sound` is it without."""

    faulty: LoadedDelegate
    sound: LoadedDelegate
    node: int
    kind: str


def kind_of(number: int) -> str:
    return list(KINDS)[number % len(KINDS)]


def sample_of(path: Path) -> dict[int, Any]:
    """One random value for every input, by position."""
    graph = open_model(path).graphs[0]
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    values = {
        i: random_values(rng, graph.tensors[t], graph.tensors[t].shape)
        for i, t in enumerate(graph.inputs)
    }
    return values | {int(k): v for k, v in GIVEN.get(path.stem, {}).items()}


def outputs(path: Path, sample: Mapping[int, Any], delegate: Any | None) -> list[Any]:
    """What a plain interpreter gives, on the CPU or on a delegate."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    options: dict[str, Any] = {"experimental_op_resolver_type": resolver}
    if delegate is not None:
        options = {"experimental_delegates": [delegate]}
    interpreter = Interpreter(path, **options)
    details = interpreter.get_input_details()
    for i, value in sample.items():
        interpreter.resize_tensor_input(details[i]["index"], value.shape)
    interpreter.allocate_tensors()
    for i, value in sample.items():
        interpreter.set_tensor(details[i]["index"], value)
    interpreter.invoke()
    return [
        np.asarray(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()
    ]


def agree(got: list[Any], expected: list[Any]) -> bool:
    """Whether outputs are equal, floats within what whole models on delegates may differ by."""
    return all(_agree(g, e) for g, e in zip(got, expected, strict=True))


def _agree(got: Any, expected: Any) -> bool:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    if expected.dtype.kind not in "fc":
        return bool(np.array_equal(got, expected))
    finite = np.isfinite(expected)
    if not np.array_equal(got[~finite], expected[~finite], equal_nan=True):
        return False
    want, have = expected[finite].astype(np.float64), got[finite].astype(np.float64)
    bound = WHOLE_MODEL_ON_DELEGATE * np.abs(want).max(initial=0) + 1e-7
    return bool(np.all(np.abs(have - want) <= bound))


def plant(path: Path, delegate: str, kind: str) -> Planted | None:
    """A fault at a random one of the nodes that the delegate runs, such that an output is wrong;
    None where the delegate runs none, or no fault that was tried gets through."""
    sample = sample_of(path)
    expected = outputs(path, sample, None)
    sound = load_delegate(delegate)
    graph = open_model(path).graphs[0]
    rng = np.random.default_rng(zlib.crc32(f"{path.stem} {kind}".encode()))
    candidates = [n for n in delegated(path, sample, sound) if _is_named(graph, n)]
    rng.shuffle(candidates)
    for node in candidates[:PATIENCE]:
        name = graph.tensors[graph.nodes[node].outputs[0]].name
        options = {"of": delegate, "kind": kind, "tensor": name}
        faulty = load_delegate("litegpu.testing_faults:create", options)
        if not agree(outputs(path, sample, faulty), expected):
            return Planted(faulty, sound, node, kind)
    return None


def delegated(path: Path, sample: Mapping[int, Any], delegate: Any) -> list[int]:
    """The nodes of the main graph that the delegate runs for these inputs."""
    interpreter = Interpreter(path, experimental_delegates=[delegate])
    for i, value in sample.items():
        interpreter.resize_tensor_input(interpreter.get_input_details()[i]["index"], value.shape)
    interpreter.allocate_tensors()
    return [n.index for n in interpreter.explain().subgraphs[0].nodes if n.owner == delegate.name]


def _is_named(graph: Graph, node: int) -> bool:
    """Whether the name of a node's first output is no other tensor's."""
    name = graph.tensors[graph.nodes[node].outputs[0]].name
    return sum(tensor.name == name for tensor in graph.tensors) == 1
