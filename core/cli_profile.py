"""`litegpu profile`: what takes how long, as tables, JSON or a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from .cli_delegate import chosen
from .cli_inputs import given_values
from .cli_options import (
    Delegate,
    DelegateOptions,
    Inputs,
    ModelFile,
    NumThreads,
    Seed,
    one_line,
    reported,
)
from .entry import entry
from .explanation import spans as node_spans
from .loading import load
from .pictures import Pixels
from .profile_result import Profile
from .profiling import profile

SHORT = 40
"""Characters of a tensor's name that the table shows."""


def run_profile(
    model: ModelFile,
    delegate: Delegate = None,
    delegate_options: DelegateOptions = None,
    inputs: Inputs = None,
    num_runs: Annotated[int, typer.Option(min=1, help="How often to run it.")] = 20,
    warmup_runs: Annotated[int, typer.Option(min=0, help="Runs before those that count.")] = 1,
    num_threads: NumThreads = None,
    seed: Seed = 0,
    top: Annotated[int, typer.Option(min=0, help="Nodes to list; 0 for all.")] = 20,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a trace here, for ui.perfetto.dev."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Shows how long every node, partition and transfer of a model takes."""
    with reported():
        given = given_values(entry(load(model, None)), inputs or (), Pixels.AUTO)
        console = Console(stderr=True)
        with console.status("") as status:
            found = profile(
                model,
                chosen(delegate, delegate_options or ()),
                num_runs=num_runs,
                warmup_runs=warmup_runs,
                num_threads=num_threads,
                inputs=given,
                seed=seed,
                progress=lambda text: status.update(escape(text)),
            )
        if trace is not None:
            trace.write_text(json.dumps(found.to_trace()) + "\n")
    if as_json:
        print(found.to_json())
    else:
        show(found, top)
    for warning in found.warnings:
        typer.echo(f"litegpu: warning: {one_line(warning)}", err=True)


def show(found: Profile, top: int) -> None:
    """Prints the times of invokes, operators, the most expensive nodes, and partitions."""
    console = Console()
    plain, profiled = (1e3 * s.median for s in (found.plain, found.profiled))
    console.print(
        f"[bold]{escape(found.model)}[/bold]  {plain:,.3f} ms an invoke (median of "
        f"{found.plain.runs}); {profiled:,.3f} ms while profiled",
        highlight=False,
        soft_wrap=True,
    )
    for name, device in found.devices.items():
        console.print(f"{escape(name)}: {escape(device)}", highlight=False)
    console.print(_ops(found))
    console.print(_work(found, top))
    if found.partitions:
        console.print(_partitions(found))


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right", no_wrap=True) for name in names]


def _share(found: Profile, seconds: float) -> str:
    return f"{100 * seconds / found.work_seconds:.1f}" if found.work_seconds else ""


def _us(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f}"


def _ops(found: Profile) -> Table:
    table = Table("operator", "runs on", *_right("count", "calls", "µs", "%"), title="by operator")
    for row in found.ops:
        numbers = (str(row.count), f"{row.calls:g}", _us(row.seconds), _share(found, row.seconds))
        table.add_row(escape(row.op) or "other", escape(row.owner), *numbers)
    return table


def _work(found: Profile, top: int) -> Table:
    shown = found.work[: top or None]
    title = "by node" if len(shown) == len(found.work) else f"by node: the first {len(shown)}"
    columns = ("node", "operator", "output", "runs on")
    table = Table(*columns, *_right("calls", "µs", "%"), title=title)
    several = len({work.graph for work in found.work}) > 1
    for work in shown:
        where = f"{work.graph}: " if several else ""
        table.add_row(
            where + node_spans(work.nodes),
            escape(work.op) or "other",
            escape(work.name if len(work.name) <= SHORT else f"{work.name[: SHORT - 1]}…"),
            escape(work.owner),
            f"{work.calls:g}",
            _us(work.seconds),
            _share(found, work.seconds),
        )
    return table


def _partitions(found: Profile) -> Table:
    table = Table(
        Column("nodes", min_width=5),
        Column("runs on", min_width=6),
        *_right("µs", "kernels", "upload", "download", "rest", "bytes\nup", "bytes\ndown"),
        title="partitions on delegates, µs an invoke",
        collapse_padding=True,
    )
    for part in found.partitions:
        table.add_row(
            node_spans(part.nodes),
            escape(part.owner),
            _us(part.seconds),
            _us(part.kernel_seconds),
            _us(part.upload_seconds),
            _us(part.download_seconds),
            _us(part.overhead_seconds),
            f"{part.upload_bytes:,.0f}",
            f"{part.download_bytes:,.0f}",
        )
    return table
