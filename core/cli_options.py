"""What the commands share: arguments that mean the same everywhere, and how failures are told."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite file.")]

Delegate = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Who runs what it can: a delegate's name, `package.module:callable`, or a .py file; "
        "`cpu` for none. Without it the default one, if there is a GPU.",
    ),
]

DelegateOptions = Annotated[
    list[str] | None,
    typer.Option("--delegate-option", metavar="KEY=VALUE", help="An option of the delegate."),
]

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[NAME=]VALUE",
        help="What an input gets: a .npy file, an image, or `random` (the default). NAME may "
        "be its position; without NAME the model's only input, or with `random` all of them.",
    ),
]

Seed = Annotated[int, typer.Option(min=0, help="Of the random inputs.")]

NumThreads = Annotated[
    int | None, typer.Option(min=-1, help="Threads of the CPU's matrix products.")
]


def counted(count: int, what: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def one_line(text: str) -> str:
    """The lines of a text as one, with semicolons between those that are not sentences."""
    lines = (" ".join(line.split()) for line in text.splitlines() if line.strip())
    return "; ".join(lines).replace(".; ", ". ")


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turns a failing model or input into one line on stderr and exit code 1."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        typer.echo(f"litegpu: {one_line(str(error)) or type(error).__name__}", err=True)
        raise typer.Exit(1) from error
    for warning in caught:
        typer.echo(f"litegpu: warning: {one_line(str(warning.message))}", err=True)
