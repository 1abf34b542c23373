"""What a comparison found, as data: by tensor, by group of nodes, and for the whole run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SCHEMA = 1
"""Version of the layout of `Comparison.to_dict()`; it grows with every incompatible change."""

HISTOGRAM_LOW = -12
HISTOGRAM_HIGH = 8
HISTOGRAM_PER_DECADE = 2
"""Bins of `Histogram.counts`: absolute errors from 1e-12 to 1e8, two bins a decade."""

OK = "ok"
WRONG = "wrong"
FAILED = "failed"
NOT_COMPARABLE = "not comparable"
UNSEEN = "unseen"
"""Verdicts: within tolerance; beyond it; the delegate raised; random; nobody could look."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """An element is within it if |error| <= relative * |reference| + of_largest * L + absolute.

    L is the largest magnitude of the reference in this tensor and sample, for quantised integers
    counted from the zero point. NaN and infinities must agree. All three 0: equal.
    """

    relative: float = 0.0
    of_largest: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Elements of one side that are special; `saturated`: at an end of the integer type's range."""

    nan: int = 0
    inf: int = 0
    zero: int = 0
    saturated: int = 0


@dataclass(frozen=True, slots=True)
class Worst:
    """The element with the largest error of all samples: its sample (from 0), its index in the
    tensor, and both values. Where there is none with a value, as of strings or where shapes differ,
    both are NaN."""

    sample: int
    index: tuple[int, ...]
    reference: float
    compared: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many elements have which absolute error (of quantised integers: in steps).

    Bin i of `counts` is from 10 ** (low + i / per_decade) to that of i + 1; the first also has
    smaller errors, the last also larger ones. `zero` elements are equal, `nonfinite` are NaN or
    infinite on one side alone.
    """

    counts: tuple[int, ...]
    zero: int
    nonfinite: int
    low: int = HISTOGRAM_LOW
    per_decade: int = HISTOGRAM_PER_DECADE


@dataclass(frozen=True, slots=True)
class TensorResult:
    """One tensor over all samples.

    `graph` and `tensor` are the file's indices; `node` makes it (None for inputs of the graph);
    `owner` is who ran that on the compared side. `scale` is the step of a tensor that is quantised
    as a whole. `comparisons` counts samples times invocations, `elements` the elements of all of
    them. Errors are absolute, of |reference|, in units in the last place (floats only), and as
    `error`, the largest of |error| / L with the L of `Tolerance`, of integers at least 1. `cosine`
    is the similarity of both sides, `sqnr` in decibels, infinite where equal; None where undefined.
    `beyond` elements are out of tolerance, `exact` are equal (or both NaN). `mismatched`
    comparisons had different shapes, and nothing else of them is counted.
    """

    graph: int
    tensor: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    node: int | None
    owner: str
    is_output: bool
    tolerance: Tolerance
    verdict: str
    comparisons: int
    mismatched: int
    elements: int
    beyond: int
    exact: int
    error: float
    max_abs: float
    mean_abs: float
    max_relative: float
    mean_relative: float
    max_ulp: float | None
    mean_ulp: float | None
    cosine: float | None
    sqnr: float | None
    largest: float
    reference: Counts
    compared: Counts
    worst: Worst | None
    histogram: Histogram

    @property
    def share_beyond(self) -> float:
        return self.beyond / self.elements if self.elements else 0.0

    @property
    def exact_rate(self) -> float:
        return self.exact / self.elements if self.elements else 1.0


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Nodes that run as one and are judged as one: mostly one node, or a fused chain.

    `inputs` and `outputs` are the tensors that exist at its border; `partition` is the position of
    the partition on the compared side (None on the CPU). `error` is the largest `error` of its
    outputs, infinite where NaN or infinities differ, None where unseen. `amplification`, in
    cumulative mode, is that divided by the largest `error` of its inputs. `reason` says why it
    failed, is not comparable or unseen.
    """

    graph: int
    nodes: tuple[int, ...]
    ops: tuple[str, ...]
    owner: str
    partition: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    verdict: str
    error: float | None
    amplification: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as drawn: `inputs` and `outputs` are tensors, without constants and absent ones."""

    index: int
    op: str
    owner: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """One graph that was looked into."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    nodes: tuple[NodeFacts, ...]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """How the comparison was made.

    `observation`: "tensors" where the delegate shows what lies in its memory, "partitions" where
    only outputs of its partitions could be compared, "nodes" where each of its nodes was compiled
    alone. `source` says what the inputs were. `notes` say what was not looked into, and what else
    happened.
    """

    version: str
    model: str
    signature: str | None
    delegate: str
    reference: str
    mode: str
    observation: str
    source: str
    seed: int
    samples: int
    interrupted: bool
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of `litegpu.compare`. Tensors and groups are in the order of running.

    `verdict` is "ok", "wrong" or "failed": of the outputs in cumulative mode, of all groups in
    isolated mode.
    """

    facts: RunFacts
    graphs: tuple[GraphFacts, ...]
    tensors: tuple[TensorResult, ...]
    groups: tuple[GroupResult, ...]
    verdict: str

    @property
    def ok(self) -> bool:
        return self.verdict == OK

    @property
    def first_divergence(self) -> GroupResult | None:
        """The first group in the order of running that is not within tolerance."""
        return next((g for g in self.groups if g.verdict in (WRONG, FAILED)), None)

    @property
    def ranking(self) -> tuple[GroupResult, ...]:
        """The groups that failed or are beyond tolerance, the guiltiest first: those that failed,
        then those whose inputs are within tolerance, each by amplification in cumulative mode and
        by error in isolated mode."""
        wrong = {(t.graph, t.tensor) for t in self.tensors if t.verdict == WRONG}

        def guilt(group: GroupResult) -> tuple[bool, bool, float, float]:
            error = 0.0 if group.error is None else group.error
            amplification = error if group.amplification is None else group.amplification
            misled = self.facts.mode == "cumulative" and any(
                (group.graph, t) in wrong for t in group.inputs
            )
            return group.verdict == FAILED, not misled, amplification, error

        guilty = [g for g in self.groups if g.verdict in (WRONG, FAILED)]
        return tuple(sorted(guilty, key=guilt, reverse=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dictionaries: `schema`, `verdict`, `facts`, `graphs`, `tensors`,
        `groups`, with the names of the fields; NaN and infinities are text."""
        found = {"schema": SCHEMA, "ok": self.ok} | asdict(self)
        result: dict[str, Any] = plain(found)
        for row, tensor in zip(result["tensors"], self.tensors, strict=True):
            row["share_beyond"] = tensor.share_beyond
            row["exact_rate"] = tensor.exact_rate
        return result

    def to_json(self, path: Path | str | None = None, indent: int | None = 2) -> str:
        """`to_dict()` as JSON, which is also written to `path`."""
        text = json.dumps(self.to_dict(), indent=indent, allow_nan=False)
        if path is not None:
            Path(path).write_text(text)
        return text


def plain(value: Any) -> Any:
    """The same in lists and dictionaries, NaN and infinities as text: what JSON can hold."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
