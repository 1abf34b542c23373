"""Whole models with half of their nodes on a delegate: bit for bit what the CPU alone gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateWarning, Interpreter, OpResolverType
from litegpu.explanation import NodePlace
from litegpu.graph import Graph, Node
from litegpu.reference_delegate import ReferenceDelegate, random_half
from litegpu.schema.reader import open_model

from .model_runs import ALL, Run, inputs_of, runs

Values = dict[str, Any]

KEPT_BY_THE_RUNTIME = {"constant", "dynamic_shape", "stateful"}
"""Codes of the refusals that no delegate is asked about."""


def schedule(run: Run) -> list[Values]:
    """Inputs of four invokes: two, one with both sets of inputs as one batch, and the first
    again."""
    first, second = inputs_of(run, open_model(run.path))
    both = {n: np.concatenate([v, second[n]]) if v.ndim else v for n, v in first.items()}
    return [first, second, both, first]


def outcomes(run: Run, steps: Sequence[Values], **options: Any) -> tuple[Interpreter, list[Any]]:
    """The outputs of each step, by name or position, or the type of exception that refused it."""
    interpreter = Interpreter(run.path, **options)
    interpreter._session.poison = True
    call = main_graph(interpreter) if run.signature is None else signature(interpreter, run)
    found: list[Any] = []
    for step in steps:
        try:
            found.append(call(step))
        except (RuntimeError, ValueError) as error:
            found.append(type(error))
    return interpreter, found


def signature(interpreter: Interpreter, run: Run) -> Callable[[Values], Values]:
    runner = interpreter.get_signature_runner(run.signature)
    return lambda step: runner(**step)


def main_graph(interpreter: Interpreter) -> Callable[[Values], Values]:
    def call(step: Values) -> Values:
        shapes = []
        for i, detail in enumerate(interpreter.get_input_details()):
            shapes.append((tuple(detail["shape"]), step[str(i)].shape))
            interpreter.resize_tensor_input(detail["index"], step[str(i)].shape)
        if interpreter._plan is None or any(now != wanted for now, wanted in shapes):
            interpreter.allocate_tensors()
        for i, detail in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(detail["index"], step[str(i)])
        interpreter.invoke()
        made = interpreter.get_output_details()
        return {str(i): interpreter.get_tensor(d["index"]) for i, d in enumerate(made)}

    return call


def assert_identical(got: Any, expected: Any) -> None:
    if isinstance(expected, type):
        assert got is expected
        return
    assert got.keys() == expected.keys()
    for name, want in expected.items():
        have, want = np.asarray(got[name]), np.asarray(want)
        assert (have.shape, have.dtype) == (want.shape, want.dtype), name
        if want.dtype.hasobject:
            assert have.tolist() == want.tolist(), name
        else:
            assert have.tobytes() == want.tobytes(), name


def nodes(interpreter: Interpreter) -> dict[tuple[int, int], NodePlace]:
    """The places of all nodes of the graphs that ran, by graph and node."""
    graphs = interpreter.explain().subgraphs
    return {(graph.index, node.index): node for graph in graphs for node in graph.nodes}


@pytest.mark.parametrize("run", runs(ALL), ids=str)
def test_halves_on_a_delegate_change_nothing(run: Run) -> None:
    """The second delegate takes what the first does not: together they run every node but those
    that the runtime keeps."""
    steps = schedule(run)
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    _, expected = outcomes(run, steps, experimental_op_resolver_type=resolver)
    half = random_half(1)

    def other_half(graph: Graph, node: Node) -> bool:
        return not half(graph, node)

    found = []
    for accepts in (half, other_half):
        with warnings.catch_warnings():
            warnings.simplefilter("error", DelegateWarning)
            delegate = ReferenceDelegate(accepts)
            interpreter, got = outcomes(run, steps, experimental_delegates=[delegate])
        for have, want in zip(got, expected, strict=True):
            assert_identical(have, want)
        if not isinstance(expected[-1], type):
            found.append(nodes(interpreter))
    for one, other in zip(*map(dict.values, found), strict=True) if found else ():
        taken = (one.owner, other.owner).count("reference")
        codes = {r.code for r in (*one.refusals.values(), *other.refusals.values())}
        assert taken == (0 if codes & KEPT_BY_THE_RUNTIME else 1), (one, other)
