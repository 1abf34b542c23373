"""What a profile found: times by piece of work and by partition, and all spans of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .benchmark_result import Steady
from .tracing import DOWNLOAD, INVOKE, KERNEL, NODE, PARTITION, UPLOAD, Span

SCHEMA = 1
"""Version of the layout of `Profile.to_dict()`; it grows with every incompatible change."""


@dataclass(frozen=True, slots=True)
class WorkTime:
    """Nodes that are computed together, mostly one: their share of an invoke.

    `name` is the tensor that they make last. `calls` and `seconds` are per invoke, without graphs
    that they call; those are in `total_seconds`. `kernels` are a delegate's. Where a delegate does
    not tell, all of a partition is one piece of work, and `seconds` include its transfers.
    """

    graph: int
    nodes: tuple[int, ...]
    ops: tuple[str, ...]
    name: str
    owner: str
    calls: float
    seconds: float
    total_seconds: float
    kernels: tuple[str, ...]

    @property
    def op(self) -> str:
        """Its operators: `CONV_2D + ADD`."""
        return " + ".join(self.ops)


@dataclass(frozen=True, slots=True)
class PartitionTime:
    """A partition on a delegate, per invoke: seconds from its begin to its end on the host, those
    of its kernels, and of its transfers.

    What is left of `seconds` is the host's: launching and waiting.
    """

    graph: int
    owner: str
    nodes: tuple[int, ...]
    calls: float
    seconds: float
    kernel_seconds: float
    upload_bytes: float
    upload_seconds: float
    download_bytes: float
    download_seconds: float

    @property
    def overhead_seconds(self) -> float:
        transfers = self.upload_seconds + self.download_seconds
        return max(self.seconds - self.kernel_seconds - transfers, 0.0)


@dataclass(frozen=True, slots=True)
class OpTime:
    """All pieces of work of the same operators and owner, per invoke."""

    op: str
    owner: str
    count: int
    calls: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The result of `litegpu.profile`, the most expensive work first.

    `plain` are invokes as they are, `profiled` those of which the rest is said: there, transfers
    and kernels wait for each other. `devices` says on what each delegate runs.
    """

    model: str
    devices: Mapping[str, str]
    environment: Mapping[str, str | int | None]
    plain: Steady
    profiled: Steady
    work: tuple[WorkTime, ...]
    partitions: tuple[PartitionTime, ...]
    spans: tuple[Span, ...]
    warnings: tuple[str, ...] = ()

    @property
    def ops(self) -> tuple[OpTime, ...]:
        """`work` by operator."""
        rows: dict[tuple[str, str], list[WorkTime]] = {}
        for work in self.work:
            rows.setdefault((work.op, work.owner), []).append(work)
        found = [
            OpTime(op, owner, len(all_), sum(w.calls for w in all_), sum(w.seconds for w in all_))
            for (op, owner), all_ in rows.items()
        ]
        return tuple(sorted(found, key=lambda row: -row.seconds))

    @property
    def work_seconds(self) -> float:
        """What the shares of `work` and `ops` are of."""
        return sum(work.seconds for work in self.work)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dictionaries, without the spans: those are in the trace."""
        partitions = [asdict(p) | {"overhead_seconds": p.overhead_seconds} for p in self.partitions]
        return {
            "schema": SCHEMA,
            "model": self.model,
            "devices": dict(self.devices),
            "environment": dict(self.environment),
            "plain": asdict(self.plain),
            "profiled": asdict(self.profiled),
            "ops": [asdict(row) for row in self.ops],
            "work": [asdict(work) for work in self.work],
            "partitions": partitions,
            "warnings": list(self.warnings),
        }

    def to_json(self, indent: int | None = 1) -> str:
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_trace(self) -> dict[str, Any]:
        """The spans in Chrome's trace-event format, which Perfetto and chrome://tracing show."""
        return trace(self.model, self.spans)


def trace(model: str, spans: Sequence[Span]) -> dict[str, Any]:
    """Complete events ("X") in microseconds from the first span on; the host is a thread, and each
    delegate's kernels and transfers are one."""
    threads: dict[str, int] = {}
    for span in spans:
        threads.setdefault(_thread(span), len(threads))
    begin = min((span.start for span in spans), default=0.0)
    names = [_metadata("process_name", 0, model)]
    names += [_metadata("thread_name", t, name) for name, t in threads.items()]
    names += [
        {**_metadata("thread_sort_index", t, ""), "args": {"sort_index": t}}
        for t in threads.values()
    ]
    events = [_event(span, begin, threads[_thread(span)]) for span in spans]
    return {"traceEvents": [*names, *events], "displayTimeUnit": "ms"}


def _thread(span: Span) -> str:
    if span.kind in (INVOKE, NODE, PARTITION):
        return "host"
    return f"{span.owner} {'kernels' if span.kind == KERNEL else 'transfers'}"


def _metadata(kind: str, thread: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": 1, "tid": thread, "args": {"name": name}}


def _event(span: Span, begin: float, thread: int) -> dict[str, Any]:
    args: dict[str, Any] = {"invoke": span.run, "owner": span.owner}
    if span.nodes:
        args |= {"graph": span.graph, "nodes": list(span.nodes)}
    if span.kind in (UPLOAD, DOWNLOAD):
        args["bytes"] = span.bytes
    place = {"ts": (span.start - begin) * 1e6, "dur": span.seconds * 1e6, "pid": 1, "tid": thread}
    name = f"{span.kind} {span.name}" if span.kind in (UPLOAD, DOWNLOAD) else span.name
    return {"name": name, "cat": span.kind, "ph": "X", **place, "args": args}


def by_partition(spans: Sequence[Span]) -> Iterator[tuple[Span, list[Span]]]:
    """Each run of a partition, with what its delegate told of it."""
    current: tuple[Span, list[Span]] | None = None
    for span in spans:
        if span.kind == PARTITION:
            if current is not None:
                yield current
            current = span, []
        elif span.kind in (KERNEL, UPLOAD, DOWNLOAD):
            assert current is not None
            current[1].append(span)
    if current is not None:
        yield current
