"""`litegpu.compare`: a delegate beside a reference, on any number of samples."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..custom_ops import CustomOps, registered
from ..entry import Entry, entry
from ..graph import Model
from ..ops.registry import Op
from ..pictures import Normalization, Pixels
from ..plugins import LoadedDelegate, as_delegate
from .ledger import Ledger
from .litert import LiteRT
from .repro import write_repro
from .result import Comparison
from .run import Progress, Run
from .samples import open_any, source
from .sides import Reference, Side
from .tolerances import require_known
from .tolerances import tolerances as tolerances_of

MODES = ("cumulative", "isolated")


def compare(
    model: str | os.PathLike[str] | bytes | Model,
    delegate: Any,
    inputs: Any = None,
    *,
    reference: Any = "cpu",
    mode: str = "cumulative",
    tensors: Any = "all",
    samples: int | None = None,
    seed: int = 0,
    tolerances: Mapping[str, Any] | float | None = None,
    pixels: Pixels | Normalization | None = None,
    signature: str | None = None,
    reset_variables: bool = True,
    custom_op_registerers: Sequence[Callable[[CustomOps], Any]] = (),
    progress: Progress | None = None,
    repro: str | os.PathLike[str] | None = None,
) -> Comparison:
    """How far what a delegate computes is from a reference, tensor by tensor.

    `delegate` is what `experimental_delegates` takes, or a name for `load_delegate`; `reference`
    "cpu", "litert" (in a process of its own), or another delegate. In `mode` "cumulative" both
    sides run the whole model; in "isolated" each group of the delegate's nodes runs on the
    reference's own tensors, so that errors do not add up. What is computed is bit for bit what
    `invoke()` computes.

    `inputs`, `samples`, `seed` and `pixels` say what they get (see `comparison.samples.source`);
    `tensors` is "all", or indices, names or patterns of names; `tolerances` are described at
    `comparison.tolerances.tolerances`. Variables start anew for each sample unless
    `reset_variables` is False. Ctrl-C ends the run, and the result is that of the samples so far.
    Where something is wrong, `repro` is a folder that gets a model of the worst nodes, their inputs
    and a script that shows it.

    Raises ValueError or TypeError for arguments that make no sense, and RuntimeError where a side
    cannot run the model.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; {' or '.join(map(repr, MODES))} expected")
    started = time.perf_counter()
    compared = as_delegate(delegate)
    made = open_any(model)
    require_known(tolerances, made)
    custom_ops = registered(custom_op_registerers)
    entered = entry(made, signature)
    given = source(entered, inputs, samples, seed, pixels)
    limits = tolerances_of(tolerances, mode, precision(compared))
    outputs = entered.output_tensors
    ledger = Ledger(made, entered.index, outputs, limits, tensors, mode == "cumulative")
    run = Run(entered, compared, mode, ledger, reset_variables, custom_ops)
    peer = _reference(entered, reference, mode, custom_ops)
    try:
        run.all(peer, given, progress)
    finally:
        peer.close()
    result = run.result(peer, given, _name(model), seed, time.perf_counter() - started)
    if repro is not None and result.ranking:
        worst = result.ranking[0]
        sample = run.sample_of(worst)
        write_repro(
            Path(repro), entered, worst, sample, compared, result.facts, tolerances, custom_ops
        )
    return result


def _name(model: Any) -> str:
    return Path(os.fspath(model)).name if isinstance(model, str | os.PathLike) else "model"


def precision(delegate: Any) -> str:
    """The delegate's option of this name."""
    return (
        str(delegate.options.get("precision", "fp32"))
        if isinstance(delegate, LoadedDelegate)
        else "fp32"
    )


def _reference(
    entered: Entry, reference: Any, mode: str, custom_ops: Mapping[str, Op] | None
) -> Reference:
    if reference == "litert":
        return LiteRT(entered)
    if reference == "cpu":
        return Side(entered, (), custom_ops)
    return Side(entered, [as_delegate(reference)], custom_ops, preserve_all=mode == "isolated")
