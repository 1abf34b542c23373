"""litegpu with a GPU delegate, as a runtime of the benchmarks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import litegpu
from litegpu import DelegateLoadError, Interpreter, load_delegate
from litegpu.graph import Array, Graph

from . import roofline
from .networks import network
from .runtimes import Case, Missing
from .worker import fill_inputs, owners

MOST = 5
"""Kernels that are named."""

WARM = 2
"""Runs after which a sequence is captured as a graph."""

ENOUGH_S = 2e-3
"""Launches are repeated for about so long to be timed."""


class LiteGpu:
    """One delegate for each precision; the runtime's device is the delegate's name."""

    def __init__(self, device: str, tune: bool = False) -> None:
        self._name = device
        self._options = {"fallback": "raise", **({"tune": True} if tune else {})}
        try:
            self.info = load_delegate(device, self._options).delegate.device.info  # type: ignore[attr-defined]
        except DelegateLoadError as error:
            raise Missing(str(error)) from error

    def version(self) -> str:
        return litegpu.__version__

    def prepare(self, case: Case) -> LiteGpuRunner:
        content = (
            network(case.model, case.precision == "int8", case.batch)
            if case.is_network
            else Path(case.model).read_bytes()
        )
        precision = "fp32" if case.precision == "int8" else case.precision
        delegate = load_delegate(self._name, self._options | {"precision": precision})
        return LiteGpuRunner(content, delegate, case.precision, self.info.name)


class LiteGpuRunner:
    def __init__(self, content: bytes, delegate: Any, precision: str, gpu: str) -> None:
        self._delegate, self._precision, self._gpu = delegate.delegate, precision, gpu
        self._interpreter = made = Interpreter(
            model_content=content, experimental_delegates=[delegate]
        )
        made.allocate_tensors()
        fill_inputs(made)
        indices = [detail["index"] for detail in made.get_input_details()]
        self._given = {index: made.get_tensor(index) for index in indices}
        made.invoke()
        plan = made._plan
        assert plan is not None
        assert plan.delegation is not None
        self._executables: list[Any] = list(plan.delegation.executables.values())
        nodes = owners(made)
        self._is_whole = len(self._executables) == 1 and set(nodes) == {delegate.name}
        self._output = made.get_output_details()[0]["index"]
        graph = self._executables[0]._graph if self._executables else None
        self.facts = {
            "nodes": nodes,
            "partitions": len(self._executables),
            "launches": sum(len(e.program.launches) for e in self._executables),
            "floor_s": None if graph is None else self._floor(graph),
        }

    def _floor(self, graph: Graph) -> float | None:
        gpu = roofline.find(self._gpu)
        if gpu is None or not self._is_whole:
            return None
        return roofline.model_work(graph, self._precision).seconds(gpu, self._precision)

    def on_device(self) -> None:
        """The launches of the one partition; a whole invoke where there are others."""
        if not self._is_whole:
            self._interpreter.invoke()
            return
        with self._delegate.lock:
            self._executables[0]._launch_all()
            self._delegate.device.synchronize()

    def from_host(self) -> Array:
        for index, value in self._given.items():
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        found: Array = self._interpreter.get_tensor(self._output)
        return found

    def expensive(self) -> list[dict[str, Any]]:
        """The groups of nodes that take longest, with the share of their floor that they reach."""
        found = [group for e in self._executables for group in self._timed(e)]
        total = sum(group["seconds"] for group in found)
        found.sort(key=lambda group: -group["seconds"])
        return [group | {"share": group["seconds"] / total} for group in found[:MOST]]

    def _timed(self, executable: Any) -> Iterable[dict[str, Any]]:
        device, graph, program = self._delegate.device, executable._graph, executable.program
        gpu = roofline.find(self._gpu)
        with self._delegate.lock:
            once = device.timed(executable.steps)
            seconds = [
                repeated(device, step, s) for step, s in zip(executable.steps, once, strict=True)
            ]
        by_node: dict[int, float] = defaultdict(float)
        kernels: dict[int, list[str]] = {}
        for launch, s in zip(program.launches, seconds, strict=True):
            by_node[launch.node] += s
            kernels.setdefault(launch.node, []).append(launch.kernel.entry)
        nodes = {n: group.nodes for group in executable.groups for n in group.nodes}
        for node, s in by_node.items():
            own = nodes.get(node, (node,))
            work = roofline.work_of(graph, own, self._precision)
            yield {
                "kernels": kernels[node],
                "nodes": [f"{n} {graph.nodes[n].op}" for n in own],
                "seconds": s,
                "macs": work.macs,
                "bytes": work.bytes,
                "floor_s": work.seconds(gpu, self._precision) if gpu else None,
            }


def repeated(device: Any, step: Callable[[], object], estimate: float) -> float:
    """Seconds of one launch among many: hosts need longer to launch one than small kernels run."""
    count = max(1, min(50, int(ENOUGH_S / max(estimate, 1e-6))))
    run = device.sequence([step] * count)
    for _ in range(WARM):
        run()
    device.synchronize()
    start = time.perf_counter()
    run()
    device.synchronize()
    return (time.perf_counter() - start) / count
