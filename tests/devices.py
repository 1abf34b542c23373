"""The delegates on which operator cases run: one of each in a process, as programs share theirs."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from litegpu import DelegateLoadError, DelegateWarning, Interpreter, load_delegate

from .cuda import load_cuda

DEVICES = ("cpu", "opencl", "cuda")

CLAIMS: list[tuple[str, bool]] = []
"""(operator, whether the delegate took it) of the nodes that ran since the last look."""


@functools.cache
def gpu_delegate(device: str) -> Any:
    """The process's delegate of this name, and precision where one follows it; its device memory is
    poisoned before every run. The reason where there is none."""
    name, *precision = device.split()
    try:
        load = load_cuda if name == "cuda" else load_delegate
        loaded: Any = load(name, {"precision": precision[0]} if precision else {})
    except DelegateLoadError as error:
        return str(error)
    loaded.delegate.poison = True
    return loaded


def delegates(device: str) -> list[Any]:
    """What `experimental_delegates` takes to run on a device; skips the test where it is absent,
    or fails it if $LITEGPU_REQUIRE_DEVICES names the device."""
    if device == "cpu":
        return []
    found = gpu_delegate(device)
    if isinstance(found, str):
        required = os.environ.get("LITEGPU_REQUIRE_DEVICES", "").split(",")
        (pytest.fail if device.split()[0] in required else pytest.skip)(found)
    return [found]


def note_claims(interpreter: Interpreter, device: str) -> None:
    """Remembers which nodes the device took."""
    if device != "cpu":
        nodes = (n for graph in interpreter.explain().subgraphs for n in graph.nodes)
        CLAIMS.extend((n.op, n.owner == device.split()[0]) for n in nodes)


@contextmanager
def no_fallback() -> Iterator[None]:
    """Fails where a delegate could not run what it took, also where the body raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DelegateWarning)
        try:
            yield
        finally:
            fallbacks = [str(w.message) for w in caught if w.category is DelegateWarning]
            assert not fallbacks, fallbacks
