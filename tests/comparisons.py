"""Results of comparisons that were never made: what reports show of them is known beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from litegpu.comparison.result import (
    OK,
    WRONG,
    Comparison,
    Counts,
    GraphFacts,
    GroupResult,
    Histogram,
    NodeFacts,
    RunFacts,
    TensorResult,
    Tolerance,
    Worst,
)

OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "SOFTMAX")
LIMIT = 5e-4
ELEMENTS = 1000


def error_of(n: int) -> float:
    """The error of tensor n + 1 where nothing is wrong: all of them differ."""
    return 1e-7 * (1 + n % 7 + n / 1e5)


def chain(
    count: int, wrong: Mapping[int, float] | None = None, names: Sequence[str] = (), cpu: int = 0
) -> Comparison:
    """`count` nodes, each of which reads the tensor of the one before, every eighth also that of
    the sixth before; node n makes tensor n + 1, which is called `names[n]` where there is one.

    Every fifth node is fused with the next. `wrong` are errors by node; the first `cpu` nodes are
    the CPU's.
    """
    wrong = wrong or {}
    nodes = tuple(_node(n, "cpu" if n < cpu else "opencl") for n in range(count))
    groups: list[GroupResult] = []
    for start, stop in _runs(count):
        groups.append(_group(nodes[start:stop], wrong.get(stop - 1)))
    tensors = tuple(_tensor(g.nodes[-1], g, names, wrong.get(g.nodes[-1]), count) for g in groups)
    graph = GraphFacts(0, "main", (0,), (count,), nodes)
    verdict = WRONG if wrong else OK
    return Comparison(_facts(), (graph,), tensors, tuple(groups), verdict)


def _runs(count: int) -> list[tuple[int, int]]:
    found, n = [], 0
    while n < count:
        size = 2 if n % 5 == 0 and n + 1 < count else 1
        found.append((n, n + size))
        n += size
    return found


def _node(n: int, owner: str) -> NodeFacts:
    inputs = (n, n - 5) if n % 8 == 7 else (n,)
    return NodeFacts(n, OPS[n % len(OPS)], owner, inputs, (n + 1,))


def _group(nodes: Sequence[NodeFacts], error: float | None) -> GroupResult:
    last, owner = nodes[-1], nodes[0].owner
    return GroupResult(
        0,
        tuple(node.index for node in nodes),
        tuple(node.op for node in nodes),
        owner,
        None if owner == "cpu" else 1,
        nodes[0].inputs,
        last.outputs,
        OK if error is None else WRONG,
        error_of(last.index) if error is None else error,
        None if error is None else error / 1e-7,
    )


def _tensor(
    n: int, group: GroupResult, names: Sequence[str], error: float | None, count: int
) -> TensorResult:
    found = error_of(n) if error is None else error
    return TensorResult(
        graph=0,
        tensor=n + 1,
        name=names[n] if n < len(names) else f"layer_{n}/out",
        dtype="float32",
        shape=(1, 10, 100),
        scale=None,
        node=n,
        owner=group.owner,
        is_output=n + 1 == count,
        tolerance=Tolerance(of_largest=LIMIT, absolute=1e-7),
        verdict=group.verdict,
        comparisons=1,
        mismatched=0,
        elements=ELEMENTS,
        beyond=0 if error is None else ELEMENTS // 4,
        exact=ELEMENTS // 2,
        error=found,
        max_abs=2 * found,
        mean_abs=found / 10,
        max_relative=found,
        mean_relative=found / 10,
        max_ulp=3.0,
        mean_ulp=0.5,
        cosine=0.999,
        sqnr=float("inf") if error is None else 20.0,
        largest=2.0,
        reference=Counts(),
        compared=Counts(nan=0 if error is None else 7),
        worst=Worst(0, (0, 3, 14), 1.5, 1.5 + 2 * found),
        histogram=Histogram((0,) * 10 + (100, 300, 93) + (0,) * 27, 500, 7),
    )


def _facts() -> RunFacts:
    return RunFacts(
        "0.1.0",
        "model.tflite",
        None,
        "opencl",
        "cpu",
        "cumulative",
        "tensors",
        "random",
        0,
        1,
        False,
        1.5,
        ("a note",),
    )


def with_facts(result: Comparison, **changes: object) -> Comparison:
    return dataclasses.replace(result, facts=dataclasses.replace(result.facts, **changes))  # type: ignore[arg-type]
