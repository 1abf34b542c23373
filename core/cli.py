"""The command line: its commands, which are here or in modules beside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from .cli_benchmark import run_benchmark
from .cli_compare import run_bisect, run_compare, run_extract
from .cli_delegate import chosen
from .cli_inspect import inspect_model
from .cli_ops import list_ops
from .cli_options import (
    Delegate,
    DelegateOptions,
    Inputs,
    ModelFile,
    NumThreads,
    Seed,
    reported,
)
from .cli_profile import run_profile
from .cli_run import RunOptions, run_model
from .pictures import Pixels

app = typer.Typer(
    name="litegpu",
    help="Runs and examines TensorFlow Lite models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": lambda token: token.replace("_", "-")},
)
app.command("benchmark")(run_benchmark)
app.command("bisect")(run_bisect)
app.command("compare")(run_compare)
app.command("extract")(run_extract)
app.command("profile")(run_profile)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"litegpu {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Runs and examines TensorFlow Lite models."""


@app.command()
def run(
    model: ModelFile,
    inputs: Inputs = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Write each output to a .npy file here."
        ),
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Run this signature, not the main graph."),
    ] = None,
    num_threads: NumThreads = None,
    runs: Annotated[int, typer.Option(min=1, help="How often to run it for the timings.")] = 10,
    seed: Seed = 0,
    pixels: Annotated[
        Pixels,
        typer.Option(
            help="Real values that the pixels 0 to 255 of an image stand for: unit 0 to 1, signed "
            "-1 to 1, byte 0 to 255; auto: 8-bit inputs take the bytes as they are, others unit."
        ),
    ] = Pixels.AUTO,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names of the classes, one a line.")
    ] = None,
    delegate: Delegate = None,
    delegate_options: DelegateOptions = None,
) -> None:
    """Runs a model and shows its outputs and how long it took."""
    wanted = RunOptions(
        model, tuple(inputs or ()), output, signature, num_threads, runs, seed, pixels, labels
    )
    with reported():
        run_model(wanted, chosen(delegate, delegate_options or ()))


@app.command()
def inspect(
    model: ModelFile,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON (docs/cli.md says how).")
    ] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    nodes: Annotated[bool, typer.Option("--nodes", help="List every node.")] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="List where every tensor lies in the arena, and when.")
    ] = False,
    delegate: Delegate = None,
    delegate_options: DelegateOptions = None,
) -> None:
    """Shows what a model contains and how litegpu plans it."""
    with reported():
        delegates = chosen(delegate, delegate_options or ())
        inspect_model(model, as_json, tensors, nodes, memory, delegates)


@app.command()
def ops(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/operators.md.")
    ] = False,
) -> None:
    """Lists the operators that litegpu runs."""
    if as_json and markdown:
        raise typer.BadParameter("give --json or --markdown, not both")
    with reported():
        list_ops("json" if as_json else "markdown" if markdown else "table")


def main() -> None:
    """The console script."""
    sys.exit(app())
