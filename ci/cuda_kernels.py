"""The kernels that models take on a CUDA device, lowered without one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import product
from typing import Any

from litegpu.delegates.device import default_block
from litegpu.delegates.lowering.context import Options
from litegpu.delegates.lowering.plans import candidates
from litegpu.delegates.program import Kernel
from litegpu.delegates.tuning import CANDIDATES
from litegpu.schema.writer import write_model

from ci.bench.networks import NETWORKS, network
from tests.cases import feeds, model_of
from tests.gpu.fakes import CUDA, lower
from tests.model_runs import SHIPPED
from tests.operator_cases import cases_by_operator
from tests.shared import MODELS

PRECISIONS = ("fp32", "tf32", "fp16")

Kernels = dict[Kernel, int]
"""Kernels, and the work items of the largest block with which each is launched."""

Given = tuple[bytes, Sequence[Any]]
"""A model, and inputs that give it its shapes."""


def kernels_of(content: bytes, options: Options, arch: int, inputs: Sequence[Any] = ()) -> Kernels:
    """The kernels of one model on a device of CUDA of this architecture, 90 for sm_90."""
    info, found = replace(CUDA, arch=arch), Kernels()
    for lowered in lower(content, info, inputs, options).lowered:
        for launch in lowered.program.launches:
            block = launch.block or default_block(launch.threads, info)
            found[launch.kernel] = max(math.prod(block), found.get(launch.kernel, 0))
    return found


def tuned(content: bytes, options: Options, arch: int, inputs: Sequence[Any] = ()) -> Kernels:
    """The kernels among which tuning chooses: those of every plan that it measures."""
    plans = options.plans
    plans.asked = []
    found = kernels_of(content, options, arch, inputs)
    measured = {question: candidates(question, CANDIDATES) for question in plans.asked}
    for k in range(CANDIDATES):
        plans.measured = {q: listed[min(k, len(listed) - 1)] for q, listed in measured.items()}
        merge(found, kernels_of(content, options, arch, inputs))
    return found


def usual() -> Iterator[Given]:
    """The networks of the benchmarks, and the models that ship."""
    for name, int8 in product(NETWORKS, (False, True)):
        yield network(name, int8), ()
    for path in SHIPPED:
        yield path.read_bytes(), ()


def cases() -> Iterator[Given]:
    """A model of every case of every operator."""
    for case in (case for listed in cases_by_operator().values() for case in listed):
        if case.error is None:
            yield write_model(model_of(case)), feeds(case)


def real() -> Iterator[Given]:
    """The real models that lie beside the project."""
    for path in MODELS:
        yield path.read_bytes(), ()


SETS = {
    "usual": (usual, kernels_of),
    "tuned": (usual, tuned),
    "cases": (cases, kernels_of),
    "real": (real, kernels_of),
}
"""Models, and what tells their kernels."""


def kernels_of_set(name: str, precision: str, arch: int) -> Kernels:
    """The kernels of all models of one of SETS."""
    models, tell = SETS[name]
    found = Kernels()
    for content, inputs in models():
        merge(found, tell(content, Options(precision), arch, inputs))
    return found


def merge(found: Kernels, more: Kernels) -> None:
    for kernel, size in more.items():
        found[kernel] = max(size, found.get(kernel, 0))


def gather(
    pool: Executor, sets: Sequence[str], archs: Sequence[int], precisions: Sequence[str]
) -> dict[int, Kernels]:
    """`kernels_of_set` of these SETS by architecture, in all precisions."""
    jobs = [
        (arch, pool.submit(kernels_of_set, name, precision, arch))
        for name, arch, precision in product(sets, archs, precisions)
    ]
    made: dict[int, Kernels] = {arch: {} for arch in archs}
    for arch, job in jobs:
        merge(made[arch], job.result())
    return made
