"""`litegpu compare`, `litegpu bisect` and `litegpu extract`: who computes what differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .cli_comparison import print_bisection, print_comparison
from .cli_delegate import chosen
from .cli_options import Delegate, DelegateOptions, ModelFile, Seed, counted, reported
from .comparison.bisection import bisect
from .comparison.extraction import extract
from .comparison.running import compare
from .pictures import Normalization, Pixels
from .plugins import default_delegates
from .report.html import write_html
from .report.model_explorer import write_model_explorer


class Mode(StrEnum):
    CUMULATIVE = "cumulative"
    ISOLATED = "isolated"


InputSource = Annotated[
    str,
    typer.Option(
        "--inputs",
        "-i",
        metavar="PATH",
        help="An .npy or .npz file with a sample or a stack of them, a picture, a folder of "
        "pictures, or `random`.",
    ),
]

Samples = Annotated[
    int | None, typer.Option(min=1, help="At most so many samples; of random ones 1 if not given.")
]

Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[WHAT=]VALUE",
        help="Allowed error of floats as a share of the largest magnitude, of integers in steps. "
        "WHAT is a type (float32) or a tensor's name or pattern; without it all floats.",
    ),
]

PixelValues = Annotated[
    Pixels | None,
    typer.Option(
        help="Real values of the pixels 0 to 255: unit 0 to 1, signed -1 to 1, byte 0 to 255. "
        "Without it what the model's metadata say, or else as `litegpu run`."
    ),
]

Mean = Annotated[
    str | None, typer.Option(metavar="M,…", help="A pixel p becomes (p - mean) / std.")
]
Std = Annotated[str | None, typer.Option(metavar="S,…", help="One number, or one a channel.")]

Signature = Annotated[str | None, typer.Option(metavar="KEY", help="Run this signature.")]


def run_compare(
    model: ModelFile,
    delegate: Delegate = None,
    delegate_options: DelegateOptions = None,
    reference: Annotated[
        str, typer.Option(metavar="NAME", help="`cpu`, `litert`, or another delegate's name.")
    ] = "cpu",
    mode: Annotated[
        Mode,
        typer.Option(
            help="cumulative: both sides run the whole model; isolated: each node of the delegate "
            "runs on the reference's own inputs."
        ),
    ] = Mode.CUMULATIVE,
    inputs: InputSource = "random",
    samples: Samples = None,
    seed: Seed = 0,
    tensors: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compare these alone: names, patterns, or indices."),
    ] = None,
    tolerance: Tolerance = None,
    pixels: PixelValues = None,
    mean: Mean = None,
    std: Std = None,
    signature: Signature = None,
    keep_variables: Annotated[
        bool, typer.Option("--keep-variables", help="Let state go on from sample to sample.")
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write the result as JSON; `-`: print it alone."
        ),
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to look at.")
    ] = None,
    model_explorer: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write node data that show errors in Model Explorer."),
    ] = None,
    repro: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where something is wrong, write a model of the worst nodes, their inputs and a "
            "script that shows it.",
        ),
    ] = None,
) -> None:
    """Compares a delegate with the CPU, tensor by tensor.

    Exits with 1 where they differ.
    """
    with reported(), _bar("samples") as progress:
        result = compare(
            model,
            _delegate(delegate, delegate_options or ()),
            inputs,
            reference=reference,
            mode=mode.value,
            tensors=_tensors(tensors),
            samples=samples,
            seed=seed,
            tolerances=_tolerances(tolerance),
            pixels=_pixels(pixels, mean, std),
            signature=signature,
            reset_variables=not keep_variables,
            progress=progress,
            repro=repro,
        )
    printed = json_file == Path("-")
    if printed:
        print(result.to_json())
    else:
        print_comparison(result)
    with reported():
        if json_file is not None and not printed:
            result.to_json(json_file)
        if html_file is not None:
            write_html(result, html_file)
        if model_explorer is not None:
            write_model_explorer(result, model_explorer)
    raise typer.Exit(0 if result.ok else 1)


def run_bisect(
    model: ModelFile,
    delegate: Delegate = None,
    delegate_options: DelegateOptions = None,
    inputs: InputSource = "random",
    samples: Samples = None,
    seed: Seed = 0,
    tolerance: Tolerance = None,
    pixels: PixelValues = None,
    mean: Mean = None,
    std: Std = None,
    signature: Signature = None,
) -> None:
    """Finds the least set of nodes that make an output wrong.

    They run on the delegate, all others on the CPU. Exits with 1 where there is such a set.
    """
    with reported(), _bar("sets tried") as progress:
        found = bisect(
            model,
            _delegate(delegate, delegate_options or ()),
            inputs,
            samples=samples,
            seed=seed,
            tolerances=_tolerances(tolerance),
            pixels=_pixels(pixels, mean, std),
            signature=signature,
            progress=lambda tried, _: progress(tried, None),
        )
    print_bisection(found)
    raise typer.Exit(1 if found.nodes else 0)


def run_extract(
    model: ModelFile,
    nodes: Annotated[str, typer.Option(metavar="N..M,…", help="Indices: 12..15, 20.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The .tflite file to write.")
    ],
    inputs_file: Annotated[
        Path | None,
        typer.Option("--inputs", metavar="FILE", help="An .npz file for the nodes' inputs."),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--source",
            metavar="PATH",
            help="What the whole model gets: an .npy or .npz file, a picture, or `random`.",
        ),
    ] = "random",
    seed: Seed = 0,
    pixels: PixelValues = None,
    mean: Mean = None,
    std: Std = None,
    signature: Signature = None,
) -> None:
    """Cuts nodes out as a model of their own.

    Its inputs are those that the nodes have in a real run.
    """
    with reported():
        normalised = _pixels(pixels, mean, std)
        found = extract(model, nodes, source, seed=seed, pixels=normalised, signature=signature)
        found.write(output, inputs_file)
    graph = found.model.graphs[0]
    counts = (
        counted(len(items), what)
        for items, what in (
            (found.nodes, "node"),
            (graph.inputs, "input"),
            (graph.outputs, "output"),
        )
    )
    print(f"{output.name}: {', '.join(counts)}")


def _delegate(name: str | None, options: Sequence[str]) -> Any:
    """The delegate to be compared: the one that is named, or the default one."""
    found = chosen(name, options)
    found = default_delegates() if found is None else found
    if not found:
        raise ValueError("say which delegate: --delegate NAME; there is no default one here")
    return found[0]


def _tensors(given: Sequence[str] | None) -> Any:
    return [int(x) if x.isdecimal() else x for x in given] if given else "all"


def _tolerances(given: Sequence[str] | None) -> Any:
    """What `compare` takes: a number for all floats, or numbers by type or name."""
    found: dict[str, float] = {}
    for text in given or ():
        what, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"--tolerance {text}: [WHAT=]NUMBER expected") from None
        if not what:
            found.update(dict.fromkeys(("float16", "bfloat16", "float32", "float64"), number))
        else:
            found[what] = number
    return found or None


def _pixels(pixels: Pixels | None, mean: str | None, std: str | None) -> Any:
    if mean is None and std is None:
        return pixels
    if pixels is not None:
        raise ValueError("give --pixels, or --mean and --std")
    return Normalization(_numbers("--mean", mean or "0"), _numbers("--std", std or "1"))


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(x) for x in text.split(","))
    except ValueError:
        raise ValueError(f"{option} {text}: numbers with commas between them expected") from None


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    """A bar on stderr, which goes when the work is done."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)
