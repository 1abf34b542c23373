"""PyTorch as a runtime of the benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from litegpu.graph import Array

from . import peers_torch
from .runtimes import Case, Missing, network_input

WARM = 3
"""Runs before a capture, in which libraries choose their kernels."""

TYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}


class Torch:
    """`compiled`: by max-autotune, which uses CUDA graphs; otherwise captured as a CUDA graph.

    On the device "cpu", networks run as they are.
    """

    def __init__(self, device: str, compiled: bool) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise Missing("PyTorch finds no GPU")
        self._device, self._compiled = device, compiled

    def version(self) -> str:
        return str(torch.__version__)

    def prepare(self, case: Case) -> TorchRunner:
        if case.precision not in TYPES or not case.is_network:
            raise ValueError("not compared")
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = case.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = case.precision == "tf32"
        dtype = TYPES[case.precision]
        module: Any = peers_torch.network(case.model, case.batch).to(self._device, dtype)
        if self._compiled:
            torch._dynamo.reset()
            module = torch.compile(module, mode="max-autotune", fullgraph=True)
        given = network_input(peers_torch.input_shape(case.model, case.batch))
        return TorchRunner(module, given, self._device, dtype, not self._compiled)


class TorchRunner:
    def __init__(
        self, module: Any, given: Array, device: str, dtype: torch.dtype, capture: bool
    ) -> None:
        self.facts: dict[str, Any] = {}
        self._cuda = device == "cuda"
        self._host = torch.from_numpy(given)
        if self._cuda:
            self._host = self._host.pin_memory()
        self._x = torch.from_numpy(given).to(device, dtype)
        with torch.inference_mode():
            captured = self._cuda and capture
            self._run = self._replay(module) if captured else lambda: module(self._x)
        for _ in range(WARM):
            self.on_device()

    def _replay(self, module: Any) -> Callable[[], torch.Tensor]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM):
                module(self._x)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = module(self._x)

        def replay() -> torch.Tensor:
            graph.replay()
            return y

        return replay

    def on_device(self) -> None:
        with torch.inference_mode():
            self._run()
        if self._cuda:
            torch.cuda.synchronize()

    def from_host(self) -> Array:
        with torch.inference_mode():
            self._x.copy_(self._host, non_blocking=True)
            found: Array = self._run().float().cpu().numpy()
        return found

    def expensive(self) -> list[dict[str, Any]]:
        return []
