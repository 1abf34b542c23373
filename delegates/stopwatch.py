"""How long the transfers and launches of one run take, each by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from litegpu.delegate import Timing
from litegpu.graph import Graph
from litegpu.partition import Partition

from .device import Device
from .program import Launch


class Stopwatch:
    """`timings` so far; starts at once. Transfers are timed by the host, launches by the device."""

    def __init__(self, device: Device, graph: Graph) -> None:
        self._device = device
        self._graph = graph
        self._begin = self._last = time.perf_counter()
        self.timings: list[Timing] = []

    def transferred(self, kind: str, tensor: int, size: int) -> None:
        """Waits for the transfer of a tensor, the only thing on the queue."""
        self._device.synchronize()
        start, self._last = self._last, time.perf_counter()
        name = self._graph.tensors[tensor].name
        seconds = self._last - start
        self.timings.append(Timing(kind, name, seconds, (), size, start - self._begin))

    def launch(
        self,
        launches: Sequence[Launch],
        steps: Sequence[Callable[[], object]],
        groups: Sequence[Partition],
    ) -> None:
        """Runs the launches, and waits for them; `groups` are the nodes computed together."""
        nodes = {n: group.nodes for group in groups for n in group.nodes}
        start = time.perf_counter() - self._begin
        for launch, seconds in zip(launches, self._device.timed(steps), strict=True):
            computed = nodes.get(launch.node, ())
            self.timings.append(
                Timing("kernel", launch.kernel.entry, seconds, computed, start=start)
            )
            start += seconds
        self._last = time.perf_counter()
