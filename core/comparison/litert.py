"""LiteRT as the reference, in a process of its own: it may crash."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Any

from ..dtypes import NUMPY, OBJECTS
from ..entry import Entry
from ..graph import Array
from ..schema.enums import TensorType
from ..schema.writer import write_model
from .litert_worker import read, write
from .samples import Sample
from .structure import called
from .trace import Invocation

ONE_GRAPH = "LiteRT shows the graph that is run: bodies of control flow are not looked into"


UNREADABLE = OBJECTS | {TensorType.RESOURCE}
"""Types of tensors at which LiteRT's `get_tensor` may crash."""


class PeerError(RuntimeError):
    """LiteRT refused the model or its inputs, or its process died."""


class LiteRT:
    """The reference kernels (BUILTIN_REF) of the installed `ai-edge-litert`."""

    def __init__(self, entry: Entry, content: bytes | None = None) -> None:
        if importlib.util.find_spec("ai_edge_litert") is None:
            raise ImportError("reference 'litert' needs LiteRT: pip install ai-edge-litert")
        self.name = "litert"
        self.notes = [
            "LiteRT shows the graph that is run: bodies of control flow are not looked into"
        ]
        if len(entry.model.graphs) == 1 or not _calls(entry):
            self.notes = []
        self._entry = entry
        tensors = entry.graph.tensors
        self._variables = [t for t, tensor in enumerate(tensors) if tensor.is_variable]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "litegpu.comparison.litert_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C at the terminal is for this process alone.
            start_new_session=True,
        )
        self._ask(
            {
                "model": write_model(entry.model) if content is None else content,
                "graph": entry.index,
                "signature": entry.signature,
                "names": {t: name for name, t in entry.inputs},
                "variables": self._variables,
                "tensors": [
                    t for t, tensor in enumerate(tensors) if tensor.dtype not in UNREADABLE
                ],
            }
        )

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write(self._process.stdin, request)  # type: ignore[arg-type]
            kind, value = read(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, BrokenPipeError):
            status = self._process.wait()
            raise PeerError(f"LiteRT's process died (exit status {status})") from None
        except (pickle.UnpicklingError, MemoryError, ValueError, TypeError) as error:
            # A process that has overwritten its memory may get as far as a reply.
            self._process.kill()
            raise PeerError(f"LiteRT's process is broken: {error!r} in its reply") from error
        if kind == "error":
            raise PeerError(f"LiteRT: {value}")
        return value

    def trace(self, sample: Sample, reset: bool) -> list[Invocation]:
        values, before = self._ask({"inputs": sample, "reset": reset})
        graph = self._entry.graph
        run = Invocation(self._entry.index, tuple(sample[t].shape for t in graph.inputs))
        run.values = self._usable(values) | sample
        kept = self._usable(before)
        for n, node in enumerate(graph.nodes):
            run.before.update({(n, t): kept[t] for t in node.inputs if t in kept})
        return [run]

    def _usable(self, values: dict[int, Array]) -> dict[int, Array]:
        """The values that have the type that litegpu gives them."""
        tensors = self._entry.graph.tensors
        return {t: a for t, a in values.items() if a.dtype == NUMPY[tensors[t].dtype]}

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # What is left in the pipe of a process that died has nowhere to go.
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()


def _calls(entry: Entry) -> bool:
    return any(True for node in entry.graph.nodes for _ in called(node.options))
