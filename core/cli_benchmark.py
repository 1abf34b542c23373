"""`litegpu benchmark`: configurations side by side, as tables, JSON or CSV."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from .benchmark_result import DEFAULTS, Benchmark, Figures, Measurement
from .benchmarking import benchmark
from .cli_delegate import CPU, parsed_options
from .cli_inputs import given_values
from .cli_options import DelegateOptions, Inputs, ModelFile, Seed, one_line, reported
from .entry import entry
from .loading import load
from .pictures import Pixels
from .plugins import default_delegates


def run_benchmark(
    model: ModelFile,
    delegate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[,KEY=VALUE…]",
            help="Measure this delegate, with these options, beside the CPU; as often as needed. "
            "Without it the default one, if there is a GPU.",
        ),
    ] = None,
    delegate_options: DelegateOptions = None,
    cpu: Annotated[bool, typer.Option(help="Measure the CPU too, as what to compare with.")] = True,
    batch: Annotated[
        str | None,
        typer.Option(metavar="N,…", help="First dimension of every input; as in the file if none."),
    ] = None,
    num_threads: Annotated[
        str | None, typer.Option(metavar="N,…", help="Threads of the CPU's matrix products.")
    ] = None,
    num_runs: Annotated[int, typer.Option(min=1, help="At least so many runs.")] = (
        DEFAULTS.num_runs
    ),
    min_secs: Annotated[float, typer.Option(help="Run for at least so many seconds.")] = (
        DEFAULTS.min_secs
    ),
    max_secs: Annotated[float, typer.Option(help="Start no run after so many seconds.")] = (
        DEFAULTS.max_secs
    ),
    warmup_runs: Annotated[
        int, typer.Option(min=0, help="Runs before those that count; the first is always one.")
    ] = DEFAULTS.warmup_runs,
    warmup_min_secs: Annotated[float, typer.Option(help="Warm up for at least so long.")] = (
        DEFAULTS.warmup_min_secs
    ),
    run_delay: Annotated[float, typer.Option(help="Seconds between two runs, if positive.")] = (
        DEFAULTS.run_delay
    ),
    inputs: Inputs = None,
    input_layer: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="The inputs that --input-layer-shape is about."),
    ] = None,
    input_layer_shape: Annotated[
        str | None,
        typer.Option(metavar="1,224,224,3:…", help="Their shapes, with colons between them."),
    ] = None,
    input_layer_value_range: Annotated[
        str | None,
        typer.Option(metavar="NAME,LOW,HIGH:…", help="The range of random inputs."),
    ] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Times a model on the CPU and on delegates, side by side.

    Each runs in a process of its own; they take turns.
    """
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    with reported():
        shapes = layer_shapes(input_layer, input_layer_shape)
        ranges = layer_ranges(input_layer_value_range)
        given = given_values(entry(load(model, None)), inputs or (), Pixels.AUTO)
        chosen = chosen_delegates(delegate, delegate_options or (), cpu)
        console = Console(stderr=True)
        with console.status("") as status:
            found = benchmark(
                model,
                chosen,
                batch=numbers("--batch", batch),
                num_threads=numbers("--num-threads", num_threads),
                num_runs=num_runs,
                warmup_runs=warmup_runs,
                min_secs=min_secs,
                max_secs=max_secs,
                warmup_min_secs=warmup_min_secs,
                run_delay=run_delay,
                inputs=dict(given.items()),
                shapes=shapes,
                ranges=ranges,
                seed=seed,
                progress=lambda text: status.update(escape(text)),
            )
    if as_json:
        print(found.to_json())
    elif as_csv:
        print(found.to_csv(), end="")
    else:
        show(found, bool(shapes or given))
    for measurement in found.measurements:
        name = measurement.configuration.name
        for warning in measurement.figures.warnings if measurement.figures else ():
            typer.echo(f"litegpu: warning: {name}: {one_line(warning)}", err=True)
    if not found.ok:
        raise typer.Exit(1)


def chosen_delegates(
    names: Sequence[str] | None, options: Sequence[str], cpu: bool
) -> list[tuple[str, Mapping[str, Any]]]:
    """(name, options) of what is measured, the CPU first."""
    common = parsed_options(options)
    found: list[tuple[str, Mapping[str, Any]]] = [(CPU, {})] if cpu else []
    if names is None:
        found += [(d.library, {**d.options, **common}) for d in default_delegates()]
    for text in names or ():
        name, own = _named(text)
        if name != CPU:
            found.append((name, common | own))
        elif not cpu:
            found.append((CPU, {}))
    if not found:
        raise typer.BadParameter("there is nothing to measure: --no-cpu, and no delegate")
    return found


def _named(text: str) -> tuple[str, dict[str, Any]]:
    """A delegate and its options: `name,key=value,…`; a part without `=` goes on with the one
    before it."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and "=" not in part:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts[0], parsed_options(parts[1:])


def numbers(option: str, text: str | None) -> list[int | None]:
    """The integers of `1,8,64`; [None] for no text."""
    if text is None:
        return [None]
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: integers with commas expected") from None


def layer_shapes(names: str | None, shapes: str | None) -> dict[str | int, tuple[int, ...]]:
    """{input: shape} of `--input-layer a,b --input-layer-shape 1,224:1,10`."""
    if shapes is None:
        return {}
    if names is None:
        raise typer.BadParameter("--input-layer-shape needs --input-layer, the names of the inputs")
    keys, texts = names.split(","), shapes.split(":")
    if len(keys) != len(texts):
        raise typer.BadParameter(
            f"--input-layer names {len(keys)} inputs, --input-layer-shape {len(texts)} shapes"
        )
    try:
        found = [tuple(int(n) for n in text.split(",") if n) for text in texts]
    except ValueError:
        raise typer.BadParameter(f"--input-layer-shape {shapes}: integers expected") from None
    return dict(zip(keys, found, strict=True))


def layer_ranges(ranges: str | None) -> dict[str | int, tuple[float, float]]:
    """{input: (low, high)} of `--input-layer-value-range a,0,1:b,-1,1`."""
    found: dict[str | int, tuple[float, float]] = {}
    for text in ranges.split(":") if ranges else ():
        try:
            name, low, high = text.rsplit(",", 2)
            found[name] = float(low), float(high)
        except ValueError:
            raise typer.BadParameter(
                f"--input-layer-value-range {text}: NAME,LOW,HIGH expected"
            ) from None
    return found


# Tables.


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.3f}"


def _mib(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:,.1f}"


def _nodes(figures: Figures) -> str:
    total = sum(figures.nodes.values())
    return f"{total - figures.nodes.get(CPU, 0)} of {total}"


ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("delegated nodes", _nodes),
    ("init ms", lambda f: _ms(f.init_seconds)),
    ("first invoke ms", lambda f: _ms(f.first_seconds)),
    ("median ms", lambda f: _ms(f.steady.median)),
    ("p90 ms", lambda f: _ms(f.steady.p90)),
    ("p99 ms", lambda f: _ms(f.steady.p99)),
    ("min ms", lambda f: _ms(f.steady.min)),
    ("mean ms", lambda f: _ms(f.steady.mean)),
    ("std ms", lambda f: _ms(f.steady.std)),
    ("samples/s", lambda f: f"{f.throughput:,.1f}"),
    ("peak host MiB", lambda f: _mib(f.peak_host_bytes)),
    ("peak device MiB", lambda f: _mib(f.peak_device_bytes)),
    ("runs", lambda f: f"{f.steady.runs:,}"),
)
"""What tables say of a configuration."""


def show(found: Benchmark, shaped: bool) -> None:
    """Prints a table for each batch size and number of threads, with a column a delegate;
    `shaped`: inputs have other shapes than in the file."""
    console = Console()
    console.print(
        f"[bold]{escape(found.model)}[/bold]  {found.bytes:,} bytes; "
        f"{escape(str(found.environment['processor']))}, {found.environment['cores']} cores",
        highlight=False,
    )
    groups = itertools.groupby(
        found.measurements, lambda m: (m.configuration.batch, m.configuration.num_threads)
    )
    unbatched = "shapes as given" if shaped else "shapes of the file"
    for (batch, threads), group in groups:
        console.print(
            f"[italic]{unbatched if batch is None else f'batch {batch}'}, "
            f"threads: {'default' if threads is None else threads}[/]",
            highlight=False,
        )
        console.print(_table(list(group)))
    devices = {m.configuration.name: m.figures.device for m in found.measurements if m.figures}
    for name, device in devices.items():
        if device:
            console.print(f"{escape(name)}: {escape(device)}", highlight=False)


def _table(measurements: Sequence[Measurement]) -> Table:
    names = [Column(escape(m.configuration.name), justify="right") for m in measurements]
    table = Table(Column("", no_wrap=True), *names)
    first = measurements[0].figures
    for label, cell in ROWS:
        table.add_row(label, *("" if m.figures is None else cell(m.figures) for m in measurements))
        if label == "median ms" and len(measurements) > 1 and first is not None:
            against = escape(f"times as fast as {measurements[0].configuration.name}")
            table.add_row(against, *(_speed(first, m.figures) for m in measurements))
    if any(m.error for m in measurements):
        table.add_row("failed", *(escape(m.error) for m in measurements), style="red")
    return table


def _speed(first: Figures, figures: Figures | None) -> str:
    return "" if figures is None else f"{first.steady.median / figures.steady.median:.2f}"
