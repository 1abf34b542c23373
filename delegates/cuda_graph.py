"""CUDA graphs, as CuPy gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from litegpu.warning import warn

from .device import in_order


class Graph:
    """Launches as one CUDA graph, captured when they are run for the second time: the first lets
    CUDA load the kernels, which it may not while it captures. Where capture fails, they are put on
    the stream one by one, and one warning says so."""

    def __init__(
        self,
        cupy: Any,
        here: Callable[[], Any],
        stream: Any,
        steps: Sequence[Callable[[], object]],
    ) -> None:
        self._mode = cupy.cuda.runtime.streamCaptureModeThreadLocal
        self._here = here
        self._stream = stream
        self._in_order = in_order(steps)
        self._graph: Any = None
        self._runs = 0

    def __call__(self) -> None:
        with self._here():
            if self._runs == 1:
                self._capture()
            self._runs += 1
            if self._graph is None:
                self._in_order()
            else:
                self._graph.launch(self._stream)

    def _capture(self) -> None:
        try:
            self._stream.begin_capture(self._mode)
            try:
                self._in_order()
            finally:
                graph = self._stream.end_capture()
        except Exception as error:
            warn(f"CUDA captures no graph, and launches kernels one by one: {error}")
        else:
            self._graph = graph
