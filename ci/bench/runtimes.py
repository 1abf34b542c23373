"""What `cuda_worker.py` runs: a runtime prepares cases, and a prepared case can be run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from litegpu.graph import Array

from .networks import NETWORKS

PRECISIONS = ("fp32", "tf32", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class Case:
    """`model`: one of NETWORKS, or the path of a model's file, which keeps its own types and
    batch."""

    model: str
    batch: int
    precision: str

    @property
    def is_network(self) -> bool:
        return self.model in NETWORKS

    def __str__(self) -> str:
        return f"{self.model} {self.precision} x{self.batch}"


class Runner(Protocol):
    """A case that is ready. `facts`: what else is known of it, as JSON."""

    facts: dict[str, Any]

    def on_device(self) -> None:
        """One run with inputs and outputs that stay on the device; returns when it is done."""
        ...

    def from_host(self) -> Array:
        """The output of one run, from an array of the host to another."""
        ...

    def expensive(self) -> list[dict[str, Any]]:
        """The kernels that take most of a run; empty where the runtime does not tell."""
        ...


class Runtime(Protocol):
    """A framework in this process."""

    def version(self) -> str: ...

    def prepare(self, case: Case) -> Runner:
        """The case, compiled and run once; ValueError where the runtime does not have it."""
        ...


class Missing(RuntimeError):
    """A runtime cannot be had here; the message says why."""


RUNTIMES = {
    "litegpu": ("runtime_litegpu", "LiteGpu", {"tune": False}),
    "litegpu.tuned": ("runtime_litegpu", "LiteGpu", {"tune": True}),
    "torch": ("runtime_torch", "Torch", {"compiled": False}),
    "torch.compile": ("runtime_torch", "Torch", {"compiled": True}),
    "jax": ("runtime_jax", "Jax", {}),
}
"""Module, class and arguments of each runtime: PyTorch with channels-last layouts and CUDA graphs;
`torch.compile(mode="max-autotune")`; XLA."""


def load(name: str, device: str) -> Any:
    """The runtime on a device: "cuda", or what else it knows; Missing where there is none."""
    module, kind, arguments = RUNTIMES[name]
    try:
        made = getattr(importlib.import_module(f"ci.bench.{module}"), kind)
    except ImportError as error:
        raise Missing(str(error)) from error
    return made(device, **arguments)


def network_input(shape: tuple[int, ...]) -> Array:
    """The same random values for every runtime."""
    return np.random.default_rng(0).normal(0, 0.5, shape).astype(np.float32)
